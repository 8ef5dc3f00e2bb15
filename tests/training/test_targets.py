"""What frames should answer: none, little by little the label, the label, none again."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshift.gestures import Event
from edgeshift.training.targets import NONE, Targets, _enough_seconds, frame_targets

LABELS = ("left", "star", NONE)


def targets(events: list[Event], count: int = 20, begin: float = 0.0, labels: tuple[str, ...] = LABELS) -> Targets:
    return frame_targets(begin + np.arange(count) * 0.25, events, labels)


def test_a_label_is_held_for_a_second_after_its_stroke() -> None:
    found = targets([Event("left", 1.0, 2.0)])
    assert found.labels.tolist() == [2] * 8 + [0] * 4 + [2] * 8
    assert found.weights[:4].tolist() == [1] * 4
    assert found.weights[8:].tolist() == [1] * 12


def test_unfinished_strokes_are_none_and_count_the_less_the_nearer_they_are() -> None:
    found = targets([Event("left", 1.0, 3.0)])
    assert found.labels[4:12].tolist() == [2] * 8
    assert np.all(np.diff(found.weights[4:12]) <= 0)
    assert found.weights[4] == np.float32(0.7)
    assert found.weights[11] < 0.1


def test_the_next_stroke_ends_the_hold() -> None:
    found = targets([Event("left", 0.0, 1.0), Event("star", 1.5, 3.0)])
    assert found.labels[4:8].tolist() == [0, 0, 2, 2]


def test_a_gesture_is_the_mean_of_its_frames_and_of_those_that_hold_it() -> None:
    found = targets([Event("left", 1.0, 2.0)])
    assert found.span_labels.tolist() == [0]
    assert np.allclose(found.spans.sum(1), 1)
    assert np.flatnonzero(found.spans[0]).tolist() == list(range(4, 12))


def test_a_stroke_of_which_too_little_is_seen_does_not_count() -> None:
    late = targets([Event("left", -1.0, 0.25)])
    assert late.weights[1:5].sum() == 0
    assert len(late.spans) == 0
    half = targets([Event("left", -0.5, 0.75)])
    assert half.weights[3] == 1


def test_a_stroke_that_the_frames_end_in_counts_once_most_is_seen() -> None:
    assert len(targets([Event("star", 4.0, 8.0)]).spans) == 0
    assert len(targets([Event("star", 1.0, 5.0)]).spans) == 1


def test_without_none_only_gestures_count() -> None:
    found = targets([Event("left", 1.0, 2.0)], labels=("left", "star"))
    assert found.weights[:4].sum() == 0
    assert found.weights[12:].sum() == 0
    assert found.weights[8] == 1


def test_a_clock_that_begins_elsewhere_gives_the_same() -> None:
    one, other = targets([Event("left", 1.0, 2.0)]), targets([Event("left", 11.0, 12.0)], begin=10.0)
    assert np.array_equal(one.labels, other.labels)
    assert np.allclose(one.weights, other.weights)


def test_what_suffices_is_ten_spacings_and_no_more_than_half_of_the_frames() -> None:
    assert _enough_seconds(np.arange(24) * 0.25) == 2.5
    assert _enough_seconds(np.arange(24) * 0.1) == 1.0
    assert _enough_seconds(np.arange(12) * 0.1) == 0.6
    assert _enough_seconds(np.arange(60) * 1.0 + 100) == 10.0
    random = np.random.default_rng(0)
    for _ in range(200):  # as drawn streams are spaced
        assert _enough_seconds((np.arange(24) + random.uniform(-0.1, 0.1, 24)) * 0.25 + 5) == 2.5


@pytest.mark.parametrize("spacing", [0.05, 0.1, 0.25])
def test_a_long_stroke_counts_at_any_spacing(spacing: float) -> None:
    """One of 5 s, of which a sequence of 24 frames holds no more than a part."""
    counted, spans = 0, 0
    for begin in np.arange(-5, 2, 0.05):
        found = frame_targets(np.arange(24) * spacing, [Event("star", begin, begin + 5)], LABELS)
        counted += bool(found.weights[found.labels == 1].any())
        spans += len(found.spans)
    assert counted > 2 and spans > 2


def test_one_frame_is_no_reason_to_count() -> None:
    found = targets([Event("left", -2.0, 0.0)], count=1)
    assert found.weights.tolist() == [0] and len(found.spans) == 0
