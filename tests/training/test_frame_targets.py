"""The target of a frame is ``none`` before and during a stroke, then its label for a while, then ``none`` again."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshift.gestures import Event
from edgeshift.training.frame_targets import NONE, Targets, _enough_seconds, frame_targets

LABELS = ("left", "star", NONE)


def targets(events: list[Event], count: int = 20, begin: float = 0.0, labels: tuple[str, ...] = LABELS) -> Targets:
    return frame_targets(begin + np.arange(count) * 0.25, events, labels)


def test_the_target_is_the_label_for_a_second_after_its_stroke() -> None:
    result = targets([Event("left", 1.0, 2.0)])
    assert result.labels.tolist() == [2] * 8 + [0] * 4 + [2] * 8
    assert result.weights[:4].tolist() == [1] * 4
    assert result.weights[8:].tolist() == [1] * 12


def test_the_target_of_an_unfinished_stroke_is_none_with_a_falling_weight() -> None:
    result = targets([Event("left", 1.0, 3.0)])
    assert result.labels[4:12].tolist() == [2] * 8
    assert np.all(np.diff(result.weights[4:12]) <= 0)
    assert result.weights[4] == np.float32(0.7)
    assert result.weights[11] < 0.1


def test_the_next_stroke_ends_the_label_of_the_previous_one() -> None:
    result = targets([Event("left", 0.0, 1.0), Event("star", 1.5, 3.0)])
    assert result.labels[4:8].tolist() == [0, 0, 2, 2]


def test_the_span_of_a_gesture_is_its_stroke_and_the_frames_with_its_label() -> None:
    result = targets([Event("left", 1.0, 2.0)])
    assert result.span_labels.tolist() == [0]
    assert np.allclose(result.spans.sum(1), 1)
    assert np.flatnonzero(result.spans[0]).tolist() == list(range(4, 12))


def test_a_stroke_with_too_few_frames_has_weight_zero() -> None:
    late = targets([Event("left", -1.0, 0.25)])
    assert late.weights[1:5].sum() == 0
    assert len(late.spans) == 0
    half = targets([Event("left", -0.5, 0.75)])
    assert half.weights[3] == 1


def test_a_stroke_that_is_cut_at_its_end_is_a_gesture_if_most_of_it_is_visible() -> None:
    assert len(targets([Event("star", 4.0, 8.0)]).spans) == 0
    assert len(targets([Event("star", 1.0, 5.0)]).spans) == 1


def test_without_the_label_none_only_complete_gestures_have_weight() -> None:
    result = targets([Event("left", 1.0, 2.0)], labels=("left", "star"))
    assert result.weights[:4].sum() == 0
    assert result.weights[12:].sum() == 0
    assert result.weights[8] == 1


def test_the_origin_of_the_clock_does_not_matter() -> None:
    first, second = targets([Event("left", 1.0, 2.0)]), targets([Event("left", 11.0, 12.0)], begin=10.0)
    assert np.array_equal(first.labels, second.labels)
    assert np.allclose(first.weights, second.weights)


def test_a_stroke_needs_ten_frames_or_half_of_the_sequence() -> None:
    assert _enough_seconds(np.arange(24) * 0.25) == 2.5
    assert _enough_seconds(np.arange(24) * 0.1) == 1.0
    assert _enough_seconds(np.arange(12) * 0.1) == 0.6
    assert _enough_seconds(np.arange(60) * 1.0 + 100) == 10.0
    random = np.random.default_rng(0)
    for _ in range(200):  # the jitter of drawn streams
        assert _enough_seconds((np.arange(24) + random.uniform(-0.1, 0.1, 24)) * 0.25 + 5) == 2.5


@pytest.mark.parametrize("spacing", [0.05, 0.1, 0.25])
def test_a_long_stroke_is_a_target_at_any_spacing(spacing: float) -> None:
    """With a small spacing, a sequence of 24 frames holds only a part of a stroke of 5 s."""
    counted, spans = 0, 0
    for begin in np.arange(-5, 2, 0.05):
        result = frame_targets(np.arange(24) * spacing, [Event("star", begin, begin + 5)], LABELS)
        counted += bool(result.weights[result.labels == 1].any())
        spans += len(result.spans)
    assert counted > 2 and spans > 2


def test_one_frame_is_not_a_gesture() -> None:
    result = targets([Event("left", -2.0, 0.0)], count=1)
    assert result.weights.tolist() == [0] and len(result.spans) == 0
