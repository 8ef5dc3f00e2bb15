"""Figures from raw samples: percentiles, medians over repeats, spread, slowdown by heat, and energy."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import reports

from edgeshift.benchmarks.latency.result import Energy
from edgeshift.benchmarks.latency.summary import Summary, deadline, summarize
from edgeshift.stream.percentiles import PERCENTILES, percentile


def samples(values) -> dict[str, tuple[float, ...]]:
    """Return the same samples for all phases."""
    return {name: tuple(map(float, values)) for name in ("pre", "infer", "post", "end_to_end")}


def summary_of(*repeats, **settings) -> Summary:
    """Return the summary of an artifact with some repeats; ``settings`` replace settings of the run."""
    artifact = msgspec.structs.replace(reports.subject(), repeats=tuple(repeats))
    (summary,) = summarize(reports.report(artifact, **settings))
    return summary


@pytest.mark.parametrize("name", PERCENTILES)
def test_a_percentile_needs_enough_samples(name):
    needed = {"p50": 20, "p90": 64, "p99": 662}[name]
    assert percentile(range(1, needed), name) is None
    assert percentile(range(1, needed + 1), name) == pytest.approx(
        np.quantile(range(1, needed + 1), float(name[1:]) / 100)
    )


def test_a_percentile_needs_enough_samples_in_every_repeat():
    enough, few = (reports.repeat(**samples(range(1, count + 1))) for count in (100, 63))
    both = summary_of(enough, few).phases["infer"]
    assert both.p50 == pytest.approx((50.5 + 32.0) / 2) and both.p90 is None and both.p99 is None


def test_a_figure_is_the_median_over_repeats_and_not_over_steps():
    # One repeat has 100 steps of 1 microsecond, one has 100 of 2, and one has 10,000 of 9.
    summary = summary_of(
        *(reports.repeat(**samples([value] * count)) for value, count in ((1, 100), (2, 100), (9, 10_000)))
    )
    assert summary.phases["end_to_end"].p50 == 2 and summary.phases["end_to_end"].p90 == 2
    assert summary.repeats == 3 and summary.steps == 10_200


def test_load_and_first_step_are_medians_in_seconds():
    summary = summary_of(*(reports.repeat(load=load, first=load / 2) for load in (0.3, 0.1, 0.2)))
    assert (summary.load, summary.first) == (0.2, 0.1)


def test_a_spread_of_more_than_five_percent_is_unstable():
    summary = summary_of(*(reports.repeat(**samples([value] * 1024)) for value in (100, 102, 104)))
    assert summary.spread == pytest.approx(4 / 102) and not summary.unstable and summary.warnings == ()
    summary = summary_of(*(reports.repeat(**samples([value] * 70)) for value in (100, 102, 106)))
    assert summary.unstable and "unstable: p50 varies by 5.9% over the repeats" in summary.warnings
    assert summary_of(reports.repeat()).spread is None


def test_steps_per_second():
    assert summary_of(reports.repeat(steps=1500, seconds=60.0)).steps_per_second == 25.0


def test_missed_frames_are_summed_over_repeats():
    summary = summary_of(*(reports.repeat(offered=900, missed=missed) for missed in (9, 0, 18)), mode="paced", fps=30.0)
    assert summary.paced is not None and (summary.paced.offered, summary.paced.missed) == (2700, 27)
    assert summary.paced.share == 0.01
    assert summary_of(reports.repeat()).paced is None
    assert deadline(reports.settings("paced", fps=25.0)) == 40_000 and deadline(reports.settings()) is None


def test_steps_without_a_stored_sample_count_as_steps():
    summary = summary_of(msgspec.structs.replace(reports.repeat(**samples([1000] * 100), seconds=2.0), steps=400))
    assert summary.steps == 400 and summary.steps_per_second == 200


def test_there_is_no_slowdown_if_a_minute_has_too_few_steps():
    whole = reports.minutes(30)
    few = msgspec.structs.replace(whole[0], steps=40, p90=None)
    assert summary_of(reports.repeat(minutes=(few, *whole[1:])), mode="sustained").sustained is None


def test_slowdown_is_the_p90_of_the_last_minute_over_that_of_the_first():
    hot = reports.reading(70.0, throttled=("throttled",))
    summary = summary_of(*(reports.repeat(minutes=reports.minutes(30), after=hot) for _ in range(3)), mode="sustained")
    assert summary.sustained is not None and summary.sustained.minutes == 30
    assert summary.sustained.first == pytest.approx(5000) and summary.sustained.slowdown == pytest.approx(1.6)
    assert summary.sustained.throttled == ("throttled",)
    assert summary.validity.thermal_ok is True  # a sustained run may become hot


def test_energy_of_a_frame():
    energy = Energy(source="RAPL package", idle=2.0, joules=300.0, seconds=60.0, reason=None)
    joules = summary_of(*(reports.repeat(steps=1500, seconds=60.0, energy=energy) for _ in range(3))).energy
    assert joules.source == "RAPL package" and joules.reason is None
    assert joules.raw == pytest.approx(300 / 1500) and joules.net == pytest.approx((300 - 120) / 1500)
    no_idle = msgspec.structs.replace(energy, idle=None)
    assert summary_of(reports.repeat(energy=no_idle)).energy.net is None
    assert summary_of(reports.repeat()).energy == msgspec.structs.replace(
        joules, source=None, raw=None, net=None, reason="this device has no power sensor"
    )


def test_figures_of_a_vendors_program_are_kept_apart_from_percentiles():
    summary = summary_of(*(reports.repeat(**samples(()), reported={"mean": value}) for value in (5.0, 7.0, 6.0)))
    assert summary.reported == {"mean": 6.0} and summary.phases["infer"].p50 is None
    assert summary.steps_per_second is None
    assert "vendor" in summary.validity.reasons["min_steps_met"] and not summary.validity.valid


def test_an_artifact_without_repeats_has_no_figures():
    summary = summary_of()
    assert summary.load is None and summary.runtime == "-" and not summary.validity.valid and summary.energy.raw is None


def test_summaries_are_computed_once_per_report():
    report = reports.report()
    first = summarize(report)
    assert summarize(report) is first and summarize(reports.report()) == first
    other = reports.report(reports.subject(8000.0))
    assert summarize(other) != first


def test_a_summary_as_json_has_the_field_names_of_stored_reports():
    (summary,) = summarize(reports.report())
    fields = msgspec.to_builtins(summary)
    assert fields["told"] == {} and "reported" not in fields
    assert fields["validity"]["valid"] is True and fields["phases"]["infer"]["p90"] > fields["phases"]["infer"]["p50"]
