"""Untrained networks are the same every time, and their logits depend on the frame and on the states."""

from __future__ import annotations

import networks
import pytest
import torch
from torch import nn

from edgeshift.models import ModelConfig, build
from edgeshift.models.untrained import BRANCH_SCALE, initial_network

CONFIGS = {
    "mobilenet_v2": ModelConfig("tsm", "mobilenet_v2", 12, size=64),
    "mobilenet_v2 0.5": ModelConfig("stsm", "mobilenet_v2", 12, size=64, width=0.5),
    "resnet50": ModelConfig("tsm", "resnet50", 12, size=64),
}


@pytest.fixture(scope="module", params=CONFIGS)
def network(request):
    return initial_network(CONFIGS[request.param], networks.clips(2, 6, 64))


def test_it_is_in_evaluation_mode_with_finite_weights(network):
    assert not any(module.training for module in network.modules())
    assert all(torch.isfinite(tensor).all() for tensor in network.state_dict().values())
    assert {m.momentum for m in network.modules() if isinstance(m, nn.BatchNorm2d)} == {0.1}


def test_the_same_arguments_give_the_same_network_for_any_global_seed():
    config = CONFIGS["mobilenet_v2 0.5"]
    weights = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        weights.append(initial_network(config, networks.clips(2, 6, 64)).state_dict())
        assert torch.equal(torch.get_rng_state(), before), "torch's global generator must not be used"
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    other = initial_network(config, networks.clips(2, 6, 64), seed=1).state_dict()
    assert not torch.equal(weights[0]["backbone.features.0.0.weight"], other["backbone.features.0.0.weight"])


def test_the_variance_is_kept_through_the_layers(network):
    """The statistics are those of the clips, so the output of a batch norm has mean 0 and the scale of its weight."""
    outputs: dict[nn.Module, torch.Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda module, _inputs, output: outputs.__setitem__(module, output))
        for module in network.modules()
        if isinstance(module, nn.BatchNorm2d)
    ]
    with torch.inference_mode():
        network(networks.clips(2, 6, 64))
    for hook in hooks:
        hook.remove()
    for norm, output in outputs.items():
        deviation = output.std((0, 2, 3)) / norm.weight.detach()
        assert float(output.mean((0, 2, 3)).abs().median()) < 0.1
        assert 0.5 < float(deviation.median()) < 1.5


def test_residual_branches_have_a_small_scale(network):
    scales = [float(m.weight[0].detach()) for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    branches = 10 if hasattr(network.backbone, "features") else 16
    assert scales.count(pytest.approx(BRANCH_SCALE)) == branches
    assert scales.count(pytest.approx(1.0)) == len(scales) - branches


def test_logits_depend_on_the_frame_and_on_the_past(network):
    clip = networks.clips(2, 6, 64, seed=3)
    still_clip = clip[:, -1:].expand(-1, 6, -1, -1, -1)
    with torch.inference_mode():
        moving, still = network(clip), network(still_clip)
    assert float(moving.std((0, 1)).min()) > 0.01, "every logit must vary"
    assert float((moving[:, -1] - still[:, -1]).abs().max()) > 0.05, (
        "the same last frame must differ after another past"
    )
    assert len(set(moving.argmax(2).flatten().tolist())) >= 2


def test_pairs_of_classes_have_opposite_weights(network):
    head = [m for m in network.modules() if isinstance(m, nn.Linear)][-1]
    assert torch.allclose(head.weight[0::2], -head.weight[1::2])
    directions = torch.nn.functional.normalize(head.weight[0::2].detach(), dim=1)
    assert torch.allclose(directions @ directions.T, torch.eye(6), atol=1e-4)
    with torch.inference_mode():
        assert float(network(networks.clips(2, 6, 64)).mean((0, 1)).abs().max()) < 0.05, "the mean logits must be 0"


def test_with_plain_random_weights_the_logits_hardly_depend_on_the_frame():
    """This is the reason for ``initial_network``."""
    clip = networks.clips(2, 6, 64)
    with torch.inference_mode():
        plain = build(CONFIGS["mobilenet_v2"], seed=0)(clip)
        initial = initial_network(CONFIGS["mobilenet_v2"], clip)(clip)
    assert float(plain.std((0, 1)).mean()) < 0.01 * float(initial.std((0, 1)).mean())
