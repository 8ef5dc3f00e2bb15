"""Models by name, and the checks of configurations."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgspec
import pytest
import torch
from torch import nn

from edgeshift.errors import ModelError, ShiftError
from edgeshift.models import BACKBONES, MODELS, ModelConfig, build, parse_name
from edgeshift.shift import TABLES


def test_every_table_is_available_on_every_backbone():
    assert set(MODELS) == {f"{table}_{backbone}" for table in TABLES for backbone in BACKBONES}
    assert {"tsm_mobilenet_v2", "stsm_mobilenet_v2", "tsam_resnet50", "tsn_resnet50"} < set(MODELS)
    assert len(MODELS) == 20


@pytest.mark.parametrize("name", MODELS)
def test_a_name_consists_of_a_table_and_a_backbone(name):
    table, backbone = parse_name(name)
    assert table in TABLES and backbone in BACKBONES
    assert ModelConfig(table, backbone, 5).name == name


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tsm_mobilenetv2", "did you mean tsm_mobilenet_v2"),
        ("TSM_mobilenet_v2", "did you mean"),
        ("tsm-resnet50", "tsm_resnet50"),
        ("", "known: "),
        ("x", "known: "),
        ("tsm", "known: "),
    ],
)
def test_an_unknown_name_is_refused_with_similar_names(name, hint):
    with pytest.raises(ModelError) as caught:
        parse_name(name)
    assert hint in str(caught.value) and repr(name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"table": "tsmm"}, "unknown shift table 'tsmm'; did you mean"),
        ({"backbone": "resnet152"}, "unknown backbone 'resnet152'; did you mean resnet50"),
        ({"table": "stsm", "div": 4}, "stsm takes no shift divisor, which is for tsm and tsam"),
        ({"place": "block"}, "mobilenet_v2 has no choice of place, every or temporal_pool, which are for ResNets"),
        ({"temporal_pool": True}, "mobilenet_v2 has no choice of place"),
        ({"every": 2}, "mobilenet_v2 has no choice of place"),
        ({"backbone": "resnet18", "non_local": "gaussian"}, "resnet18 has no non-local blocks, which are for resnet50"),
        ({"size": 63}, "63x63 are too small; the smallest size is 64"),
        ({"std": (58.0, 0.0, 57.0)}, "must be positive"),
        ({"std": (58.0, -1.0, 57.0)}, "must be positive"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_impossible_config_is_refused(values, message):
    options: dict[str, Any] = {"table": "tsm", "backbone": "mobilenet_v2", "classes": 5, **values}
    with pytest.raises(ModelError, match=message):
        ModelConfig(**options)


@pytest.mark.parametrize(
    "values",
    [
        {"classes": 1},
        {"classes": 100_001},
        {"size": 4097},
        {"depth": 0},
        {"depth": 65},
        {"width": 0},
        {"width": 9},
        {"fill": "mirror"},
        {"rounding": "up"},
        {"mean": [1, 2]},
        {"table": "x" * 65},
        {"div": 1},
        {"div": 65},
        {"place": "middle"},
        {"every": 0},
        {"non_local": "concatenation"},
        {"extra": 1},
    ],
    ids=lambda values: f"{next(iter(values))} {next(iter(values.values()))}"[:20],
)
def test_a_config_out_of_range_is_refused_when_read(values):
    options = {"table": "tsm", "backbone": "mobilenet_v2", "classes": 5, **values}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(options, ModelConfig)


def test_the_shift_table_has_the_options_of_the_config():
    assert ModelConfig("tsam", "resnet50", 5, depth=3).shift_table(64).depth == 3
    assert ModelConfig("tsam", "resnet50", 5).shift_table(64).counts_frames
    assert not ModelConfig("tsam", "resnet50", 5, fill="zero").shift_table(64).counts_frames
    assert ModelConfig("tsm", "resnet50", 5, fill="keep").shift_table(64).counts_frames
    assert ModelConfig("tsm", "resnet50", 5, bidirectional=True).shift_table(64).future
    streamed = ModelConfig("tsm", "resnet50", 5, bidirectional=True, streamed_bidirectional=True).shift_table(64)
    assert [row.dt for row in streamed.rows] == [None, 1]
    assert ModelConfig("tsn", "resnet50", 5, bidirectional=True, fill="keep").shift_table(64).rows == ()
    assert ModelConfig("tsm", "resnet50", 5, div=4).shift_table(64).state_channels == 16
    assert ModelConfig("tsam", "resnet50", 5, div=4, depth=2, fill="zero").shift_table(64).state_channels == 3 * 8


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_seed_determines_the_weights_without_torchs_global_generator(backbone):
    config = ModelConfig("tsm", backbone, 5, size=64)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second, third = (build(config, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], third[name]) for name in first)


def test_a_network_is_built_in_evaluation_mode():
    assert not any(module.training for module in build(ModelConfig("tsm", "mobilenet_v2", 5, size=64)).modules())


@pytest.mark.parametrize(
    ("width", "rounding", "stem", "channels", "last"),
    [
        (1.0, "torchvision", 32, [16, 24, 32, 64, 96, 160, 320], 1280),
        (1.0, "mit", 32, [16, 24, 32, 64, 96, 160, 320], 1280),
        # torchvision rounds to the nearest multiple of 8 that is not below 90%, and scales the stem.
        (0.5, "torchvision", 16, [8, 16, 16, 32, 48, 80, 160], 1280),
        (0.35, "torchvision", 16, [8, 8, 16, 24, 32, 56, 112], 1280),
        (1.4, "torchvision", 48, [24, 32, 48, 88, 136, 224, 448], 1792),
        # MIT rounds up to a multiple of 8, and scales neither the stem nor the first stage.
        (0.5, "mit", 32, [16, 16, 16, 32, 48, 80, 160], 1280),
        (1.4, "mit", 32, [16, 40, 48, 96, 136, 224, 448], 1792),
    ],
)
def test_widths_of_mobilenet_v2(width, rounding, stem, channels, last):
    network = build(ModelConfig("tsn", "mobilenet_v2", 5, size=64, width=width, rounding=rounding)).backbone
    convolutions = [[m for m in block.modules() if isinstance(m, nn.Conv2d)] for block in network.features]
    assert convolutions[0][0].out_channels == stem
    outputs = [block[-1].out_channels for block in convolutions]
    repeats = (1, 2, 3, 4, 3, 3, 1)
    assert outputs[1:-1] == [c for c, n in zip(channels, repeats, strict=True) for _ in range(n)]
    assert outputs[-1] == last == network.classifier[1].in_features


@pytest.mark.parametrize(("backbone", "smallest"), [("mobilenet_v2", 16), ("resnet18", 64), ("resnet50", 64)])
def test_a_table_too_deep_for_the_narrowest_place_is_refused(backbone, smallest):
    depth = smallest // 8 + 1
    with pytest.raises(ShiftError, match=f"smallest count that works is {8 * depth}"):
        build(ModelConfig("tsam", backbone, 5, size=64, depth=depth, width=0.5))
    build(ModelConfig("tsam", backbone, 5, size=64, depth=depth - 1, width=0.5))


@pytest.mark.parametrize(
    ("backbone", "options", "places"),
    [
        ("resnet18", {}, 8),
        ("resnet34", {}, 16),
        ("resnet50", {}, 16),
        ("resnet50", {"every": 2}, 2 + 2 + 3 + 2),
        # MIT shifts every second block of all stages if one stage has 23 blocks.
        ("resnet101", {}, 2 + 2 + 12 + 2),
        ("resnet101", {"every": 1}, 33),
        ("resnet101", {"place": "block"}, 33),
    ],
)
def test_places_of_resnets(backbone, options, places):
    tables = build(ModelConfig("tsm", backbone, 5, size=64, **options)).tables
    assert len(tables) == places and "layer1_0" in tables


def test_listing_models_needs_neither_torch_nor_numpy():
    code = "import sys, edgeshift.models; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
