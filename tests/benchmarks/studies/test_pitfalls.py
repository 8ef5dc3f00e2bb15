"""The traps are real: run rightly, a network that needs the past is right more often than run wrongly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgeshift.benchmarks.studies import pitfalls as traps
from edgeshift.benchmarks.studies.drawn_clips import drawn_gestures
from edgeshift.checkpoints import save
from edgeshift.models import ModelConfig, build
from edgeshift.shift import tsm
from edgeshift.video.fit import FrameSpec


def test_the_second_slot_is_that_of_bidirectional_weights() -> None:
    wrong = traps._second_slot(tsm(64))
    (past,) = tsm(64, bidirectional=True).past
    assert wrong.rows == (past,)


def test_drawn_gestures_are_the_same_motion_at_any_spacing() -> None:
    slow = list(drawn_gestures(3, 0.5, 32))
    fast = list(drawn_gestures(3, 0.25, 32))
    for (label, one), (same, other) in zip(slow, fast, strict=True):
        assert label == same == one.events[0].label
        assert one.events == other.events
        assert len(other.frames) == pytest.approx(2 * len(one.frames), abs=1)
        for axis in (0, 1):
            there = np.interp(one.times, other.times, other.track[:, axis])
            assert np.abs(one.track[:, axis] - there).max() < 0.15


def test_every_way_is_run_on_every_clip(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build(ModelConfig("tsm", "mobilenet_v2", 11, size=64, width=0.35), seed=0)
    path = tmp_path / "random.safetensors"
    labels = [*(label for label, _ in drawn_gestures(10, 1.0, 16)), "none"]
    save(path, network, labels=labels, frame_spacing=0.5, frame=FrameSpec(64, 64))
    found = traps.measure(path, 4)
    assert [(trap.trap, trap.accuracy.total) for trap in found[:2]] == [("", 4), ("slot", 4)]
    assert len(found) == len(traps.WAYS)
    traps.draw(found, tmp_path / "traps.png")
    assert (tmp_path / "traps.png").read_bytes().startswith(b"\x89PNG")


def test_ways_change_what_the_network_sees(tmp_path: Path) -> None:
    """With weights that read nothing but the state, every way but the right one changes the logits."""
    network = build(ModelConfig("tsm", "mobilenet_v2", 11, size=64, width=0.35), seed=0)
    path = tmp_path / "random.safetensors"
    save(path, network, labels=[str(i) for i in range(11)], frame_spacing=0.5, frame=FrameSpec(64, 64))
    from edgeshift.checkpoints import load

    given = load(path)
    frames = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), np.uint8)
    right = traps._logits(given, traps.WAYS[0], frames)
    for way in traps.WAYS[1:3]:
        assert not np.array_equal(right, traps._logits(given, way, frames))
    assert np.array_equal(right, traps._logits(given, traps.WAYS[0], frames))  # nothing is left changed


def test_a_network_without_state_has_no_such_traps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = build(ModelConfig("tsn", "mobilenet_v2", 11, size=64, width=0.35), seed=0)
    save(tmp_path / "tsn.safetensors", network, labels=[str(i) for i in range(11)], frame_spacing=0.5)
    assert traps.main([str(tmp_path / "tsn.safetensors")]) == 2
    assert "a network with states" in capsys.readouterr().err
