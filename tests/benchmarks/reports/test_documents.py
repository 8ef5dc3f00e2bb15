"""Reading report files: a report is read back as it was written, and any other file is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import reports
from accuracy_reports import accuracy_report

from edgeshift.benchmarks.reports import documents
from edgeshift.benchmarks.reports.documents import read_document, report_names
from edgeshift.errors import EdgeshiftError

ACCURACY = accuracy_report({"a.tflite": [True] * 9})


def write(path: Path, document: Any) -> Path:
    path.write_bytes(document if isinstance(document, bytes) else msgspec.json.encode(document))
    return path


@pytest.mark.parametrize("document", [reports.report(), ACCURACY, reports.report(reports.subject(repeats=0))])
def test_a_written_report_is_read_back(tmp_path, document):
    assert read_document(write(tmp_path / "r.json", document)) == document


def test_reports_from_before_it_was_stored_what_ran_the_graph_are_read(tmp_path):
    older = latency()
    for repeat in older["subjects"][0]["repeats"]:
        assert repeat.pop("ran_on") is None
    (artifact,) = read_document(write(tmp_path / "r.json", older)).subjects
    assert {repeat.placement.text for repeat in artifact.repeats} == {"cpu"}
    older = accuracy(runtime="QNN 2.51.0 (Hexagon v75, simulator)")
    assert older["subjects"][0].pop("ran_on") is None
    (artifact,) = read_document(write(tmp_path / "r.json", older)).subjects
    assert artifact.placement.accelerator == "npu simulator"


def test_a_sustained_run_is_read(tmp_path):
    document = reports.report(reports.subject(minutes=reports.minutes(3), repeats=1), mode="sustained", minutes=3)
    assert read_document(write(tmp_path / "r.json", document)) == document


def latency(**changes: Any) -> dict[str, Any]:
    return {**msgspec.to_builtins(reports.report(reports.subject(steps=3))), **changes}


def latency_with_repeat(**changes: Any) -> dict[str, Any]:
    document = latency()
    document["subjects"][0]["repeats"][0].update(changes)
    return document


def accuracy(**changes: Any) -> dict[str, Any]:
    document = msgspec.to_builtins(ACCURACY)
    document["subjects"][0].update(changes)
    return document


NO_REPORT = "not a report of `edgeshift bench` or `edgeshift eval`"
BAD: dict[str, tuple[Any, str]] = {
    "empty": (b"", NO_REPORT),
    "not json": (b"\x89PNG\r\n", NO_REPORT),
    "cut short": (json.dumps(latency()).encode()[:500], NO_REPORT),
    "a list": ([], NO_REPORT),
    "another document": ({"version": 1, "rows": []}, NO_REPORT),
    "another kind": (latency(kind="energy"), NO_REPORT),
    "no version": ({"kind": "latency"}, NO_REPORT),
    "newer": (latency(version=99), "version 99.*update edgeshift"),
    "older": ({**msgspec.to_builtins(ACCURACY), "version": 1}, "version 1.*make it again with `edgeshift eval`"),
    "a field too many": (latency(extra=1), "damaged.*extra"),
    "a field missing": ({key: value for key, value in latency().items() if key != "facts"}, "damaged.*facts"),
    "wrong type": (latency(device=5), r"damaged.*\$\.device"),
    "no artifacts": (latency(subjects=[]), "no artifacts"),
    "phases of other lengths": (latency_with_repeat(infer=[1.0]), "have different numbers of steps"),
    "negative times": (latency_with_repeat(infer=[1.0, -1.0, 1.0]), "negative"),
    "an unknown accelerator": (latency_with_repeat(ran_on={"accelerator": "tpu"}), "damaged.*accelerator"),
    "negative load": (latency_with_repeat(load=-1.0), "negative"),
    "infinite": (
        json.dumps(latency_with_repeat(load=1.0)).replace('"load": 1.0', '"load": 1e999').encode(),
        "damaged|not a report",
    ),
    "huge": (latency_with_repeat(seconds=1e300), "out of bounds"),
    "a huge integer": (latency_with_repeat(warmup=10**18), "out of bounds"),
    "more missed than offered": (latency_with_repeat(offered=3, missed=4), "more missed frames"),
    "a long text": (latency(device="x" * 5000), "5,000 characters"),
    "deep": (b'{"version":1,"kind":"latency","device":' + b"[" * 100 + b"]" * 100 + b"}", "nested too deeply"),
    "deeper": (b'{"version":1,"kind":"latency","device":' + b"[" * 100_000, "not a report|damaged"),
    "matrix": (accuracy(matrix=[[1]]), "does not fit the labels"),
    "share": (
        accuracy(accuracy={"consensus": {"count": 1, "total": 1, "value": 7.0, "low": 0, "high": 1}}),
        "share",
    ),
    "a clip twice": (accuracy(clips=[msgspec.to_builtins(ACCURACY.subjects[0].clips[0])] * 2), "listed twice"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_one_line(tmp_path, name):
    document, words = BAD[name]
    path = write(tmp_path / "r.json", document)
    with pytest.raises(EdgeshiftError, match=words) as caught:
        read_document(path)
    assert caught.value.status == 2 and str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_files_that_cannot_be_read_are_one_line(tmp_path, monkeypatch):
    with pytest.raises(EdgeshiftError, match="there is no such file"):
        read_document(tmp_path / "gone.json")
    with pytest.raises(EdgeshiftError, match="cannot be read: it is a folder"):
        read_document(tmp_path)
    monkeypatch.setattr(documents, "MAX_BYTES", 100)
    with pytest.raises(EdgeshiftError, match="larger than 100 bytes"):
        read_document(write(tmp_path / "r.json", reports.report()))


def test_text_of_a_report_cannot_control_a_terminal(tmp_path):
    hostile = reports.report(reports.subject(file="a\x1b[2J\u202eb\x9bc\nd", steps=3), device="x\x07y")
    document = read_document(write(tmp_path / "r.json", hostile))
    assert document.subjects[0].file == "a?[2J?b?c?d" and document.device == "x?y"


def test_the_text_of_an_error_cannot_control_a_terminal(tmp_path):
    with pytest.raises(EdgeshiftError) as caught:
        read_document(write(tmp_path / "r.json", latency(**{"a\x1b[2Jb": 1})))
    assert "\x1b" not in str(caught.value)


def test_labels_keep_joiners_and_no_break_spaces(tmp_path):
    label = "\u0646\u200c\u0647 \u2764\ufe0f\u200d\U0001f525\u00a0x"
    document = read_document(write(tmp_path / "r.json", reports.report(reports.subject(file=label, steps=3))))
    assert document.subjects[0].file == label


def test_names_are_the_shortest_ends_of_paths_that_differ():
    names = ["/runs/before/pi.json", "/runs/after/pi.json"]
    assert report_names([Path("/x/pi.json"), Path("/y/phone.json")], 2) == ["pi.json", "phone.json"]
    assert report_names([Path(name) for name in names], 2) == ["before/pi.json", "after/pi.json"]
    assert report_names([Path("pi.json"), Path("old/pi.json")], 2) == ["pi.json", "old/pi.json"]
    assert report_names([Path("pi.json")] * 2, 2) == ["pi.json (1)", "pi.json (2)"]
    assert report_names(None, 2) == ["report 1", "report 2"] and report_names([], 0) == []
    assert report_names([Path("a\x1b\u202e\udc80.json")], 1) == ["a???.json"]
