"""The first frame and the state at which an accelerator's results leave those of the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import edgeshift
from edgeshift.stream import Model
from edgeshift.stream.first_difference import Difference, find_difference, limit_of, sample_pictures, steps


class Faulty:
    """An executor that changes a state or the logits after a number of frames, as a faulty driver does."""

    def __init__(self, inner: Any, fault: str, frame: int) -> None:
        self._inner, self._fault, self._frame, self._count = inner, fault, frame, 0

    def run(self, frame: Any) -> Any:
        logits = self._inner.run(frame)
        self._count += 1
        if self._count > self._frame:
            if self._fault == "logits":
                return logits * np.nan
            states = self._inner.states()
            wrong = states[self._fault] * 2.5  # the fault that was measured on a Mali
            if states[self._fault].dtype == np.int8:
                wrong = wrong.clip(-128, 127)
            states[self._fault] = wrong.astype(states[self._fault].dtype)
            self._inner.set_states(states)
        return logits

    def states(self) -> Any:
        return self._inner.states()

    def set_states(self, states: Any) -> None:
        self._inner.set_states(states)
        self._count = 0


def faulty(model: Model, fault: str, frame: int) -> Model:
    return Model(model.spec, "faulty", lambda: Faulty(model._executor(), fault, frame), "gpu")


def first_difference(candidate: Model, reference: Model, frames: int) -> Difference:
    """Compare a model on an accelerator with the same artifact on the CPU."""
    pictures = sample_pictures(candidate.spec, frames)
    return find_difference(steps(candidate, pictures), steps(reference, pictures), limit_of(candidate))


@pytest.mark.parametrize("frame", [0, 5])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_corrupted_state_is_found_in_its_first_frame(made, precision, frame):
    model = edgeshift.load(made("tsm", precision).path)
    name = model.spec.states[3].name
    found = first_difference(faulty(model, name, frame), model, 12)
    assert (found.frame, found.state) == (frame, name)
    assert found.frames == 12 and found.state_error > found.limit.states


def test_logits_that_are_not_numbers_are_found(made):
    model = edgeshift.load(made("tsm", "fp32").path)
    found = first_difference(faulty(model, "logits", 2), model, 6)
    assert (found.frame, found.state) == (2, "logits")


def test_the_same_model_has_no_difference(made):
    model = edgeshift.load(made("tsam", "fp32").path)
    found = first_difference(model, model, 4)
    assert (found.frame, found.state, found.error, found.state_error) == (None, None, 0.0, 0.0)


def test_a_clip_is_compared_over_windows(clip_artifact):
    model = edgeshift.load(clip_artifact)
    found = first_difference(model, model, 3)
    assert (found.frames, found.frame, found.error) == (3, None, 0.0)
