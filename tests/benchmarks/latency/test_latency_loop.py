"""The timed loop, on a clock of its own: what is timed, when it ends, which frames are missed."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from doubles import model

from edgeshift.benchmarks.latency import loop
from edgeshift.benchmarks.latency.loop import WARM_CAP, Kept, Steps, no_collection, run_paced, run_steps, warm_up
from edgeshift.stream import Timings


class Clock:
    """Seconds that pass only when something takes them: a step, or a rest."""

    def __init__(self, costs):
        self.now, self.costs, self.fed = 0.0, iter(costs), []

    def __call__(self):
        return self.now

    def rest(self, seconds):
        self.now += seconds

    def stream(self):
        """A stream whose steps take the costs in turn."""
        stream = model().stream()
        step = stream.step

        def timed(frame):
            self.fed.append(int(frame[0, 0, 0]))
            self.now += next(self.costs)
            return step(frame)

        stream.step = timed
        return stream


FRAMES = [np.full((64, 64, 3), value, np.uint8) for value in range(5)]


def always(seconds):
    while True:
        yield seconds


@pytest.mark.parametrize(("steps", "seconds", "taken"), [(10, 0.0, 10), (1, 2.0, 20), (30, 2.0, 30)])
def test_both_must_be_reached(steps, seconds, taken):
    clock = Clock(always(0.125))
    found = run_steps(clock.stream(), FRAMES, steps, seconds if seconds != 2.0 or steps == 30 else 2.5, clock)
    assert len(found.totals) == len(found.timings) == len(found.ends) == taken
    assert set(found.totals) == {0.125} and found.ends[-1] == 0.125 * taken
    assert clock.fed[:7] == [0, 1, 2, 3, 4, 0, 1]


def test_every_step_is_kept():
    costs = [0.5, 0.25, 1.0, 0.125]
    clock = Clock(costs)
    found = run_steps(clock.stream(), FRAMES, 4, 0.0, clock)
    assert found.totals == costs and found.ends == [0.5, 0.75, 1.75, 1.875]


def test_of_a_long_run_evenly_spaced_steps_are_kept(monkeypatch):
    monkeypatch.setattr(loop, "MOST", 10)
    kept, number = Kept(), 0
    for length in (3, 4, 1, 9, 7, 30):
        ones = [float(number + index) for index in range(length)]
        kept.add(Steps([Timings(one, 0.0, 0.0) for one in ones], ones, [one + 1 for one in ones]), 0.0)
        number += length
        assert len(kept.totals) < 10 and kept.steps == number and kept.seconds == number
        spacing = kept.totals[1] - kept.totals[0]
        assert kept.totals == [spacing * index for index in range(len(kept.totals))], "none is missing between them"
        assert kept.totals[-1] + spacing >= number and [one.pre for one in kept.timings] == kept.totals
    assert spacing == 8


def test_warm_up_ends_when_times_have_settled():
    slow = [0.5 - 0.01 * step for step in range(40)]
    clock = Clock([*slow, *[0.0625] * 1000])
    steps, warm = warm_up(clock.stream(), FRAMES, clock)
    assert warm and 60 <= steps <= 120


def test_warm_up_gives_up():
    clock = Clock(2.0**-8 * 1.002**step for step in range(10**6))
    _, warm = warm_up(clock.stream(), FRAMES, clock)
    assert not warm and WARM_CAP <= clock.now < WARM_CAP + 2


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0, 9.0])
def test_a_slow_device_gets_warm_too(seconds):
    """A step that never changes has settled, however long it takes."""
    clock = Clock(always(seconds))
    steps, warm = warm_up(clock.stream(), FRAMES, clock)
    assert (warm and steps >= 10) or seconds == 9.0  # two windows of that are longer than anybody waits
    assert clock.now <= max(WARM_CAP + 5, 6 * seconds)


def test_paced_in_time():
    """Steps that are faster than the camera: every frame is looked at when it comes."""
    clock = Clock(always(0.0625))
    found = run_paced(clock.stream(), FRAMES, 1, 2.0, 8.0, clock, clock.rest)
    assert found.late == 0 and found.offered == len(found.totals) == 17
    assert clock.fed[:6] == [0, 1, 2, 3, 4, 0]
    assert set(found.totals) == {0.0625}


def test_paced_too_slow():
    """Steps of two and a half frames: two frames of three are never looked at, and the third is late."""
    clock = Clock(always(0.3125))
    found = run_paced(clock.stream(), FRAMES, 1, 3.0, 8.0, clock, clock.rest)
    assert clock.fed[:3] == [0, 2, 0]  # frames 0, 2, 5: the newest there is when the step before is done
    assert found.late == found.offered


def test_paced_one_late():
    clock = Clock([0.0625, 0.0625, 0.15625, *[0.0625] * 50])
    found = run_paced(clock.stream(), FRAMES, 1, 2.0, 8.0, clock, clock.rest)
    assert found.late == 1 and found.offered == 17 == len(found.totals)


def test_no_garbage_is_collected_meanwhile():
    assert gc.isenabled()
    with no_collection():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with no_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
