"""The path of a fingertip that performs a script: every action, in order, with enough idle time between strokes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from edgeshift.errors import GestureError
from edgeshift.gestures import LABELS, STROKES, Action
from edgeshift.gestures.motion import AWAY, NEAR, PAUSE, REST, WANDER, Motion, compose
from edgeshift.gestures.script import random_script

SEEDS = range(30)
SCRIPT = [
    Action("left", 0.8),
    Action(PAUSE, 0.5),
    Action("star", 3.0),
    Action(AWAY, 1.5),
    Action("circle", 2.5),
    Action("x", 2.0),
]


def path(script: list[Action], seed: int = 0) -> Motion:
    return compose(script, STROKES, np.random.default_rng(seed))


def inside(motion: Motion, times: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    return np.all(np.abs(motion.at(times) - 0.5) < 0.5, -1)


@pytest.mark.parametrize("seed", SEEDS)
def test_gestures_come_in_order_and_take_their_seconds(seed: int) -> None:
    motion = path(SCRIPT, seed)
    gestures = [action for action in SCRIPT if action.name in STROKES]
    assert [event.label for event in motion.events] == [action.name for action in gestures]
    assert [event.end - event.begin for event in motion.events] == pytest.approx(
        [action.seconds for action in gestures]
    )
    assert motion.events[0].begin >= 0 and motion.events[-1].end < motion.seconds
    assert motion.seconds >= sum(action.seconds for action in SCRIPT)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stroke_begins_at_least_a_second_after_the_previous_one(seed: int) -> None:
    events = path([Action(label, 0.7) for label in LABELS * 2], seed).events
    assert len(events) == 20
    assert min(b.begin - a.end for a, b in pairwise(events)) > REST - 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stroke_moves_and_is_in_the_frame(seed: int) -> None:
    motion = path(SCRIPT, seed)
    for event in motion.events:
        times = np.linspace(event.begin, event.end, 50)
        track = motion.at(times)
        assert 0.0299 < track.min() <= track.max() < 0.9701
        assert np.linalg.norm(np.diff(track, axis=0), axis=1).sum() > 0.25


@pytest.mark.parametrize("seed", SEEDS)
def test_away_keeps_the_fingertip_outside_of_the_frame_for_its_seconds(seed: int) -> None:
    motion = path([Action("left", 1.0), Action(AWAY, 2.0), Action("left", 1.0)], seed)
    first, second = motion.events
    times = np.arange(first.end, second.begin, 0.01)
    assert (~inside(motion, times)).sum() * 0.01 >= 2.0
    assert inside(motion, np.array([first.end, second.begin])).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pause_stays_where_the_stroke_ended(seed: int) -> None:
    motion = path([Action("up", 1.0), Action(PAUSE, 2.0)], seed)
    times = np.linspace(motion.events[0].end, motion.events[0].end + 2.0, 20)
    assert np.ptp(motion.at(times), axis=0).max() == 0


def test_aimless_motion_is_not_an_event() -> None:
    motion = path([Action(WANDER, 3.0)])
    assert motion.events == ()
    track = motion.at(np.linspace(0, motion.seconds, 100))
    assert np.linalg.norm(np.diff(track, axis=0), axis=1).sum() > 0.25
    for seed in SEEDS:
        motion = path([Action(WANDER, 3.0)], seed)
        assert inside(motion, np.array([motion.seconds])).all()


def test_the_hand_leaves_the_frame_before_a_distant_stroke() -> None:
    """A long straight move inside the frame would look like a gesture."""
    exits = 0
    for seed in range(100):
        motion = path([Action("left", 1.0), Action("left", 1.0)], seed)
        first, second = motion.events
        ends = motion.at(np.array([first.end, second.begin]))
        between = inside(motion, np.arange(first.end, second.begin, 0.02))
        distance = float(np.linalg.norm(ends[1] - ends[0]))
        if abs(distance - NEAR) > 1e-6:
            assert between.all() == (distance < NEAR)
            exits += distance > NEAR
    assert 20 < exits < 100


def test_the_hand_rests_before_and_after_its_path() -> None:
    motion = path(SCRIPT)
    assert motion.at(np.array([-5.0])).tolist() == motion.at(np.array([0.0])).tolist()
    assert motion.at(np.array([motion.seconds + 9])).tolist() == motion.at(np.array([motion.seconds])).tolist()
    assert motion.at(np.zeros((4, 3))).shape == (4, 3, 2)
    assert motion.at(np.zeros(4)).dtype == np.float32


def test_a_seed_gives_the_same_path() -> None:
    assert np.array_equal(path(SCRIPT, 3).positions, path(SCRIPT, 3).positions)
    assert not np.array_equal(path(SCRIPT, 3).positions[:50], path(SCRIPT, 4).positions[:50])


def test_an_empty_script_is_a_short_rest() -> None:
    motion = path([])
    assert motion.events == () and motion.seconds == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ([Action("lft", 1.0)], "unknown gesture 'lft'; did you mean left"),
        ([Action("wonder", 1.0)], "did you mean wander"),
        ([Action("left", 0.0)], "'left' cannot take 0 s: give 0.05 to 3600"),
        ([Action("left", float("nan"))], "cannot take nan s"),
        ([Action(PAUSE, 3601.0)], "cannot take 3601 s"),
        ([Action(PAUSE, 3600.0)] * 11, "39600 s is too long"),
    ],
)
def test_impossible_actions_are_refused(script: list[Action], message: str) -> None:
    with pytest.raises(GestureError, match=message):
        path(script)


def test_random_scripts_have_every_label_and_every_kind_of_gap() -> None:
    gaps, labels, firsts = set(), set(), set()
    for seed in range(20):
        script = random_script(60, STROKES, np.random.default_rng(seed))
        assert sum(action.seconds for action in script) >= 60
        firsts.add(script[0].name if script[0].name in (PAUSE, AWAY) else "gesture")
        between: list[str] | None = None
        for action in script:
            if action.name not in STROKES:
                if between is not None:
                    between.append(action.name)
                continue
            shortest, longest = STROKES[action.name].seconds
            assert shortest <= action.seconds <= longest
            labels.add(action.name)
            gaps.add(None if between is None else tuple(between))
            between = []
    assert labels == set(LABELS)
    assert gaps - {None} == {(), (PAUSE,), (AWAY,), (PAUSE, AWAY), (PAUSE, WANDER, AWAY)}
    assert firsts == {PAUSE, AWAY, "gesture"}
