"""Figures out of samples: which percentiles are given, medians over repeats, and what is derived beside them."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import reports

from edgeshift.benchmarks.latency.result import Energy, Report
from edgeshift.benchmarks.latency.summary import deadline, summarize
from edgeshift.stream.percentiles import PERCENTILES, percentile


def samples(values) -> dict[str, tuple[float, ...]]:
    return {name: tuple(map(float, values)) for name in ("pre", "infer", "post", "end_to_end")}


def summary(report: Report):
    (found,) = summarize(report)
    return found


def of(*repeats, **settings):
    """The summary of an artifact with these repeats."""
    subject = msgspec.structs.replace(reports.subject(), repeats=tuple(repeats))
    return summary(reports.report(subject, **settings))


@pytest.mark.parametrize("name", PERCENTILES)
def test_a_percentile_needs_samples(name):
    needed = {"p50": 20, "p90": 64, "p99": 662}[name]
    assert percentile(range(1, needed), name) is None
    assert percentile(range(1, needed + 1), name) == pytest.approx(
        np.quantile(range(1, needed + 1), float(name[1:]) / 100)
    )


def test_every_repeat_needs_them():
    enough, few = (reports.repeat(**samples(range(1, count + 1))) for count in (100, 63))
    both = of(enough, few).phases["infer"]
    assert both.p50 == pytest.approx((50.5 + 32.0) / 2) and both.p90 is None and both.p99 is None


def test_a_figure_is_the_median_over_repeats_and_not_over_steps():
    # 100 steps of 1, 100 of 2, 10,000 of 9: of the steps nearly all took 9.
    found = of(*(reports.repeat(**samples([value] * count)) for value, count in ((1, 100), (2, 100), (9, 10_000))))
    assert found.phases["end_to_end"].p50 == 2 and found.phases["end_to_end"].p90 == 2
    assert found.repeats == 3 and found.steps == 10_200


def test_load_and_first_are_medians_in_seconds():
    found = of(*(reports.repeat(load=load, first=load / 2) for load in (0.3, 0.1, 0.2)))
    assert (found.load, found.first) == (0.2, 0.1)


def test_spread_and_unstable():
    found = of(*(reports.repeat(**samples([value] * 1024)) for value in (100, 102, 104)))
    assert found.spread == pytest.approx(4 / 102) and not found.unstable and found.warnings == ()
    found = of(*(reports.repeat(**samples([value] * 70)) for value in (100, 102, 106)))
    assert found.unstable and "unstable: repeats spread over 5.9%" in found.warnings
    assert of(reports.repeat()).spread is None


def test_steps_per_second():
    assert of(reports.repeat(steps=1500, seconds=60.0)).steps_per_second == 25.0


def test_paced_counts_frames_of_the_camera():
    found = of(*(reports.repeat(offered=900, missed=missed) for missed in (9, 0, 18)), mode="paced", fps=30.0)
    assert found.paced is not None and (found.paced.offered, found.paced.missed) == (2700, 27)
    assert found.paced.share == 0.01
    assert of(reports.repeat()).paced is None
    assert deadline(reports.settings("paced", fps=25.0)) == 40_000 and deadline(reports.settings()) is None


def test_steps_whose_samples_were_let_go_count():
    found = of(msgspec.structs.replace(reports.repeat(**samples([1000] * 100), seconds=2.0), steps=400))
    assert found.steps == 400 and found.steps_per_second == 200


def test_a_minute_of_few_steps_says_nothing_of_heat():
    whole = reports.minutes(30)
    few = msgspec.structs.replace(whole[0], steps=40, p90=None)
    assert of(reports.repeat(minutes=(few, *whole[1:])), mode="sustained").sustained is None


def test_sustained_is_the_first_against_the_last_minute():
    hot = reports.reading(70.0, throttled=("throttled",))
    found = of(*(reports.repeat(minutes=reports.minutes(30), after=hot) for _ in range(3)), mode="sustained")
    assert found.sustained is not None and found.sustained.minutes == 30
    assert found.sustained.first == pytest.approx(5000) and found.sustained.slowdown == pytest.approx(1.6)
    assert found.sustained.throttled == ("throttled",)
    assert found.validity.thermal_ok is True  # heat is what was to be seen


def test_energy_of_a_frame():
    energy = Energy(source="RAPL package", idle=2.0, joules=300.0, seconds=60.0, reason=None)
    found = of(*(reports.repeat(steps=1500, seconds=60.0, energy=energy) for _ in range(3))).energy
    assert found.source == "RAPL package" and found.reason is None
    assert found.raw == pytest.approx(300 / 1500) and found.net == pytest.approx((300 - 120) / 1500)
    no_idle = msgspec.structs.replace(energy, idle=None)
    assert of(reports.repeat(energy=no_idle)).energy.net is None
    assert of(reports.repeat()).energy == msgspec.structs.replace(
        found, source=None, raw=None, net=None, reason="nothing here measures power"
    )


def test_a_vendors_figures_are_no_percentiles():
    found = of(*(reports.repeat(**samples(()), told={"mean": value}) for value in (5.0, 7.0, 6.0)))
    assert found.told == {"mean": 6.0} and found.phases["infer"].p50 is None and found.steps_per_second is None
    assert "vendor" in found.validity.reasons["min_steps_met"] and not found.validity.valid


def test_nothing_measured_is_no_crash():
    found = of()
    assert found.load is None and found.runtime == "-" and not found.validity.valid and found.energy.raw is None


def test_a_summary_is_plain_data():
    found = msgspec.to_builtins(summary(reports.report()))
    assert found["validity"]["valid"] is True and found["phases"]["infer"]["p90"] > found["phases"]["infer"]["p50"]
