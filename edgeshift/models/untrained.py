"""Random weights for checks: an untrained network whose logits depend on the frame and on the states.

A deep network with plain random weights is useless for checks: after fifty layers its logits hardly depend on the
frame, so any two runtimes agree on them. Here the statistics of the batch norms are measured on real input, so that
the features have the same variance after every layer. Residual branches have a small scale, as in Goyal et al.,
"Accurate, Large Minibatch SGD" (2017, section 5.1), so that small differences do not grow from layer to layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeshift.models import ModelConfig, build
from edgeshift.models.network import ShiftNetwork

#: Scale of the last batch norm of a residual branch.
BRANCH_SCALE = 0.3


def initial_network(config: ModelConfig, clips: Tensor, *, seed: int = 0) -> ShiftNetwork:
    """Return an untrained network. The same arguments give the same weights.

    Args:
        config: the network.
        clips: [N, T, 3, size, size] RGB, values 0 to 255, on which the statistics are measured.
        seed: seed of the weights.
    """
    network = build(config, seed=seed)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.groups > 1:
                    module.weight.abs_()  # positive depthwise filters blur; random signs would make them high-pass
            last = getattr(module, "last_norm", None)  # only blocks with a residual branch have this attribute
            if last is not None:
                last.weight.fill_(BRANCH_SCALE)
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # None: a plain average over all input
            norm.train()
        network(clips)
        for norm in norms:
            norm.momentum = 0.1
            norm.eval()
        _aim_head(network, clips)
    return network.eval()


def _aim_head(network: ShiftNetwork, clips: Tensor) -> None:
    """Point the head's weights along the directions in which the features vary most, two classes in each direction.

    Along random directions the features would hardly vary, and rounding errors would decide the label.
    """
    head = [m for m in network.modules() if isinstance(m, nn.Linear)][-1]
    inputs: list[Tensor] = []
    hook = head.register_forward_pre_hook(lambda _module, arguments: inputs.append(arguments[0]))
    network(clips)
    hook.remove()
    features = torch.cat(inputs)
    mean = features.mean(0)
    _, scales, directions = torch.linalg.svd(features - mean, full_matrices=False)
    classes = torch.arange(head.out_features)
    sign = 1.0 - 2.0 * (classes % 2)
    chosen = directions[(classes // 2) % len(directions)]
    head.weight.copy_(sign[:, None] * chosen * (len(features) ** 0.5 / scales[0]))
    head.bias.copy_(-head.weight @ mean)
