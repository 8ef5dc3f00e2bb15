"""The rows of a latency report: every figure is shown, and a missing figure is a dash."""

from __future__ import annotations

import pytest
import reports

from edgeshift.benchmarks.latency.result import Energy
from edgeshift.benchmarks.latency.summary import summarize
from edgeshift.benchmarks.latency.table import (
    COLUMNS,
    PHASE_COLUMNS,
    artifact_rows,
    device_facts,
    milliseconds,
    phase_rows,
    remarks,
    settings_facts,
)


def test_a_row_has_a_cell_for_each_column():
    (row,) = artifact_rows(summarize(reports.report()))
    assert len(row) == len(COLUMNS) and "-" not in row and row[0] == "tsm_int8.tflite" and row[-1] == "valid"


def test_percentiles_of_too_few_samples_are_dashes():
    (summary,) = summarize(reports.report(reports.subject(steps=19)))
    (row,) = artifact_rows([summary])
    assert row[1] == "cpu" and row[3:8] == ("-",) * 5 and row[-1] == "not valid"
    rows = phase_rows(summary)
    assert [row[0] for row in rows] == ["load", "first", "pre", "infer", "post", "end to end"]
    assert rows[0][1:] == ("20.0", "-", "-") and rows[-1][1:] == ("-", "-", "-")
    assert all(len(row) == len(PHASE_COLUMNS) for row in rows)


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        *((0, "0"), (0.04, "4e-05"), (12.34, "0.0123"), (502, "0.502"), (4400, "4.40"), (56_780, "56.8")),
        *((2e6, "2,000"), (None, "-")),
    ],
)
def test_milliseconds_have_three_significant_digits(microseconds, text):
    assert milliseconds(microseconds) == text


def test_facts_about_device_and_settings():
    facts = dict(device_facts(reports.report()))
    assert facts["cores"] == "4, at most 1800 MHz" and facts["memory"] == "4.29 GB" and "power mode" not in facts
    paced = dict(settings_facts(reports.settings("paced", fps=25.0, cores=(4, 5), options={"provider": "cuda"}), "1.2"))
    assert paced["mode"] == "paced, 25 frames per second" and paced["threads"] == "1, pinned to cores 4, 5"
    assert paced["options"] == "provider=cuda" and paced["edgeshift"] == "1.2"
    assert dict(settings_facts(reports.settings(), "1.2"))["mode"] == "normal, at least 1024 steps and 60 s"


def test_remarks_give_missed_frames_missing_repeats_and_energy():
    energy = Energy(source="Jetson rail VDD_IN", idle=2.0, joules=300.0, seconds=60.0, reason=None)
    artifact = reports.subject(energy=energy, seconds=60.0, offered=1000, missed=25, lost="the device went away")
    (summary,) = summarize(reports.report(artifact, mode="paced", fps=30.0))
    lines = remarks(summary)
    assert "75 of 3,000 frames missed (2.50%)" in lines and "repeats are missing: the device went away" in lines
    assert "200 mJ per frame, 120 mJ without idle power (Jetson rail VDD_IN)" in lines


def test_remarks_give_figures_that_a_vendors_program_reports():
    nothing = dict.fromkeys(("pre", "infer", "post", "end_to_end"), ())
    artifact = reports.subject(reported={"mean": 5100.0}, runtime="a vendor's tool", **nothing)
    (summary,) = summarize(reports.report(artifact))
    assert "reported by a vendor's tool, not measured by edgeshift: mean 5.10 ms" in remarks(summary)


def test_remarks_of_a_sustained_run():
    (summary,) = summarize(reports.report(reports.subject(minutes=reports.minutes(30)), mode="sustained", minutes=30))
    assert "p90 5.00 ms in the first minute, 8.00 ms in minute 30 (1.60x); no throttling" in remarks(summary)


@pytest.mark.parametrize("share", [0.04, 0.4])
def test_the_load_of_other_processes_is_said_once(share):
    (summary,) = summarize(reports.report(reports.subject(competing=share)))
    (line,) = [line for line in remarks(summary) if "other processes used" in line]
    assert f"{share:.0%}" in line and ("is the limit" in line) == (share > 0.1)
