"""The clip function computes the mean of the logits that the clip form gives for all frames of a clip."""

from __future__ import annotations

from typing import Any

import networks
import pytest
import torch

from edgeshift.errors import ModelError
from edgeshift.models import ModelConfig
from edgeshift.models.clip_step import ClipStep, with_pooled_frames
from edgeshift.models.deploy import deploy_clip
from edgeshift.models.non_local import NonLocal
from edgeshift.models.shift_layers import ClipShift, shift_clip
from edgeshift.models.untrained import initial_network
from edgeshift.shift import Row, ShiftTable

TABLES: dict[str, dict[str, Any]] = {
    "tsn": {"table": "tsn"},
    "tsm": {"table": "tsm"},
    "tsm-keep": {"table": "tsm", "fill": "keep"},
    "stsm": {"table": "stsm"},
    "tsam2": {"table": "tsam", "depth": 2},
    "tsam2-zero": {"table": "tsam", "depth": 2, "fill": "zero"},
}


@pytest.mark.parametrize("bidirectional", [True, False], ids=["both", "past"])
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(("backbone", "frames"), [("mobilenet_v2", 8), ("mobilenet_v2", 3), ("resnet50", 4)])
def test_clip_function_equals_the_mean_of_the_clip_form(backbone, frames, table, bidirectional):
    network = networks.network(
        ModelConfig(backbone=backbone, classes=11, size=96, bidirectional=bidirectional, **TABLES[table])
    )
    clip = networks.clips(1, frames, 96)
    with torch.no_grad():
        expected = network(clip).mean(1)
        scale = float(expected.abs().max())
        deployed = deploy_clip(network, frames)
        for function in (ClipStep(network, frames), deployed, with_pooled_frames(deployed)):
            (logits,) = function(clip[0])
            assert logits.shape == (1, 11) and float((logits - expected).abs().max()) < 1e-5 * scale
        if table != "tsn":  # frames in reverse give other logits, so the order of frames matters
            assert float((network(clip.flip(1)).mean(1) - expected).abs().max()) > 1e-3 * scale


VARIANTS: dict[str, dict[str, Any]] = {
    "tpool": {"temporal_pool": True},
    "non-local": {"non_local": "embedded_gaussian"},
    "non-local, dot product": {"non_local": "dot_product"},
    "block": {"place": "block"},
    "div 4": {"div": 4},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_clip_function_of_variants_of_resnet50(variant):
    config = ModelConfig("tsm", "resnet50", 11, size=64, bidirectional=True, **VARIANTS[variant])
    network = initial_network(config, networks.clips(2, 8, 64))
    for module in network.modules():
        if isinstance(module, NonLocal):
            torch.nn.init.constant_(module.norm.weight, 0.3)  # a new block does nothing
    clip = networks.clips(1, 8, 64)
    # The softmax of random attention is a maximum, which makes rounding errors larger.
    tolerance = 2e-3 if variant == "non-local" else 2e-5
    with torch.no_grad():
        expected = network(clip).mean(1)
        deployed = deploy_clip(network, 8)
        for function in (deployed, with_pooled_frames(deployed)):
            (logits,) = function(clip[0])
            assert float((logits - expected).abs().max()) < tolerance * float(expected.abs().max())


def test_temporal_pooling_takes_an_even_number_of_frames():
    network = networks.network(ModelConfig("tsm", "resnet50", 11, size=64, temporal_pool=True))
    with pytest.raises(ModelError, match="an even number of frames, not 5"):
        deploy_clip(network, 5)


@pytest.mark.parametrize("frames", [2, 5])
@pytest.mark.parametrize("fill", ["zero", "keep"])
def test_a_shift_further_than_the_clip_gives_the_fill(frames, fill):
    table = ShiftTable("t", 8, (Row(3, 0, 0, 0, 2, fill), Row(-4, 0, 0, 2, 4, fill), Row(1, 0, 0, 4, 6, fill)))
    x = torch.arange(frames * 8 * 4, dtype=torch.float32).reshape(frames, 8, 2, 2)
    assert torch.equal(ClipShift(table, frames, (2, 2))(x), shift_clip(x[None], table)[0])


def test_a_clip_of_one_frame_is_refused():
    network = networks.network(ModelConfig("tsm", "mobilenet_v2", 11, size=64))
    with pytest.raises(ModelError, match="a clip of 1 frames is too short"):
        deploy_clip(network, 1)
