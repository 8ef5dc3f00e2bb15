"""The configuration and the class names in files of mmaction2: untrusted text that is read and never executed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import foreign_resnets
import pytest
import torch

from edgeshift import checkpoints
from edgeshift.checkpoints.literal_config import MAX_BRACKETS, MAX_CHARACTERS, NOT_LITERAL, read_config
from edgeshift.checkpoints.mmaction_meta import MmactionMeta, read_meta
from edgeshift.errors import CheckpointError


def meta(text: str) -> MmactionMeta:
    return read_meta({"cfg": text}, 3)


def test_values_of_a_configuration() -> None:
    values = read_config(
        "# a comment\na = 1\nb = dict(c=[1, -2.5, 'x' 'y'], d=(True, None))\ne = {'f': {'g': 0x10}}\n"
        "h = a\nk = other(1)\n"
    )
    assert values == {
        "a": 1,
        "b": {"c": (1, -2.5, "xy"), "d": (True, None)},
        "e": {"f": {"g": 16}},
        "h": NOT_LITERAL,
        "k": NOT_LITERAL,
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = " + "1+" * 50_000 + "1", "operator '+'"),
        ("a = " + "-" * 200_000 + "1", "an expression"),
        ("a = " + "(" * 100_000, f"more than {MAX_BRACKETS} brackets"),
        ("a = " + "[" * (MAX_BRACKETS + 1) + "]" * (MAX_BRACKETS + 1), f"more than {MAX_BRACKETS} brackets"),
        ("a = " + "f()" + "()" * 50_000, "an expression"),
        ("a = x" + "[0]" * 50_000, "an expression"),
        ("a = x" + ".y" * 50_000, "operator '.'"),
        ("a = " + "not " * 50_000 + "1", "the word 'not'"),
        ("import os", "the word 'import'"),
        ("a = lambda: 1", "the word 'lambda'"),
        ("a = f'{__import__(\"os\")}'", "a formatted string"),
        ("a = rF'{1}'", "a formatted string"),
        ("a = (b := 1)", "operator ':='"),
        ("a = 'unfinished", "not Python"),
        ("a = '''unfinished", "not Python"),
        ("a = (1", "not Python"),
        ("a = 1 2", "not Python"),
        ("a = \0", "not Python"),
        ("  a = 1\n b = 2", "not Python"),
        ("a" * (MAX_CHARACTERS + 1), f"the limit is {MAX_CHARACTERS:,}"),
    ],
    ids=range(20),
)
def test_hostile_configurations_are_ignored_with_a_note(text: str, reason: str) -> None:
    before = time.monotonic()
    with pytest.raises(ValueError, match=r".+") as caught:
        read_config(text)
    assert reason in str(caught.value) and "\n" not in str(caught.value)
    read = meta(text)
    assert read.div is None and len(read.notes) == 1 and reason in read.notes[0] and read.notes[0].isprintable()
    assert time.monotonic() - before < 5


def test_nothing_in_a_configuration_runs(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    text = f"a = open({str(mark)!r}, 'w')\nmodel = dict(backbone=dict(type='ResNetTSM', shift_div=4))\n"
    assert meta(text).div == 4
    assert not mark.exists()


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        ("type='ResNetTSM'", {"div": 8, "frames": 8}),
        ("type='ResNetTSM', shift_div=4, num_segments=16", {"div": 4, "frames": 16}),
        ("type='MobileNetV2TSM', shift_div=2", {"div": 2}),
        ("type='ResNet', shift_div=4", {"div": None, "frames": None}),
        ("type='ResNetTSM', shift_div=0", {"div": None}),
        ("type='ResNetTSM', shift_div=True", {"div": None}),
        ("type='ResNetTSM', shift_div='4'", {"div": None}),
        ("type='ResNetTSM', shift_div=" + "9" * 5000, {"div": None}),
        ("type='ResNetTSM', num_segments=-3", {"frames": None}),
        ("type='ResNetTSM', non_local_cfg=dict(mode='dot_product')", {"non_local": "dot_product"}),
        ("type='ResNetTSM', non_local_cfg=dict(mode='gaussian', use_scale=True)", {"non_local": "gaussian"}),
        ("type='ResNetTSM', non_local_cfg=dict(use_scale=False)", {"non_local": "embedded_gaussian"}),
        ("type='ResNetTSM', non_local_cfg=dict(sub_sample=True)", {"non_local": "scaled_embedded_gaussian"}),
        ("type='ResNetTSM', non_local_cfg=dict(mode=['x'])", {"non_local": None}),
    ],
)
def test_facts_about_the_backbone(backbone: str, expected: dict[str, Any]) -> None:
    read = meta(f"model = dict(backbone=dict({backbone}))")
    assert {field: getattr(read, field) for field in expected} == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("img_norm_cfg = dict(mean=[1, 2, 3], std=[4, 5, 6], to_bgr=True)", ((1, 2, 3), (4, 5, 6), "bgr")),
        ("img_norm_cfg = dict(mean=[1.5, 2, 3], std=[4, 5, 6], to_bgr=False)", ((1.5, 2, 3), (4, 5, 6), None)),
        ("model = dict(data_preprocessor=dict(mean=[1, 2, 3], std=[4, 5, 6]))", ((1, 2, 3), (4, 5, 6), None)),
        (
            "model = dict(data_preprocessor=dict(mean=[1, 2, 3], std=[4, 5, 6], to_rgb=True))",
            ((1, 2, 3), (4, 5, 6), "unknown"),
        ),
        ("model = dict(data_preprocessor=dict(type='X'))", ((0, 0, 0), (1, 1, 1), None)),
        ("img_norm_cfg = dict(mean=[1, 2, 3], std=[4, 0, 6])", (None, None, None)),
        ("img_norm_cfg = dict(mean=[1, 2], std=[4, 5, 6])", (None, None, None)),
        ("img_norm_cfg = dict(mean=[1, 2, 1e999], std=[4, 5, 6])", (None, None, None)),
        ("img_norm_cfg = 5", (None, None, None)),
    ],
)
def test_facts_about_frames(text: str, expected: tuple[Any, Any, Any]) -> None:
    read = meta(text)
    assert (read.mean, read.std, read.order) == expected


@pytest.mark.parametrize(
    "stored", [{"CLASSES": ("a", "b", "c")}, {"dataset_meta": {"classes": ["a", "b", "c"]}}], ids=["older", "newer"]
)
def test_class_names(stored: dict[str, object]) -> None:
    assert read_meta(stored, 3).labels == ("a", "b", "c")
    assert read_meta(stored, None).labels is None
    read = read_meta(stored, 4)
    assert read.labels is None and "the class names in the file are not used: 3 labels for 4 outputs" in read.notes


@pytest.mark.parametrize("names", [["a", "a", "b"], ["a", 3, "b"], ["a", "b\x1b[2J", "c"], ["a", None, "b"], "abc", 7])
def test_class_names_that_cannot_be_used_are_ignored(names: object) -> None:
    read = read_meta({"CLASSES": names}, 3)
    assert read.labels is None and all(note.isprintable() for note in read.notes)


def test_a_file_with_all_of_it(tmp_path: Path) -> None:
    text = (
        "img_norm_cfg = dict(mean=[10.0, 20.0, 30.0], std=[50.0, 60.0, 70.0], to_bgr=True)\n"
        "model = dict(backbone=dict(type='ResNetTSM', depth=18, shift_div=4, num_segments=12))"
    )
    state = foreign_resnets.mmaction2(18).state_dict()
    torch.save({"meta": {"cfg": text, "CLASSES": list("abcde")}, "state_dict": state}, tmp_path / "w.pth")
    checkpoint = checkpoints.load(tmp_path / "w.pth")
    assert (checkpoint.config.mean, checkpoint.config.std) == ((10, 20, 30), (50, 60, 70))
    assert checkpoint.config.div == 4 and checkpoint.description.clip_frames == 12
    assert checkpoint.description.labels == tuple("abcde") and checkpoint.description.frame.order == "bgr"
    assert checkpoints.load(tmp_path / "w.pth", labels=list("vwxyz")).description.labels == tuple("vwxyz")
    assert checkpoints.load(tmp_path / "w.pth", order="rgb").description.frame.order == "rgb"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("depth=50, style='caffe'", "style='caffe', in which the first convolution of a block has the stride"),
        ("style='caffe'", "style='caffe'"),
        ("depth=50, strides=(1, 2, 2, 1)", "strides=(1, 2, 2, 1), and edgeshift reads only (1, 2, 2, 2)"),
        ("depth=18, dilations=[1, 1, 1, 2]", "dilations=(1, 1, 1, 2), and edgeshift reads only (1, 1, 1, 1)"),
        ("depth=50, strides='" + "x" * 999 + "\\x1b[2J'", "strides='xxx"),
        ("depth=50, style='pytorch', strides=[1, 2, 2, 2], dilations=(1, 1, 1, 1)", None),
        ("depth=18, style='caffe'", None),
        ("depth=50, strides=given", None),
    ],
)
@pytest.mark.parametrize("kind", ["ResNetTSM", "ResNet"])
def test_other_networks_with_the_same_tensors_are_named(kind: str, options: str, reason: str | None) -> None:
    unsupported = meta(f"model = dict(backbone=dict(type={kind!r}, {options}))").unsupported
    if reason is None or unsupported is None:
        assert unsupported is reason
    else:
        assert unsupported.startswith(reason) and unsupported.isprintable() and len(unsupported) < 120


@pytest.mark.parametrize("options", ["style='caffe'", "depth=18, strides=(1, 1, 1, 1)", "dilations=(1, 1, 2, 4)"])
def test_other_networks_with_the_same_tensors_are_refused(tmp_path: Path, options: str) -> None:
    text = f"model = dict(backbone=dict(type='ResNetTSM', {options}))"
    state = foreign_resnets.mmaction2(18).state_dict()
    torch.save({"meta": {"cfg": text}, "state_dict": state}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"mmaction2's configuration in it has .*--network") as caught:
        checkpoints.load(tmp_path / "w.pth")
    assert "\n" not in str(caught.value)


def test_a_meta_of_another_type_is_ignored(tmp_path: Path) -> None:
    state = foreign_resnets.mmaction2(18).state_dict()
    for value in (7, "text", [1], {"cfg": 5}, {"cfg": None, "CLASSES": 3}, {3: 4}):
        torch.save({"meta": value, "state_dict": state}, tmp_path / "w.pth")
        assert checkpoints.load(tmp_path / "w.pth").config.div == 8
