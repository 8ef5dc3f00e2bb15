"""Starting weights that behave: an untrained network whose answer depends on what it sees and has seen.

A deep network with plain random weights is useless for checks: after fifty layers its logits hardly depend on the
frame, and any two runtimes agree on them. Here the variance is kept through the layers by measuring the batch
norms' statistics once, on real input, and each residual branch starts small, as in Goyal et al., "Accurate, Large
Minibatch SGD" (2017, section 5.1), so that the network is not chaotic either.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeshift.models import ModelConfig, build
from edgeshift.models.network import ShiftNetwork

#: Scale of the last batch norm of a residual branch.
BRANCH = 0.3


def initial_network(config: ModelConfig, clips: Tensor, *, seed: int = 0) -> ShiftNetwork:
    """An untrained network, the same for the same arguments.

    Args:
        config: what to build.
        clips: [N, T, 3, size, size] RGB valued 0 to 255, to measure statistics on.
        seed: of the weights.
    """
    network = build(config, seed=seed)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.groups > 1:
                    module.weight.abs_()  # depthwise filters that blur: random ones would be mostly high-pass
            last = getattr(module, "last_norm", None)  # blocks with a residual branch have one
            if last is not None:
                last.weight.fill_(BRANCH)
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average over all that is seen
            norm.train()
        network(clips)
        for norm in norms:
            norm.momentum = 0.1
            norm.eval()
        _aim_head(network, clips)
    return network.eval()


def _aim_head(network: ShiftNetwork, clips: Tensor) -> None:
    """Give each pair of classes the two ends of a direction in which the features vary most, centred.

    Random directions would read mostly what hardly varies, and rounding would decide the label.
    """
    head = [m for m in network.modules() if isinstance(m, nn.Linear)][-1]
    seen: list[Tensor] = []
    hook = head.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    network(clips)
    hook.remove()
    features = torch.cat(seen)
    mean = features.mean(0)
    _, spread, directions = torch.linalg.svd(features - mean, full_matrices=False)
    classes = torch.arange(head.out_features)
    sign = 1.0 - 2.0 * (classes % 2)
    chosen = directions[(classes // 2) % len(directions)]
    head.weight.copy_(sign[:, None] * chosen * (len(features) ** 0.5 / spread[0]))
    head.bias.copy_(-head.weight @ mean)
