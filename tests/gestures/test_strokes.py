"""The path of each stroke, tested with many random variations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edgeshift.gestures import LABELS, STROKES, Stroke
from edgeshift.gestures.strokes import move, trace

SEEDS = range(40)


def tracks(label: str, frames: int = 8) -> list[npt.NDArray[np.float32]]:
    return [move(STROKES[label], frames, np.random.default_rng(seed))[0][:, 1] for seed in SEEDS]


def signed_area(track: npt.NDArray[np.float32]) -> float:
    """Return a value above 0 for a loop that runs clockwise in the frame, because y points down."""
    x, y = track.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def test_labels_and_their_order() -> None:
    assert LABELS == ("left", "right", "up", "down", "circle", "square", "tick", "caret", "x", "star")


@pytest.mark.parametrize(
    ("label", "axis", "sign"), [("left", 0, -1), ("right", 0, 1), ("up", 1, -1), ("down", 1, 1)], ids=str
)
def test_a_straight_stroke_moves_in_its_direction(label: str, axis: int, sign: int) -> None:
    for track in tracks(label):
        moved = track[-1] - track[0]
        assert moved[axis] * sign > 0.2
        assert abs(moved[1 - axis]) < abs(moved[axis]) / 2
        assert (np.diff(track[:, axis]) * sign > -0.03).all()  # only tremor moves the fingertip backwards


def test_a_circle_runs_counter_clockwise_and_a_square_clockwise() -> None:
    assert max(signed_area(track) for track in tracks("circle")) < -0.02
    assert min(signed_area(track) for track in tracks("square")) > 0.02


def test_a_square_begins_at_the_top_left() -> None:
    for track in tracks("square"):
        assert (track[0] < track.mean(0)).all()


def test_a_tick_turns_at_the_bottom_and_a_caret_at_the_top() -> None:
    for tick, caret in zip(tracks("tick", 32), tracks("caret", 32), strict=True):
        assert 0 < int(tick[:, 1].argmax()) < 24
        assert tick[-1, 0] > tick[0, 0]
        assert tick[-1, 1] < tick[0, 1]
        assert 4 < int(caret[:, 1].argmin()) < 28
        assert caret[-1, 0] > caret[0, 0]


def test_an_x_goes_down_to_the_right_and_then_up_to_the_right() -> None:
    for track in tracks("x", 32):
        middle = track.mean(0)
        assert (track[0] < middle).all()
        assert track[-1, 0] > middle[0] > 0
        assert track[-1, 1] < middle[1]


def test_a_star_runs_twice_around_its_middle() -> None:
    for seed in SEEDS:
        x, y = (trace(STROKES["star"], np.random.default_rng(seed)) - [0.5, 0.55]).T
        turn = np.unwrap(np.arctan2(y, x))
        assert turn[-1] - turn[0] == pytest.approx(2 * 2 * np.pi, abs=0.6)  # clockwise in the frame


def test_tracks_stay_inside_the_frame() -> None:
    for label in LABELS:
        for track in tracks(label):
            assert track.dtype == np.float32
            assert 0.0299 < track.min() <= track.max() < 0.9701


def test_the_shutter_opens_before_it_closes() -> None:
    motion, _ = move(STROKES["left"], 8, np.random.default_rng(3))
    assert motion.shape == (8, 3, 2)
    assert (motion[:, 0, 0] >= motion[:, 2, 0]).all()


@pytest.mark.parametrize("label", LABELS)
def test_the_completed_share_grows_only_while_the_fingertip_moves(label: str) -> None:
    for seed in SEEDS:
        motion, done = move(STROKES[label], 64, np.random.default_rng(seed))
        assert done.shape == (64,)
        assert (np.diff(done) >= 0).all()
        assert 0 <= done[0] < 0.1 and done[-1] > 0.9
        steps = np.linalg.norm(np.diff(motion[:, 1], axis=0), axis=1)
        resting = (done[1:] <= 0) | (done[:-1] >= 1)
        if resting.any():  # only tremor
            assert steps[resting].max() < 0.04 and steps[~resting].sum() > 5 * 0.04


def test_a_user_defined_stroke_is_only_a_path() -> None:
    zigzag = Stroke([[(0, 0), (1, 0.3), (0, 0.6), (1, 1)]])
    path = trace(zigzag, np.random.default_rng(0))
    assert path.shape == (256, 2)
    assert np.abs(path[0]).max() < 0.4
    assert np.abs(path[-1] - 1).max() < 0.4
