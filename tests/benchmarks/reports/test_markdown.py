"""Reports as Markdown: all sections are present, and the text of a report is never taken for markup."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
import reports
from accuracy_reports import accuracy_report

from edgeshift.benchmarks.accuracy.report import Report
from edgeshift.benchmarks.accuracy.table import units
from edgeshift.benchmarks.latency.table import COLUMNS, PHASE_COLUMNS
from edgeshift.benchmarks.reports import make_markdown
from edgeshift.benchmarks.reports.documents import read_document
from edgeshift.benchmarks.reports.markdown import escape
from edgeshift.errors import EdgeshiftError


def test_a_latency_report_has_all_tables():
    document = reports.report(reports.subject(), reports.subject(8000, file="b.tflite", repeats=2))
    text = make_markdown([document], [Path("pi.json")])
    assert text.startswith("## pi.json: latency on Some Board 4 Model B, normal mode\n") and text.endswith("\n")
    assert "| tsm\\_int8.tflite | cpu | 2.79 MB |" in text and "### b.tflite" in text and "not valid" in text
    widths = {line.count(" | ") for line in text.splitlines() if line.startswith("|")}
    assert widths == {len(COLUMNS) - 1, len(PHASE_COLUMNS) - 1}


def test_an_accuracy_report_and_a_latency_report_get_a_section_each():
    answers = accuracy_report({"a.tflite": [True] * 9, "b.tflite": [False] * 9}, data="a|b")
    text = make_markdown([answers, reports.report()])
    assert "## report 1: accuracy on a\\|b\n" in text and "### Compared with a.tflite\n" in text
    assert "\n\n## report 2: latency on Some Board 4 Model B, normal mode\n" in text


def test_the_answers_of_clip_artifacts_are_counted():
    answers = accuracy_report({"clip.tflite": [True] * 9, "stream.tflite": [True] * 9})
    clip, stream = answers.subjects
    clip = msgspec.structs.replace(clip, hop=2)
    text = make_markdown([msgspec.structs.replace(answers, subjects=(clip, stream))])
    assert "leads after 3 answers" in text and "leads after 3 frames" in text
    assert units([clip]) == "answers" and units([stream]) == "frames" and units([clip, stream]) == "frames or answers"


def test_a_report_of_accuracy_without_a_hop_is_read(tmp_path: Path):
    document = msgspec.to_builtins(accuracy_report({"a.tflite": [True] * 9}))
    assert document["subjects"][0].pop("hop") is None
    (tmp_path / "old.json").write_bytes(msgspec.json.encode(document))
    old = read_document(tmp_path / "old.json")
    assert isinstance(old, Report) and old.subjects[0].unit == "frame"
    document["subjects"][0]["hop"] = 0
    (tmp_path / "bad.json").write_bytes(msgspec.json.encode(document))
    with pytest.raises(EdgeshiftError):
        read_document(tmp_path / "bad.json")


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
def test_text_of_a_report_is_not_taken_for_markup(text):
    unescaped = re.sub(r"\\[\\`*_\[\]<>|~&$@#+:-]", "", escape(text))
    assert not re.search(r"[\\`*_\[\]<>|~&$@]|^[#+-]|://|www\.", unescaped)
    assert "\n" not in escape(f"{text}\n# x")
