"""The cost of models, compared with figures of the papers and with figures that are computed by hand."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from edgeshift.errors import ModelError, ShiftError
from edgeshift.models import ModelConfig, build
from edgeshift.models import cost as module
from edgeshift.models.cost import Cost

MBV2, R50 = "mobilenet_v2", "resnet50"


@cache
def cost(config: ModelConfig) -> Cost:
    return module.cost(config)


def test_mobilenet_v2_with_27_classes():
    counted = cost(ModelConfig("tsm", MBV2, 27))
    assert counted.parameters == 2_258_459
    assert counted.multiply_adds == pytest.approx(300e6, rel=0.01)
    assert counted.state_values == 27_048


@pytest.mark.parametrize("table", ["tsn", "tsm", "stsm", "tsam"])
def test_flops_of_mobilenet_v2_as_in_the_papers(table):
    """A clip of 8 frames of Kinetics-400 costs 2.55 GFLOPs with every table, because shifts cost nothing."""
    counted = cost(ModelConfig(table, MBV2, 400))
    assert 2.55e9 <= round(8 * counted.paper_flops, -7) <= 2.56e9
    assert counted.parameters == 2_258_459 + (400 - 27) * 1281


@pytest.mark.parametrize("table", ["tsn", "tsm"])
def test_flops_of_resnet50_as_in_the_papers(table):
    counted = cost(ModelConfig(table, R50, 400))
    assert counted.parameters == pytest.approx(24.33e6, abs=0.005e6)
    assert 8 * counted.paper_flops == pytest.approx(33.0e9, abs=0.05e9)
    assert counted.multiply_adds == pytest.approx(4.09e9, rel=0.01)


@pytest.mark.parametrize("size", [64, 224])
def test_state_of_resnet50(size):
    """The states hold an eighth of the channels of each block's input, at the size of this input."""
    blocks = [(64, 4), *[(256, 4)] * 3, *[(512, 8)] * 4, *[(1024, 16)] * 6, *[(2048, 32)] * 2]
    expected = sum(channels // 8 * (size // shrink) ** 2 for channels, shrink in blocks)
    assert cost(ModelConfig("tsm", R50, 400, size=size)).state_values == expected


@pytest.mark.parametrize("table", ["tsm", "stsm"])
def test_state_of_mobilenet_v2(table):
    assert cost(ModelConfig(table, MBV2, 400)).state_values == 552 * (224 // 32) ** 2
    assert cost(ModelConfig(table, MBV2, 27, size=96)).state_values == 552 * (96 // 32) ** 2


@pytest.mark.parametrize(("depth", "fill"), [(1, "keep"), (2, "zero"), (3, "keep")])
def test_state_of_tsam(depth, fill):
    # (channels, side) of the input of the ten shifted blocks, for frames of 224x224.
    blocks = [(24, 56), *[(32, 28)] * 2, *[(64, 14)] * 3, *[(96, 14)] * 2, *[(160, 7)] * 2]
    kept_frames = depth * (depth + 1) // 2
    expected = sum(channels // 8 // depth * kept_frames * side**2 for channels, side in blocks)
    counted = cost(ModelConfig("tsam", MBV2, 27, depth=depth, fill=fill))
    assert counted.state_values == expected + (depth if fill == "keep" else 0)


def test_tsn_has_no_states():
    assert cost(ModelConfig("tsn", MBV2, 400)).state_values == 0


def test_multiply_adds_by_hand():
    """The number of classes changes only the cost of the head, and the frame size only that of the convolutions."""
    small, large = (cost(ModelConfig("tsm", MBV2, classes)).multiply_adds for classes in (27, 400))
    assert large - small == (400 - 27) * 1280
    # 224 is 7 * 32, and 96 is 3 * 32. The cost of convolutions grows with the square of the size.
    convolutions = cost(ModelConfig("tsm", MBV2, 27, size=96)).multiply_adds - 27 * 1280
    assert (small - 27 * 1280) * 9 == convolutions * 49


def test_paper_flops_by_hand():
    """They are multiply-adds, plus 2 per value of a batch norm, and 1 per value of an activation or the pooling."""
    config = ModelConfig("tsm", MBV2, 27, size=96)
    network, extra = build(config), []
    for layer in network.modules():
        each = {torch.nn.BatchNorm2d: 2, torch.nn.ReLU6: 1}.get(type(layer), 0)
        layer.register_forward_hook(lambda _layer, inputs, _output, each=each: extra.append(each * inputs[0].numel()))
    with torch.inference_mode():
        network(torch.zeros(1, 1, 3, 96, 96))
    pooled = 1280 * 3 * 3
    assert cost(config).paper_flops == cost(config).multiply_adds + sum(extra) + pooled


def test_a_narrower_network_costs_less():
    counts = [cost(ModelConfig("tsm", MBV2, 27, width=width)) for width in (0.5, 1.0)]
    assert counts[0].parameters < counts[1].parameters
    assert counts[0].multiply_adds < 0.4 * counts[1].multiply_adds


def test_counting_does_not_use_torchs_generator_and_default_device():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    module.cost(ModelConfig("tsm", MBV2, 27, size=64))
    assert torch.equal(torch.get_rng_state(), before)
    assert build(ModelConfig("tsm", MBV2, 27, size=64)).backbone.features[0][0].weight.device.type == "cpu"


def test_impossible_models_are_refused():
    with pytest.raises(ShiftError, match="smallest count that works"):
        cost(ModelConfig("tsam", MBV2, 27, depth=4))
    with pytest.raises(ModelError, match="too small"):
        cost(ModelConfig("tsm", MBV2, 27, size=32))
