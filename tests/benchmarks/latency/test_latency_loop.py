"""The timed loop on a simulated clock: what is timed, when the loop ends, and which frames are missed."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from itertools import repeat

import numpy as np
import pytest
from doubles import model

from edgeshift.benchmarks.latency import loop
from edgeshift.benchmarks.latency.loop import WARM_TIMEOUT, Steps, no_collection, run_paced, run_steps, warm_up
from edgeshift.stream import Timings

FRAMES = [np.full((64, 64, 3), value, np.uint8) for value in range(5)]


class Clock:
    """A clock that advances only during steps and waits.

    Args:
        costs: seconds of each step.

    Attributes:
        frames: numbers of the frames that were processed, in order.
    """

    def __init__(self, costs: Iterable[float]) -> None:
        self.now, self.costs, self.frames = 0.0, iter(costs), list[int]()

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def stream(self):
        """Return a stream whose steps take the costs in turn."""
        stream = model().stream()
        step = stream.step

        def timed(frame):
            self.frames.append(int(frame[0, 0, 0]))
            self.now += next(self.costs)
            return step(frame)

        stream.step = timed
        return stream


@pytest.mark.parametrize(("steps", "seconds", "count"), [(10, 0.0, 10), (1, 2.5, 20), (30, 2.0, 30)])
def test_the_loop_ends_when_steps_and_seconds_are_reached(steps, seconds, count):
    clock = Clock(repeat(0.125))
    timed = run_steps(clock.stream(), FRAMES, steps, seconds, clock)
    assert len(timed.totals) == len(timed.timings) == timed.count == count
    assert set(timed.totals) == {0.125} and timed.seconds == 0.125 * count
    assert clock.frames[:7] == [0, 1, 2, 3, 4, 0, 1]
    assert timed.late is timed.offered is None


def test_the_times_of_all_steps_are_kept_in_order():
    costs = [0.5, 0.25, 1.0, 0.125]
    clock = Clock(costs)
    timed = run_steps(clock.stream(), FRAMES, 4, 0.0, clock)
    assert timed.totals == costs and timed.seconds == 1.875


def test_a_long_run_keeps_the_times_of_evenly_spaced_steps(monkeypatch):
    monkeypatch.setattr(loop, "MAX_SAMPLES", 10)
    run, number = Steps(), 0
    for length in (3, 4, 1, 9, 7, 30):
        numbers = [float(number + index) for index in range(length)]
        run.add(Steps([Timings(value, 0.0, 0.0) for value in numbers], numbers, float(length), length), float(number))
        number += length
        assert len(run.totals) < 10 and run.count == run.seconds == number
        assert run.totals == list(range(0, number, run.every)) == [timing.pre for timing in run.timings]
    assert run.every == 8


def test_warm_up_ends_when_the_latency_has_settled():
    falling = [0.5 - 0.01 * step for step in range(40)]
    clock = Clock([*falling, *[0.0625] * 1000])
    steps, warm = warm_up(clock.stream(), FRAMES, clock)
    assert warm and 60 <= steps <= 120


def test_warm_up_ends_after_its_timeout():
    clock = Clock(2.0**-8 * 1.005**step for step in range(10**6))
    _, warm = warm_up(clock.stream(), FRAMES, clock)
    assert not warm and WARM_TIMEOUT <= clock.now < WARM_TIMEOUT + 2


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0, 9.0])
def test_the_latency_of_a_slow_device_can_settle(seconds):
    clock = Clock(repeat(seconds))
    steps, warm = warm_up(clock.stream(), FRAMES, clock)
    assert (warm and steps >= 10) or seconds == 9.0, "two windows of nine-second steps exceed the timeout"
    assert clock.now <= max(WARM_TIMEOUT + 5, 6 * seconds)


@pytest.mark.parametrize(
    ("costs", "frames", "late", "offered"),
    [
        (repeat(0.0625), [0, 1, 2, 3, 4, 0], 0, 17),
        ([0.0625, 0.0625, 0.15625, *[0.0625] * 50], [0, 1, 2, 3, 4, 0], 1, 17),
        # A step takes 2.5 frame intervals: the frame that follows frame 0 is frame 2, and then frame 5.
        (repeat(0.3125), [0, 2, 0], None, None),
    ],
    ids=["in time", "one is late", "too slow"],
)
def test_paced_steps_at_eight_frames_per_second(costs, frames, late, offered):
    clock = Clock(costs)
    timed = run_paced(clock.stream(), FRAMES, 1, 2.0, 8.0, clock, clock.wait)
    assert clock.frames[: len(frames)] == frames and timed.count == len(timed.totals)
    if late is None:
        assert timed.late == timed.offered, "every frame is late or replaced by a newer one"
    else:
        assert (timed.late, timed.offered, timed.count) == (late, offered, offered)


def test_garbage_collection_is_disabled_in_the_block_and_restored_afterwards():
    assert gc.isenabled()
    with no_collection():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with no_collection():
            pass
        assert not gc.isenabled(), "it was disabled before"
    finally:
        gc.enable()
