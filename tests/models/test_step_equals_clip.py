"""The step function, frame by frame with states, computes the same as the clip form computes for all frames at once.

The weights come from ``initial_network``, so that logits depend on the frame and on the states. Each case also shows
that without states the logits would differ by a thousand times the tolerance.
"""

from __future__ import annotations

import copy
import itertools
from functools import cache
from typing import Any

import msgspec
import networks
import pytest
import torch
from torch import Tensor

from edgeshift.errors import ModelError, ShiftError
from edgeshift.models import ModelConfig
from edgeshift.models.network import SEEN, ShiftNetwork, Step

FRAMES = 16
TOLERANCE = 1e-5
CLASSES = 11

TABLES: dict[str, dict[str, Any]] = {
    "tsn": {"table": "tsn"},
    "tsm": {"table": "tsm"},
    "tsm4": {"table": "tsm", "div": 4},
    "tsm-keep": {"table": "tsm", "fill": "keep"},
    "stsm": {"table": "stsm"},
    "stsm-keep": {"table": "stsm", "fill": "keep"},
    "tsam1": {"table": "tsam", "depth": 1},
    "tsam1-zero": {"table": "tsam", "depth": 1, "fill": "zero"},
    "tsam2": {"table": "tsam", "depth": 2},
    "tsam2-zero": {"table": "tsam", "depth": 2, "fill": "zero"},
    "tsam4": {"table": "tsam", "depth": 4},
    "tsam4-zero": {"table": "tsam", "depth": 4, "fill": "zero"},
}
BACKBONES: dict[str, dict[str, Any]] = {
    "mbv2": {"backbone": "mobilenet_v2"},
    "mbv2-0.5": {"backbone": "mobilenet_v2", "width": 0.5},
    "mbv2-mit1.4": {"backbone": "mobilenet_v2", "width": 1.4, "rounding": "mit"},
    "resnet18": {"backbone": "resnet18"},
    "resnet18-block": {"backbone": "resnet18", "place": "block"},
    "resnet34": {"backbone": "resnet34"},
    "resnet50": {"backbone": "resnet50"},
    "resnet50-block": {"backbone": "resnet50", "place": "block"},
    "resnet101": {"backbone": "resnet101"},
}
#: One of these tables of each kind is tested with the deep backbones, whose blocks are those of ResNet-18 and 50.
DEEP, FEW = ("resnet34", "resnet50-block", "resnet101"), ("tsm", "tsm4", "tsam2")
#: Depth 4 needs 32 channels at every place. The narrowest place of these backbones has 24 and 16 channels.
TOO_NARROW = {(table, backbone) for table in ("tsam4", "tsam4-zero") for backbone in ("mbv2", "mbv2-0.5")}


def config(table: str, backbone: str, size: int, **options: Any) -> ModelConfig:
    return ModelConfig(classes=CLASSES, size=size, **TABLES[table], **BACKBONES[backbone], **options)


def run(step: Step, clip: Tensor, states: tuple[Tensor, ...]) -> Tensor:
    """Return the logits [N, T, classes] of a clip, computed frame by frame."""
    results = []
    for t in range(clip.shape[1]):
        logits, *states = step(clip[:, t], *states)
        results.append(logits)
    return torch.stack(results, 1)


def largest(difference: Tensor) -> float:
    return float(difference.abs().max())


def check(network: ShiftNetwork, size: int, batch: int) -> None:
    """Check that both forms compute the same, and that the comparison would notice lost states."""
    step = Step(network).eval()
    clip = networks.clips(batch, FRAMES, size, seed=batch)
    with torch.inference_mode():
        expected = network(clip)
        actual = run(step, clip, step.start(batch=batch))
        assert expected.shape == (batch, FRAMES, CLASSES)
        assert largest(actual - expected) <= TOLERANCE
        # Nothing is stored outside of the states, so after a reset the logits are equal to the bit.
        assert torch.equal(run(step, clip[:, :4], step.start(batch=batch)), actual[:, :4])
        # The comparison can fail, because the logits depend on the frame and on the states.
        assert largest(expected[:, 0] - expected[:, -1]) > 0.1
        without_past = step(clip[:, -1], *step.start(batch=batch))[0]
        if step.state_names:
            assert largest(without_past - expected[:, -1]) > 1000 * TOLERANCE
        else:
            assert largest(without_past - expected[:, -1]) <= TOLERANCE


def cases() -> list[Any]:
    parameters = []
    for table, backbone, size, batch in itertools.product(TABLES, BACKBONES, (64, 112), (1, 3)):
        slow = backbone in ("resnet50", *DEEP) or (size > 64 and backbone != "mbv2")
        if (table, backbone) in TOO_NARROW or (slow and size > 64 and ("resnet" in backbone or batch == 3)):
            continue
        if backbone in DEEP and (table not in FEW or batch == 3):
            continue
        marks = [pytest.mark.slow] if slow else []
        name = f"{table}-{backbone}-{size}-{batch}"
        parameters.append(pytest.param(table, backbone, size, batch, marks=marks, id=name))
    return parameters


