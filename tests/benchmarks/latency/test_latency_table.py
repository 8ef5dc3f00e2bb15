"""Rows and Markdown: every figure is there, what is missing is a dash, and text stays text."""

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
from edgeshift.benchmarks.reports.latency_markdown import latency_markdown
from edgeshift.benchmarks.reports.markdown import escape


def test_a_row_has_a_cell_for_each_column():
    (row,) = artifact_rows(summarize(reports.report()))
    assert len(row) == len(COLUMNS) and "-" not in row and row[0] == "tsm_int8.tflite" and row[-1] == "valid"


def test_too_few_samples_are_dashes():
    few = reports.subject(steps=19)
    (row,) = artifact_rows(summarize(reports.report(few)))
    assert row[2:7] == ("-",) * 5 and row[-1] == "not valid"
    (summary,) = summarize(reports.report(few))
    rows = phase_rows(summary)
    assert [row[0] for row in rows] == ["load", "first", "pre", "infer", "post", "end to end"]
    assert rows[0][1:] == ("20.0", "-", "-") and rows[-1][1:] == ("-", "-", "-")
    assert all(len(row) == len(PHASE_COLUMNS) for row in rows)


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(0, "0"), (0.04, "4e-05"), (12.34, "0.0123"), (502, "0.502"), (4400, "4.40"), (56_780, "56.8"), (2e6, "2,000")],
)
def test_milliseconds(microseconds, text):
    assert milliseconds(microseconds) == text


def test_facts_are_those_that_are_known():
    facts = dict(device_facts(reports.report()))
    assert facts["cores"] == "4, at most 1800 MHz" and facts["memory"] == "4.29 GB" and "power mode" not in facts
    asked = dict(settings_facts(reports.settings("paced", fps=25.0, cores=(4, 5), options={"provider": "cuda"}), "1.2"))
    assert asked["mode"] == "paced, 25 frames a second" and asked["threads"] == "1, pinned to 4, 5"
    assert asked["options"] == "provider=cuda" and asked["edgeshift"] == "1.2"


def test_remarks_say_what_a_row_cannot():
    energy = Energy(source="Jetson rail VDD_IN", idle=2.0, joules=300.0, seconds=60.0, reason=None)
    (summary,) = summarize(
        reports.report(
            reports.subject(energy=energy, seconds=60.0, offered=1000, missed=25, lost="the device went away"),
            mode="paced",
            fps=30.0,
        )
    )
    lines = remarks(summary)
    assert "75 of 3,000 frames missed (2.50%)" in lines and "repeats are missing: the device went away" in lines
    assert "200 mJ a frame, 120 mJ net of idle (Jetson rail VDD_IN)" in lines
    nothing = dict.fromkeys(("pre", "infer", "post", "end_to_end"), ())
    (summary,) = summarize(reports.report(reports.subject(told={"mean": 5100.0}, runtime="their tool", **nothing)))
    assert "told by their tool, not measured by edgeshift: mean 5.10 ms" in remarks(summary)


def test_remarks_of_a_sustained_run():
    (summary,) = summarize(reports.report(reports.subject(minutes=reports.minutes(30)), mode="sustained", minutes=30))
    assert "p90 5.00 ms in the first minute, 8.00 ms in minute 30 (1.60x); no throttling" in remarks(summary)


def test_markdown_holds_everything():
    text = latency_markdown(reports.report(reports.subject(), reports.subject(8000, file="b.tflite", repeats=2)))
    assert text.startswith("## Latency on Some Board 4 Model B\n") and text.endswith("\n")
    assert "| tsm\\_int8.tflite | 2.79 MB |" in text and "### b.tflite" in text and "not valid" in text
    widths = {line.count(" | ") for line in text.splitlines() if line.startswith("|")}
    assert widths == {len(COLUMNS) - 1, len(PHASE_COLUMNS) - 1}


@pytest.mark.parametrize(
    "text",
    [
        "<script>x</script>",
        "a|b",
        "[x](http://y)",
        "![x](y)",
        "`x`",
        "*x*",
        "http://evil.example",
        "www.evil.example",
        "# x",
        "- x",
    ],
)
def test_text_of_a_report_is_no_markup(text):
    import re

    left = re.sub(r"\\[\\`*_\[\]<>|~&$@#+:-]", "", escape(text))
    assert not re.search(r"[\\`*_\[\]<>|~&$@]|^[#+-]|://|www\.", left)
    assert "\n" not in escape(f"{text}\n# x")
