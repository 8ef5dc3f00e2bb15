"""Timing in turns, and the statistics of the times, with a simulated clock."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from msgspec.structs import astuple

from edgeshift.benchmarks.statistics import median, ratio
from edgeshift.benchmarks.studies.interleave import calling, interleave
from edgeshift.errors import EdgeshiftError


class Clock:
    """A clock that moves only when ``work`` is called."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> None:
        self.now += seconds


def test_a_turn_is_the_median_of_its_timed_calls() -> None:
    clock = Clock()
    costs = iter([50.0, 1.0, 2.0, 900.0])  # the first call is not timed: caches are cold; the last was interrupted
    turn = calling(lambda: clock.work(next(costs)), inner=3, clock=clock)
    assert turn() == 2.0
    assert next(costs, None) is None


def test_each_round_has_one_turn_of_every_candidate_in_random_order() -> None:
    order: list[str] = []

    def turn(name: str) -> float:
        order.append(name)
        return 1.0

    turns = {name: (lambda name=name: turn(name)) for name in "abc"}
    samples = interleave(turns, 20, warmup=2)
    assert {name: len(times) for name, times in samples.items()} == {"a": 20, "b": 20, "c": 20}
    rounds = [tuple(order[at : at + 3]) for at in range(6, len(order), 3)]  # after two rounds of warm-up
    assert len(rounds) == 20
    assert all(sorted(names) == ["a", "b", "c"] for names in rounds)
    assert len(set(rounds)) > 1
    again: list[str] = []
    order, before = again, order
    interleave(turns, 20, warmup=2)
    assert again == before


def test_a_slow_phase_of_the_machine_does_not_change_the_ratio() -> None:
    factors = iter(np.repeat([1.0, 5.0, 1.0], 20).repeat(2))  # in the middle third all turns take five times as long

    def turn(seconds: float) -> float:
        return seconds * float(next(factors))

    samples = interleave({"a": lambda: turn(1.03), "b": lambda: turn(1.0)}, 60, warmup=0)
    assert samples["a"].max() > 4 * samples["a"].min()
    assert astuple(ratio(samples["a"], samples["b"])) == pytest.approx((1.03, 1.03, 1.03))


def test_the_interval_contains_the_median_and_narrows_with_rounds() -> None:
    random = np.random.default_rng(0)
    wide, narrow = (median(random.normal(1.0, 0.1, count)) for count in (10, 1000))
    for interval in (wide, narrow):
        assert interval.low <= interval.value <= interval.high
    assert narrow.high - narrow.low < (wide.high - wide.low) / 3
    assert narrow.value == pytest.approx(1.0, abs=0.02)


def test_one_interrupted_round_does_not_change_the_interval() -> None:
    a, b = np.full(41, 2.0), np.full(41, 1.0)
    a[7] = 1000.0
    assert astuple(ratio(a, b)) == (2.0, 2.0, 2.0)


def test_the_same_samples_give_the_same_interval() -> None:
    values = np.random.default_rng(3).random(30)
    assert median(values) == median(values)


def test_garbage_is_not_collected_while_timing() -> None:
    enabled: list[bool] = []

    def turn() -> float:
        enabled.append(gc.isenabled())
        return 1.0

    assert gc.isenabled()
    interleave({"a": turn}, 2)
    assert not any(enabled)
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        interleave({"a": lambda: 1 / 0}, 2)
    assert gc.isenabled()


def test_progress_advances_once_per_round() -> None:
    turns: list[str] = []
    advances: list[int] = []
    interleave({"a": lambda: turns.append("a") or 1.0}, 7, warmup=0, advance=lambda: advances.append(len(turns)))
    assert advances == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(("names", "rounds"), [([], 3), (["a"], 0)])
def test_no_candidates_or_no_rounds_is_an_error(names: list[str], rounds: int) -> None:
    with pytest.raises(EdgeshiftError, match="cannot time"):
        interleave({name: lambda: 1.0 for name in names}, rounds)


def test_a_time_of_zero_is_an_error() -> None:
    with np.errstate(divide="ignore"), pytest.raises(EdgeshiftError, match="zero"):
        ratio(np.ones(3), np.array([1.0, 0.0, 1.0]))
