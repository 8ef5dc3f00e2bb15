"""The other ways to write a step compute what the shipped one computes: otherwise their times would say nothing."""

from __future__ import annotations

import functools

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from edgeshift.benchmarks.studies.forms import MOVES, SLOTS
from edgeshift.benchmarks.studies.naive_conversion import channels_first, naive_step
from edgeshift.benchmarks.studies.normalisations import NORMALISATIONS
from edgeshift.benchmarks.studies.timing_networks import CLIPS, FRAMES, smooth_clips, subject
from edgeshift.checkpoints.source import Source
from edgeshift.models.network import Step

SIZE = 64


@functools.cache
def source(table: str) -> Source:
    return subject(table, SIZE)


def logits(step: Step) -> torch.Tensor:
    """Over the first clip, each step with the states of the one before."""
    states, rows = step.start(), []
    with torch.inference_mode():
        for frame in smooth_clips(SIZE)[0]:
            row, *states = step(torch.from_numpy(frame[None]).permute(0, 3, 1, 2).float(), *states)
            rows.append(row)
    return torch.cat(rows)


@pytest.mark.parametrize(
    ("table", "name"),
    [
        *(("stsm", name) for name in list(MOVES)[1:]),
        *(("tsm", name) for name in list(SLOTS)[1:]),
        *(("tsn", name) for name in list(NORMALISATIONS)[1:]),
    ],
)
def test_a_form_computes_the_same(table: str, name: str) -> None:
    form = {**MOVES, **SLOTS, **NORMALISATIONS}[name]
    want = logits(Step(source(table).network).eval())
    assert want.std(0).max() > 0.01  # frames and states matter
    assert torch.allclose(logits(form(source(table))), want, atol=2e-4 * float(want.max() - want.min()))


def test_the_naive_step_keeps_names_and_computes_the_same() -> None:
    module, inputs = naive_step(source("tsm"))
    step = Step(source("tsm").network).eval()
    assert list(inputs) == ["frame", *step.state_names]
    assert inputs["frame"].shape == (1, 3, SIZE, SIZE)
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    with torch.inference_mode():
        found = module(**tensors)
        want, *states = step(*tensors.values())
    assert list(found) == ["logits", *step.state_names]
    assert torch.equal(found["logits"], want)
    assert all(torch.equal(found[name], state) for name, state in zip(step.state_names, states, strict=True))


def test_calibration_samples_change_their_order() -> None:
    sample = {"frame": np.arange(12.0).reshape(1, 2, 2, 3), "state_seen": np.zeros((1, 2))}
    turned = channels_first(sample)
    assert turned["frame"].shape == (1, 3, 2, 2)
    assert turned["frame"][0, 2, 1, 0] == sample["frame"][0, 1, 0, 2]
    assert turned["state_seen"] is sample["state_seen"]


def test_smooth_clips_are_smooth_and_move() -> None:
    clips = smooth_clips(SIZE)
    assert len(clips) == CLIPS
    assert all(clip.shape == (FRAMES, SIZE, SIZE, 3) and clip.dtype == np.uint8 for clip in clips)
    frame = clips[0].astype(int)
    assert np.abs(np.diff(frame, axis=1)).max() < 64
    assert np.abs(frame[0] - frame[-1]).mean() > 20
    assert all(np.array_equal(a, b) for a, b in zip(clips, smooth_clips(SIZE), strict=True))
