"""The three mistakes: wrong shift tables change the logits, and every variant is run on every clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgeshift.benchmarks.studies import pitfalls
from edgeshift.benchmarks.studies.drawn_clips import drawn_gestures
from edgeshift.checkpoints import save
from edgeshift.models import ModelConfig, build
from edgeshift.shift import tsm
from edgeshift.video.fit import FrameSpec


def test_the_second_slot_holds_the_past_of_bidirectional_weights() -> None:
    (past,) = tsm(64, bidirectional=True).past
    assert pitfalls._second_slot(tsm(64)).rows == (past,)


def test_drawn_gestures_are_the_same_motion_at_any_spacing() -> None:
    slow = list(drawn_gestures(3, 0.5, 32))
    fast = list(drawn_gestures(3, 0.25, 32))
    for (slow_label, coarse), (fast_label, fine) in zip(slow, fast, strict=True):
        assert slow_label == fast_label == coarse.events[0].label
        assert coarse.events == fine.events
        assert len(fine.frames) == pytest.approx(2 * len(coarse.frames), abs=1)
        for axis in (0, 1):
            expected = np.interp(coarse.times, fine.times, fine.track[:, axis])
            assert np.abs(coarse.track[:, axis] - expected).max() < 0.15


def test_every_variant_is_run_on_every_clip(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build(ModelConfig("tsm", "mobilenet_v2", 11, size=64, width=0.35), seed=0)
    path = tmp_path / "random.safetensors"
    labels = [*(label for label, _ in drawn_gestures(10, 1.0, 16)), "none"]
    save(path, network, labels=labels, frame_spacing=0.5, frame=FrameSpec(64, 64))
    results = pitfalls.measure(path, 4)
    assert [(result.trap, result.accuracy.total) for result in results[:2]] == [("", 4), ("slot", 4)]
    assert len(results) == len(pitfalls.VARIANTS)
    pitfalls.draw(results, tmp_path / "pitfalls.png")
    assert (tmp_path / "pitfalls.png").read_bytes().startswith(b"\x89PNG")


def test_variants_of_the_shift_table_change_the_logits(tmp_path: Path) -> None:
    network = build(ModelConfig("tsm", "mobilenet_v2", 11, size=64, width=0.35), seed=0)
    path = tmp_path / "random.safetensors"
    save(path, network, labels=[str(i) for i in range(11)], frame_spacing=0.5, frame=FrameSpec(64, 64))
    from edgeshift.checkpoints import load

    checkpoint = load(path)
    frames = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), np.uint8)
    correct, *wrong = (pitfalls._logits(checkpoint, variant, frames) for variant in pitfalls.VARIANTS[:3])
    assert not any(np.array_equal(correct, logits) for logits in wrong)
    # The tables of the network are restored.
    assert np.array_equal(correct, pitfalls._logits(checkpoint, pitfalls.VARIANTS[0], frames))


def test_a_network_without_states_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = build(ModelConfig("tsn", "mobilenet_v2", 11, size=64, width=0.35), seed=0)
    save(tmp_path / "tsn.safetensors", network, labels=[str(i) for i in range(11)], frame_spacing=0.5)
    assert pitfalls.main([str(tmp_path / "tsn.safetensors")]) == 2
    assert "a network with states" in capsys.readouterr().err