@pytest.mark.parametrize(("table", "backbone", "size", "batch"), cases())
def test_step_equals_clip(table, backbone, size, batch):
    check(networks.network(config(table, backbone, size)), size, batch)


@pytest.mark.parametrize("size", [80, 96, 113, 144])
@pytest.mark.parametrize("table", ["tsm", "stsm-keep", "tsam2"])
def test_step_equals_clip_at_other_sizes(table, size):
    check(networks.network(config(table, "mbv2-0.5", size)), size, batch=2)


@pytest.mark.parametrize(("table", "backbone"), sorted(TOO_NARROW))
def test_a_table_too_deep_for_the_width_is_refused(table, backbone):
    with pytest.raises(ShiftError, match=r"channels are too few.* is 32$"):
        networks.network(config(table, backbone, 64))


@pytest.mark.parametrize("backbone", ["mbv2", "resnet18", "resnet18-block", "resnet50", "resnet101"])
@pytest.mark.parametrize("table", ["tsm", "tsm4", "stsm", "tsam2", "tsam2-zero"])
def test_a_streamed_bidirectional_network(table, backbone):
    """It streams with the past in its own slot. Its logits differ from those of the other two forms of the table."""
    bidirectional = networks.network(config(table, backbone, 64, bidirectional=True))
    streamed = networks.network(config(table, backbone, 64, bidirectional=True, streamed_bidirectional=True))
    past_only = networks.network(config(table, backbone, 64))
    with pytest.raises(ShiftError, match="--stream-bidirectional"):
        Step(bidirectional)
    assert {place: t.past_only() for place, t in bidirectional.tables.items()} == streamed.tables
    check(streamed, 64, batch=2)
    clip = networks.clips(2, FRAMES, 64)
    with torch.inference_mode():
        actual, with_future, wrong_slot = streamed(clip), bidirectional(clip), past_only(clip)
    assert largest(actual - with_future) > 0.05
    assert largest(actual - wrong_slot) > 0.05
    # Even the first frame differs, because it has a next frame in the bi-directional clip.
    assert largest(actual[:, 0] - with_future[:, 0]) > 0.01


@pytest.mark.parametrize("backbone", ["mbv2", "resnet50"])
def test_a_streamed_bidirectional_network_equals_the_bidirectional_one_on_a_single_frame(backbone):
    bidirectional = networks.network(config("tsm", backbone, 64, bidirectional=True))
    streamed = networks.network(config("tsm", backbone, 64, bidirectional=True, streamed_bidirectional=True))
    clip = networks.clips(2, 1, 64)
    with torch.inference_mode():
        assert largest(run(Step(streamed), clip, Step(streamed).start(batch=2)) - bidirectional(clip)) <= TOLERANCE


def test_items_of_a_batch_do_not_affect_each_other():
    network = networks.network(config("stsm", "mbv2-0.5", 64))
    clip = networks.clips(3, 6, 64)
    changed = torch.cat((clip[:1], clip[1:] * 0.2))
    step = Step(network)
    with torch.inference_mode():
        first, second = (run(step, c, step.start(batch=3)) for c in (clip, changed))
    assert largest(first[0] - second[0]) <= TOLERANCE
    assert largest(first[1] - second[1]) > 0.05


@pytest.mark.parametrize("size", [64, 80, 96, 112, 113, 144, 224])
@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("table", ["tsm", "tsam2"])
def test_state_shapes_are_those_of_the_step(table, backbone, size):
    network = _network(table, backbone)
    shapes = network.state_shapes(size)
    step = Step(network)
    assert step.state_names == tuple(shapes)
    start = step.start(size)
    assert [tuple(s.shape) for s in start] == list(shapes.values())
    assert [tuple(s.shape) for s in step.start(size, 3)] == [(3, *shape[1:]) for shape in shapes.values()]
    assert all(not s.any() for s in start)
    with torch.inference_mode():
        logits, *next_states = step(networks.clips(1, 1, size)[:, 0], *start)
    assert logits.shape == (1, CLASSES) and torch.isfinite(logits).all()
    assert [tuple(s.shape) for s in next_states] == list(shapes.values())
    if table == "tsam2":
        assert list(shapes)[-1] == SEEN and shapes[SEEN] == (1, 2, 1, 1)
        assert next_states[-1].flatten().tolist() == [1, 0]


@cache
def _network(table: str, backbone: str) -> ShiftNetwork:
    return networks.network(config(table, backbone, 64))


def test_a_network_without_shifts_has_no_states():
    network = _network("tsn", "mbv2-0.5")
    assert network.state_shapes(113) == {} and Step(network).start() == ()


