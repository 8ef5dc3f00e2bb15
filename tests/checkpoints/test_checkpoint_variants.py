"""Variants of MIT's, mmaction2's and TSAM's networks: what is loaded computes the same as the network that was saved.

Several variants have the same tensor names. For each of them a test shows that the wrong reading gives other logits,
and that it is never taken without a note or an error.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import foreign
import foreign_resnets
import pytest
import torch
from torch import Tensor, nn

from edgeshift import checkpoints
from edgeshift.checkpoints.layouts import COUNTER, LAYOUTS
from edgeshift.checkpoints.summary import summarize
from edgeshift.errors import CheckpointError, ShiftError
from edgeshift.models.network import Step

FRAMES = 8
#: Largest difference of logits, as a share of their range.
TOLERANCE = 1e-5
#: The attention of random weights is close to the maximum of its scores, which amplifies rounding in the scores.
NON_LOCAL_TOLERANCE = 1e-3

Config = dict[str, Any]


def logits(checkpoint: checkpoints.Checkpoint, frames: Tensor) -> Tensor:
    with torch.no_grad():
        return checkpoint.network(frames[None])[0]


def expected_logits(network: nn.Module, frames: Tensor) -> Tensor:
    with torch.no_grad():
        return network(foreign.normalised(frames))


def error(actual: Tensor, expected: Tensor) -> float:
    """Return the largest difference as a share of the range of the logits, which must depend on the frame."""
    assert actual.shape == expected.shape
    assert expected.std(0).min() > 0.01, "the logits do not depend on the frame"
    return float((actual - expected).abs().max() / (expected.max() - expected.min()))


def save(path: Path, network: nn.Module, **beside: object) -> Path:
    torch.save({"state_dict": network.state_dict(), **beside}, path)
    return path


def mit_name(variant: str, arch: str = "resnet50") -> str:
    return f"TSM_kinetics_RGB_{arch}_{variant}_segment8_e50.pth"


def config_text(kind: str = "ResNetTSM", **backbone: object) -> str:
    """Return a configuration as mmengine writes it."""
    fields = {"type": kind, "depth": 50, "num_segments": 8, **backbone}
    listed = ",\n        ".join(f"{name}={value!r}" for name, value in fields.items())
    return (
        "auto_scale_lr = dict(base_batch_size=128, enable=False)\n"
        "file_client_args = dict(io_backend='disk')\n"
        f"model = dict(\n    backbone=dict(\n        {listed}),\n    cls_head=dict(num_classes=5),\n"
        "    data_preprocessor=dict(\n        format_shape='NCHW',\n        mean=[\n            123.675,\n"
        "            116.28,\n            103.53,\n        ],\n        std=[58.395, 57.12, 57.375],\n"
        "        type='ActionDataPreprocessor'))\noptim_wrapper = dict(optimizer=dict(lr=-0.5))\nresume = False\n"
    )


def with_config(**backbone: object) -> dict[str, object]:
    return {"meta": {"epoch": 50, "cfg": config_text(**backbone)}}


NL = {"sub_sample": True, "use_scale": False, "norm_cfg": {"type": "BN3d"}, "mode": "dot_product"}

#: {case: (network, what else is in the file, fields of the configuration, layout)}.
CASES: dict[str, tuple[Any, dict[str, object], Config, str]] = {
    **{
        f"{layout} resnet{depth}": (
            lambda make=make, depth=depth: make(depth),
            {},
            {"table": "tsm", "backbone": f"resnet{depth}", "place": "blockres"},
            layout,
        )
        for layout, make in (("mit-training", foreign_resnets.mit), ("mmaction2", foreign_resnets.mmaction2))
        for depth in (18, 34, 101)
    },
    "mit-training resnet34, block": (
        lambda: foreign_resnets.mit(34, place="block"),
        {},
        {"backbone": "resnet34", "place": "block", "div": 8},
        "mit-training",
    ),
    "mmaction2 resnet101, block": (
        lambda: foreign_resnets.mmaction2(101, place="block"),
        {},
        {"backbone": "resnet101", "place": "block", "div": 8},
        "mmaction2",
    ),
    "mit-training resnet50, block": (
        lambda: foreign_resnets.mit(place="block"),
        {},
        {"place": "block", "div": 8},
        "mit-training",
    ),
    "mmaction2 resnet50, block, 1/4": (
        lambda: foreign_resnets.mmaction2(place="block", div=4),
        with_config(shift_div=4, shift_place="block"),
        {"place": "block", "div": 4},
        "mmaction2",
    ),
    "mit-training resnet50, temporal pooling": (
        lambda: foreign_resnets.mit(pool=True),
        {},
        {"temporal_pool": True, "place": "blockres"},
        "mit-training",
    ),
    "mmaction2 resnet18, temporal pooling": (
        lambda: foreign_resnets.mmaction2(18, pool=True),
        {},
        {"temporal_pool": True, "backbone": "resnet18"},
        "mmaction2",
    ),
    "mit-training resnet50, non-local": (
        lambda: foreign_resnets.mit(non_local="embedded_gaussian"),
        {},
        {"non_local": "embedded_gaussian", "table": "tsm"},
        "mit-training",
    ),
    "mit-training resnet50, non-local without a shift": (
        lambda: foreign_resnets.mit(place=None, non_local="embedded_gaussian"),
        {},
        {"non_local": "embedded_gaussian", "table": "tsn"},
        "mit-training",
    ),
    "mmaction2 resnet50, gaussian": (
        lambda: foreign_resnets.mmaction2(non_local="gaussian"),
        {},
        {"non_local": "gaussian", "table": "tsm"},
        "mmaction2",
    ),
    "mmaction2 resnet50, dot product": (
        lambda: foreign_resnets.mmaction2(non_local="dot_product"),
        with_config(non_local_cfg=NL),
        {"non_local": "dot_product", "table": "tsm"},
        "mmaction2",
    ),
    "mmaction2 resnet50, embedded gaussian": (
        lambda: foreign_resnets.mmaction2(non_local="embedded_gaussian"),
        with_config(non_local_cfg={**NL, "mode": "embedded_gaussian"}),
        {"non_local": "embedded_gaussian"},
        "mmaction2",
    ),
    "mmaction2 resnet50, scaled embedded gaussian": (
        lambda: foreign_resnets.mmaction2(non_local="scaled_embedded_gaussian"),
        with_config(non_local_cfg={"sub_sample": True, "norm_cfg": {"type": "BN3d"}}),
        {"non_local": "scaled_embedded_gaussian"},
        "mmaction2",
    ),
    **{
        f"torchvision resnet{depth}": (
            lambda depth=depth: _torchvision(depth),
            {},
            {"table": "tsn", "backbone": f"resnet{depth}"},
            "torchvision",
        )
        for depth in (18, 34, 101)
    },
}


def _torchvision(depth: int) -> nn.Module:
    network = foreign_resnets.backbone("mit", depth, place=None)
    network.fc = nn.Linear(512 * (4 if depth >= 50 else 1), 5)
    return network


@pytest.mark.parametrize("case", CASES)
def test_the_loaded_network_gives_the_same_logits(case: str, tmp_path: Path) -> None:
    make, beside, fields, layout = CASES[case]
    network = foreign.sensitive(make())
    checkpoint = checkpoints.load(save(tmp_path / "w.pth", network, **beside))
    assert checkpoint.layout == layout
    assert {field: getattr(checkpoint.config, field) for field in fields} == fields
    assert checkpoint.config.bidirectional == (checkpoint.config.table == "tsm")
    frames = foreign.clip(FRAMES)
    tolerance = NON_LOCAL_TOLERANCE if checkpoint.config.non_local else TOLERANCE
    assert error(logits(checkpoint, frames), expected_logits(network, frames)) <= tolerance
    total = sum(tensor.double().sum() for tensor in network.state_dict().values())
    loaded = sum(tensor.double().sum() for tensor in checkpoint.network.backbone.state_dict().values())
    assert float(loaded) == pytest.approx(float(total)), "every tensor is used"


def test_layouts_with_the_same_names_are_told_apart_by_more_than_names() -> None:
    """Two layouts with equal names must differ in the number of outputs, or in whether the file has a head."""

    def names(layout: Any) -> frozenset[str]:
        return frozenset(name for name in layout.names(frozenset()).values() if not name.endswith(COUNTER))

    def told_apart(first: Any, second: Any) -> bool:
        return first.classes != second.classes or bool(first.heads) != bool(second.heads)

    named = [(layout, names(layout)) for layout in LAYOUTS]
    assert len(named) > 50
    same = [(a, b) for (a, first), (b, second) in combinations(named, 2) if first == second]
    assert same and all(told_apart(a, b) for a, b in same), [(a.title, b.title) for a, b in same]
    # Layouts of other variants of one system have other names, so that none hides another.
    assert len({(layout.title, layout.classes, layout.heads, layout.network) for layout in LAYOUTS}) == len(LAYOUTS)


@pytest.fixture(scope="module")
def networks() -> dict[str, nn.Module]:
    """Networks that shift a quarter of the channels in each direction."""
    return {
        "mit": foreign.sensitive(foreign_resnets.mit(18, div=4)),
        "mmaction2": foreign.sensitive(foreign_resnets.mmaction2(18, div=4)),
    }


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return foreign.sensitive(foreign_resnets.mmaction2(non_local="dot_product"))


class TestShiftDivisor:
    """A shift of 1/4 and of 1/8 of the channels have the same tensor names."""

    @pytest.mark.parametrize("system", ["mit", "mmaction2"])
    def test_a_file_that_does_not_record_it_is_read_with_a_note(
        self, tmp_path: Path, networks: dict[str, nn.Module], system: str
    ) -> None:
        path = save(tmp_path / "w.pth", networks[system])
        frames = foreign.clip(FRAMES)
        expected = expected_logits(networks[system], frames)
        assumed = checkpoints.load(path)
        assert assumed.config.div == 8
        assert any("does not record the shift divisor: 8 is assumed" in n and "--shift-div" in n for n in assumed.notes)
        assert error(logits(assumed, frames), expected) > 0.02, "the wrong divisor must give other logits"
        assert "--shift-div" in summarize(path).missing
        asked = checkpoints.load(path, shift_div=4)
        assert error(logits(asked, frames), expected) <= TOLERANCE
        assert any("shift divisor is taken as 4, as requested" in note for note in asked.notes)

    def test_mits_file_name_tells_it(self, tmp_path: Path, networks: dict[str, nn.Module]) -> None:
        path = save(tmp_path / mit_name("shift4_blockres_avg", "resnet18"), networks["mit"])
        checkpoint = checkpoints.load(path)
        assert checkpoint.config.div == 4 and checkpoint.notes == ()
        frames = foreign.clip(FRAMES)
        assert error(logits(checkpoint, frames), expected_logits(networks["mit"], frames)) <= TOLERANCE
        assert "shift_div" in checkpoints.load(path, shift_div=4).unused
        with pytest.raises(CheckpointError, match="was trained with the shift divisor 4, not 8: leave --shift-div out"):
            checkpoints.load(path, shift_div=8)

    @pytest.mark.parametrize("key", ["cfg", "config"])
    def test_mmaction2s_configuration_tells_it(self, tmp_path: Path, networks: dict[str, nn.Module], key: str) -> None:
        path = save(tmp_path / "w.pth", networks["mmaction2"], meta={key: config_text(shift_div=4, num_segments=16)})
        checkpoint = checkpoints.load(path)
        assert checkpoint.config.div == 4 and checkpoint.notes == ()
        assert checkpoint.description.clip_frames == 16

    def test_a_configuration_without_it_has_mmaction2s_default(
        self, tmp_path: Path, networks: dict[str, nn.Module]
    ) -> None:
        checkpoint = checkpoints.load(save(tmp_path / "w.pth", networks["mmaction2"], **with_config()))
        assert checkpoint.config.div == 8 and checkpoint.notes == ()

    def test_it_is_stored_in_our_own_file(self, tmp_path: Path, networks: dict[str, nn.Module]) -> None:
        checkpoint = checkpoints.load(save(tmp_path / "w.pth", networks["mit"]), shift_div=4)
        checkpoints.save(tmp_path / "own.safetensors", checkpoint.network, checkpoint.description)
        again = checkpoints.load(tmp_path / "own.safetensors")
        assert again.config == checkpoint.config and again.config.div == 4 and again.notes == ()

    def test_it_streams(self, tmp_path: Path, networks: dict[str, nn.Module]) -> None:
        path = save(tmp_path / "w.pth", networks["mit"])
        checkpoint = checkpoints.load_for_streaming(path, shift_div=4, stream_bidirectional=True)
        step, results = Step(checkpoint.network), []
        states = step.start(64)
        frames = foreign.clip(FRAMES)
        for module in networks["mit"].modules():
            if isinstance(module, foreign.TemporalShift):
                module.mode = "streamed"
        for frame in frames.split(1):
            with torch.no_grad():
                result, *states = step(frame, *states)
            results.append(result)
        expected = expected_logits(networks["mit"], frames)
        for module in networks["mit"].modules():
            if isinstance(module, foreign.TemporalShift):
                module.mode = "both"
        assert error(torch.cat(results), expected) <= TOLERANCE

    def test_weights_without_a_shift_take_any(self, tmp_path: Path) -> None:
        path = save(tmp_path / "w.pth", _torchvision(18))
        assert checkpoints.load(path, model="tsm_resnet18", shift_div=4).config.div == 4
        assert checkpoints.load(path, shift_div=4).unused == {"shift_div": "a tsn has no shift divisor"}


class TestNonLocalKind:
    """Embedded Gaussian, its scaled form and the dot product have the same tensor names in mmaction2."""

    KINDS = ("embedded_gaussian", "scaled_embedded_gaussian", "dot_product")

    def test_a_file_that_does_not_record_it_is_refused(self, tmp_path: Path, network: nn.Module) -> None:
        path = save(tmp_path / "w.pth", network)
        with pytest.raises(CheckpointError, match=r"give --non-local embedded_gaussian or scaled\w+ or dot_product$"):
            checkpoints.load(path)
        with pytest.raises(CheckpointError, match="give --non-local"):
            summarize(path)
        assert "clip" in summarize(path, non_local="dot_product").ways[0].command

    def test_each_kind_gives_other_logits(self, tmp_path: Path, network: nn.Module) -> None:
        path = save(tmp_path / "w.pth", network)
        frames = foreign.clip(FRAMES)
        by_kind = {kind: checkpoints.load(path, non_local=kind) for kind in self.KINDS}  # type: ignore[arg-type]
        for kind, checkpoint in by_kind.items():
            assert checkpoint.config.non_local == kind
            assert any(f"taken as {kind}, as requested" in note for note in checkpoint.notes)
        expected = expected_logits(network, frames)
        assert error(logits(by_kind["dot_product"], frames), expected) <= NON_LOCAL_TOLERANCE
        for first, second in combinations(self.KINDS, 2):
            assert error(logits(by_kind[first], frames), logits(by_kind[second], frames)) > 0.01

    def test_an_option_that_contradicts_the_file_is_refused(self, tmp_path: Path, network: nn.Module) -> None:
        path = save(tmp_path / "w.pth", network, **with_config(non_local_cfg=NL))
        with pytest.raises(CheckpointError, match="non-local blocks of the kind dot_product: leave --non-local out"):
            checkpoints.load(path, non_local="embedded_gaussian")
        assert "non_local" in checkpoints.load(path, non_local="dot_product").unused

    def test_tensors_of_gaussian_are_no_other_kind(self, tmp_path: Path) -> None:
        path = save(tmp_path / "w.pth", foreign_resnets.mmaction2(non_local="gaussian"))
        with pytest.raises(CheckpointError, match="kind gaussian: leave --non-local out"):
            checkpoints.load(path, non_local="dot_product")

    def test_a_mode_that_edgeshift_cannot_build_is_not_guessed(self, tmp_path: Path, network: nn.Module) -> None:
        path = save(tmp_path / "w.pth", network, **with_config(non_local_cfg={**NL, "mode": "concatenation"}))
        with pytest.raises(CheckpointError, match="give --non-local"):
            checkpoints.load(path)


@pytest.mark.parametrize("options", [{"pool": True}, {"non_local": "embedded_gaussian"}])
def test_parts_that_need_a_clip_cannot_stream(tmp_path: Path, options: dict[str, Any]) -> None:
    part = "temporal pooling" if "pool" in options else "non-local blocks"
    path = save(tmp_path / "w.pth", foreign_resnets.mit(**options))
    for stream_bidirectional in (False, True):
        with pytest.raises(CheckpointError, match=f"because of its {part}: convert it with --mode clip"):
            checkpoints.load_for_streaming(path, stream_bidirectional=stream_bidirectional)
    with pytest.raises(ShiftError, match=f"because of its {part}: convert it with --mode clip"):
        Step(checkpoints.load(path, stream_bidirectional=True).network)
    (way,) = summarize(path).ways
    assert way.command[-4:] == ("--mode", "clip", "--frames", "8") and part in way.remark


class TestMitNames:
    """File names of MIT's script say what the tensors must show."""

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("shift8_block_avg", {"place": "block"}),
            ("shift8_blockres_tpool_avg", {"pool": True}),
            ("shift16_blockres_avg", {"div": 16}),
        ],
    )
    def test_names_that_fit(self, tmp_path: Path, name: str, options: dict[str, Any]) -> None:
        path = save(tmp_path / mit_name(name, "resnet18"), foreign_resnets.mit(18, **options))
        checkpoint = checkpoints.load(path)
        assert checkpoint.description.clip_frames == 8 and checkpoint.notes == ()
        assert checkpoint.config.div == options.get("div", 8)

    def test_non_local(self, tmp_path: Path) -> None:
        name = mit_name("shift8_blockres_avg").replace("_e50", "_e50_dense_nl")
        path = save(tmp_path / name, foreign_resnets.mit(non_local="embedded_gaussian"))
        assert checkpoints.load(path).config.non_local == "embedded_gaussian"

    @pytest.mark.parametrize(
        ("name", "options", "reason"),
        [
            ("shift8_block_avg", {}, "trained with a shift placed in 'block', the names of its tensors say without"),
            ("shift8_blockres_avg", {"place": "block"}, "trained without a shift placed in 'block'"),
            ("shift8_blockres_tpool_avg", {}, "trained with temporal pooling, the names of its tensors say without"),
            ("shift8_blockres_avg", {"pool": True}, "trained without temporal pooling"),
            ("shift1_blockres_avg", {}, "trained with a shift of 1/1 of the channels, which is not supported"),
        ],
    )
    def test_names_that_contradict(self, tmp_path: Path, name: str, options: dict[str, Any], reason: str) -> None:
        path = save(tmp_path / mit_name(name, "resnet18"), foreign_resnets.mit(18, **options))
        with pytest.raises(CheckpointError) as caught:
            checkpoints.load(path)
        assert reason in str(caught.value)


def test_a_file_with_one_tensor_too_many_names_the_variant(tmp_path: Path) -> None:
    state = foreign_resnets.mit(18, place="block").state_dict() | {"module.base_model.extra": torch.zeros(1)}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"read as mit-training \(tsm_resnet18, whole blocks shifted\)"):
        checkpoints.load(tmp_path / "w.pth")
