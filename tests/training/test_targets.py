"""The targets of frames: ``none`` before and during a stroke, then its label for a while, then ``none``."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshift.gestures import Event
from edgeshift.training.targets import NONE, Targets, _enough_seconds, frame_targets

LABELS = ("left", "star", NONE)


def targets(events: list[Event], count: int = 20, begin: float = 0.0, labels: tuple[str, ...] = LABELS) -> Targets:
    return frame_targets(begin + np.arange(count) * 0.25, events, labels)


def test_the_target_is_the_label_for_a_second_after_its_stroke() -> None:
    found = targets([Event("left", 1.0, 2.0)])
    assert found.labels.tolist() == [2] * 8 + [0] * 4 + [2] * 8
    assert found.weights[:4].tolist() == [1] * 4
    assert found.weights[8:].tolist() == [1] * 12


def test_unfinished_strokes_are_none_with_a_falling_weight() -> None:
    found = targets([Event("left", 1.0, 3.0)])
    assert found.labels[4:12].tolist() == [2] * 8
    assert np.all(np.diff(found.weights[4:12]) <= 0)
    assert found.weights[4] == np.float32(0.7)
    assert found.weights[11] < 0.1


def test_the_next_stroke_ends_the_label() -> None:
    found = targets([Event("left", 0.0, 1.0), Event("star", 1.5, 3.0)])
    assert found.labels[4:8].tolist() == [0, 0, 2, 2]


def test_the_span_of_a_gesture_is_its_stroke_and_the_frames_with_its_label() -> None:
    found = targets([Event("left", 1.0, 2.0)])
    assert found.span_labels.tolist() == [0]
    assert np.allclose(found.spans.sum(1), 1)
    assert np.flatnonzero(found.spans[0]).tolist() == list(range(4, 12))


def test_a_stroke_with_too_few_frames_has_weight_zero() -> None:
    late = targets([Event("left", -1.0, 0.25)])
    assert late.weights[1:5].sum() == 0
    assert len(late.spans) == 0
    half = targets([Event("left", -0.5, 0.75)])
    assert half.weights[3] == 1


def test_a_stroke_cut_at_its_end_is_a_gesture_if_most_of_it_is_there() -> None:
    assert len(targets([Event("star", 4.0, 8.0)]).spans) == 0
    assert len(targets([Event("star", 1.0, 5.0)]).spans) == 1


def test_without_none_only_gestures_have_weight() -> None:
    found = targets([Event("left", 1.0, 2.0)], labels=("left", "star"))
    assert found.weights[:4].sum() == 0
    assert found.weights[12:].sum() == 0
    assert found.weights[8] == 1


def test_the_origin_of_the_clock_does_not_matter() -> None:
    first, second = targets([Event("left", 1.0, 2.0)]), targets([Event("left", 11.0, 12.0)], begin=10.0)
    assert np.array_equal(first.labels, second.labels)
    assert np.allclose(first.weights, second.weights)


def test_ten_frames_are_enough_or_half_of_fewer() -> None:
    assert _enough_seconds(np.arange(24) * 0.25) == 2.5
    assert _enough_seconds(np.arange(24) * 0.1) == 1.0
    assert _enough_seconds(np.arange(12) * 0.1) == 0.6
    assert _enough_seconds(np.arange(60) * 1.0 + 100) == 10.0
    random = np.random.default_rng(0)
    for _ in range(200):  # the jitter of drawn streams
        assert _enough_seconds((np.arange(24) + random.uniform(-0.1, 0.1, 24)) * 0.25 + 5) == 2.5


@pytest.mark.parametrize("spacing", [0.05, 0.1, 0.25])
def test_a_long_stroke_is_a_target_at_any_spacing(spacing: float) -> None:
    """A sequence of 24 frames holds only a part of a stroke of 5 s."""
    counted, spans = 0, 0
    for begin in np.arange(-5, 2, 0.05):
        found = frame_targets(np.arange(24) * spacing, [Event("star", begin, begin + 5)], LABELS)
        counted += bool(found.weights[found.labels == 1].any())
        spans += len(found.spans)
    assert counted > 2 and spans > 2


def test_one_frame_is_not_a_gesture() -> None:
    found = targets([Event("left", -2.0, 0.0)], count=1)
    assert found.weights.tolist() == [0] and len(found.spans) == 0