def test_the_default_frame_size_is_that_of_the_config():
    network = networks.network(config("stsm", "mbv2-0.5", 144))
    assert network.state_shapes() == network.state_shapes(144) != network.state_shapes(64)
    assert network.state_shapes(batch=5)["state_features_16"] == (5, 10, 5, 5)


@pytest.mark.parametrize("size", [0, 1, 32, 63])
def test_sizes_below_64_are_refused(size):
    with pytest.raises(ModelError, match=rf"{size}x{size} are too small; the smallest size is 64"):
        ModelConfig("tsm", "mobilenet_v2", CLASSES, size=size)
    with pytest.raises(ModelError, match="smallest size is 64"):
        networks.network(config("tsm", "mbv2", 64)).state_shapes(size)


@pytest.mark.parametrize("count", [0, 9, 11])
def test_a_wrong_number_of_states_is_refused(count):
    step = Step(networks.network(config("tsm", "mbv2", 64)))
    with pytest.raises(ModelError, match=f"takes 10 states, not {count}"):
        step(torch.zeros(1, 3, 64, 64), *[torch.zeros(1)] * count)


def test_states_of_mobilenet_v2_at_224():
    """They are the ten buffers of MIT's online model, in the same order."""
    shapes = networks.network(config("tsm", "mbv2", 224)).state_shapes()
    blocks = (3, 5, 6, 8, 9, 10, 12, 13, 15, 16)
    sizes = [(3, 56, 56), *[(4, 28, 28)] * 2, *[(8, 14, 14)] * 3, *[(12, 14, 14)] * 2, *[(20, 7, 7)] * 2]
    assert shapes == {f"state_features_{i}": (1, *shape) for i, shape in zip(blocks, sizes, strict=True)}
    assert sum(torch.Size(s).numel() for s in shapes.values()) == 27_048


@pytest.mark.parametrize("table", ["tsm", "stsm"])
@pytest.mark.parametrize("size", [64, 96, 128, 160, 224, 256, 320])
def test_state_size_of_mobilenet_v2(table, size):
    shapes = networks.network(config(table, "mbv2", 64)).state_shapes(size)
    assert sum(torch.Size(s).numel() for s in shapes.values()) == 552 * (size // 32) ** 2


def test_every_block_of_resnet50_is_shifted():
    network = networks.network(config("tsm", "resnet50", 224))
    assert list(network.tables) == [f"layer{n}_{i}" for n, count in enumerate((3, 4, 6, 3), 1) for i in range(count)]
    channels = [64, 256, 256, 256, *[512] * 4, *[1024] * 6, *[2048] * 2]
    assert [table.channels for table in network.tables.values()] == channels
    # The input of the first block of a stage still has the size of the stage before.
    sides = [56] * 4 + [28] * 4 + [14] * 6 + [7] * 2
    expected = [(1, c // 8, side, side) for c, side in zip(channels, sides, strict=True)]
    assert list(network.state_shapes().values()) == expected


def test_the_identity_path_is_not_shifted():
    """If the residual branches return zeros, the shift has no effect."""
    network = copy.deepcopy(networks.network(config("tsm", "mbv2-0.5", 64)))
    for block in network.backbone.features:
        if getattr(block, "place", None):
            torch.nn.init.zeros_(block.conv[-1].weight)
            torch.nn.init.zeros_(block.conv[-1].bias)
    clip = networks.clips(1, 4, 64)
    with torch.inference_mode():
        assert largest(network(clip) - network(clip.flip(1)).flip(1)) <= TOLERANCE


def test_state_shapes_changes_neither_mode_nor_weights():
    network = networks.network(config("tsm", "mbv2-0.5", 64))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for size, training in ((96, True), (128, False)):
        network.train(training)
        network.state_shapes(size)
        assert network.training == training and network.backbone.training == training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("table", ["tsm", "tsam2-zero", "tsam2"])
def test_the_logits_of_a_constant_frame_converge(table):
    """The zeros at the start affect only the first logits. With the fill "keep", all logits are equal."""
    network = networks.network(config(table, "mbv2-0.5", 64))
    clip = networks.clips(1, 1, 64).expand(-1, 30, -1, -1, -1)
    step = Step(network)
    with torch.inference_mode():
        logits = run(step, clip, step.start())
    assert torch.equal(logits[:, -1], logits[:, -2])
    if table == "tsam2":
        assert largest(logits - logits[:, :1]) <= TOLERANCE
    else:
        assert largest(logits[:, 0] - logits[:, -1]) > 0.01


def test_a_config_survives_a_round_trip():
    original = config("tsam2", "mbv2-mit1.4", 112, bidirectional=True, streamed_bidirectional=True)
    assert msgspec.json.decode(msgspec.json.encode(original), type=ModelConfig) == original
