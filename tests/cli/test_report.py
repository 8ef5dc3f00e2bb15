"""``edgeshift report`` as scripts use it: tables, a page, Markdown, errors, exit status."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timezone
from pathlib import Path

import msgspec
import pytest
import reports
from accuracy_reports import accuracy_report

from edgeshift.errors import install_command


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write reports into the current folder."""
    monkeypatch.chdir(tmp_path)
    written = {
        "speed": reports.report(reports.subject(steps=1100), reports.subject(8000, file="b.onnx", repeats=1)),
        "right": accuracy_report({"a.tflite": [True] * 12, "b.tflite": [False] * 12}),
    }
    for name, report in written.items():
        Path(f"{name}.json").write_bytes(msgspec.json.encode(report))
    Path("damaged.json").write_bytes(b"{")


def test_tables_for_people(run):
    status, out, err = run("report", "speed.json", "right.json")
    assert status == 0 and err == ""
    for words in ("Some Board 4", "tsm_int8.tflite", "not valid", "needs 3 repeats", "100.0% (75.8% to 100.0%"):
        assert words in out
    assert out.splitlines()[-1] == "next: edgeshift report speed.json right.json --out page.html"


def test_json_is_one_document(run):
    status, out, _ = run("report", "speed.json", "right.json", "--json")
    speed, right = json.loads(out)
    assert status == 0 and speed["kind"] == "latency" and right["kind"] == "accuracy"
    assert [subject["validity"]["valid"] for subject in speed["subjects"]] == [True, False]
    assert speed["subjects"][0]["phases"]["infer"]["p50"] > 4000 and "samples" not in out
    assert right["subjects"][1]["accuracy"]["consensus"]["count"] == 0


def test_a_page_is_one_html_file(run):
    pytest.importorskip("matplotlib", reason="the extra `report` is not installed")
    status, out, err = run("report", "speed.json", "right.json", "--out", "pages/p.html")
    assert status == 0 and err == "" and "written: pages/p.html" in out and "next: edgeshift compare speed.json" in out
    assert Path("pages/p.html").read_text(encoding="utf-8").startswith("<!doctype html>\n<html")
    assert [path.name for path in Path("pages").iterdir()] == ["p.html"]


def test_markdown(run):
    status, _, _ = run("report", "speed.json", "right.json", "--out", "r.md")
    text = Path("r.md").read_text(encoding="utf-8")
    assert status == 0 and "## speed.json: latency on Some Board 4 Model B, normal mode" in text
    assert "## right.json: accuracy on clips" in text and "### Compared with a.tflite" in text


def test_only_a_page_needs_matplotlib(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, out, err = run("report", "speed.json", "--out", "p.html")
    assert status == 2 and out == "" and install_command("report") in err and err.count("\n") == 1
    assert not Path("p.html").exists()
    assert run("report", "speed.json")[0] == 0


def test_reports_of_one_device_are_compared_in_tables_and_json(run):
    before, after = (reports.report(reports.subject(5000 + 2000 * seed, steps=1100, seed=seed)) for seed in (0, 1))
    dates = [datetime(2026, 11, day, 8, 0, tzinfo=timezone.utc) for day in (1, 2)]
    for name, report, date in zip(("old.json", "new.json"), (before, after), dates, strict=True):
        Path(name).write_bytes(msgspec.json.encode(msgspec.structs.replace(report, date=date)))
    status, out, err = run("report", "old.json", "new.json", "old.json")
    assert (status, err) == (0, "")
    for words in ("Side by side: Some Board 4", "2026-11-01 08:00 UTC  2026-11-02 08:00 UTC", "CPU used by others"):
        assert " ".join(words.split()) in " ".join(out.split())
    lines = [line.split() for line in out.splitlines() if line.split()[-1:] in (["slower"], ["file"])]
    assert lines[0][:4] == ["old.json", "(1)", "new.json", "(2)"] and lines[0][-1] == "slower"
    assert lines[1][:4] == ["old.json", "(1)", "old.json", "(3)"] and lines[1][-2:] == ["same", "file"]
    assert "both reports contain the same measurement" in out
    first, second = json.loads(run("report", "old.json", "new.json", "--json").out)
    assert first["state"]["report"] == "old.json" and first["comparisons"] == []
    assert second["state"]["date"] == "2026-11-02T08:00:00Z" and second["state"]["competing"] == 0.01
    (comparison,) = second["comparisons"]
    assert comparison["before"] == "old.json" and comparison["pairs"][0]["verdict"] == "slower"
    assert run("report", "old.json", "new.json", "--out", "r.md").status == 0
    text = Path("r.md").read_text()
    assert "## Before and after: Some Board 4 Model B (local)" in text and "| slower |" in text


def test_a_note_on_several_files_is_printed_once(run):
    names = [f"{letter}.tflite" for letter in "abcd"]
    for seed, report in enumerate(("one", "two", "three")):
        subjects = [reports.subject(file=name, steps=1100, repeats=2, seed=seed) for name in names[: 4 - seed % 2]]
        Path(f"{report}.json").write_bytes(msgspec.json.encode(reports.report(*subjects)))
    few = "fewer than 3 repeats: the interval does not show how much processes differ"
    lines = [" ".join(line.split()) for line in run("report", "one.json", "two.json", "three.json").out.splitlines()]
    assert [line for line in lines if few in line] == [
        f"one.json and two.json: a.tflite, b.tflite and c.tflite: {few}",
        f"one.json and three.json: all files: {few}",
    ]
    out = run("compare", "one.json", "three.json", "--allow-invalid").out
    assert out.count(few) == 1 and f"all files: {few}" in " ".join(out.split())
    assert run("report", "two.json", "two.json", "--out", "r.md").status == 0
    assert Path("r.md").read_text().count(few) == 1


def test_pipes_and_devices_are_refused(run):
    os.mkfifo("pipe.json")
    for name in ("pipe.json", "/dev/zero"):
        status, out, err = run("report", name)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err == f"edgeshift: {name}: cannot be read: it is a pipe or a device, not a regular file\n"
        assert run("compare", "speed.json", name).status == 2


def test_names_of_reports_cannot_control_a_terminal(run):
    name = os.fsdecode(b"r\xff\x1b[2J\xe2\x80\xae.json")
    Path(name).write_bytes(Path("speed.json").read_bytes())
    for line in (("report", name), ("report", name, "speed.json"), ("report", name + "x"), ("compare", name, name)):
        _, out, err = run(*line)
        assert not {"\x1b", "\u202e", "\udcff"} & {*out, *err} and "r??[2J?.json" in out + err


BAD = {
    "no file": (),
    "gone": ("gone.json",),
    "damaged": ("speed.json", "damaged.json"),
    "unknown format": ("speed.json", "--out", "p.pdf"),
    "over a report": ("speed.json", "--out", "speed.json"),
    "a folder": ("speed.json", "--out", "."),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_status_2(run, name):
    before = sorted(Path().rglob("*"))
    status, out, err = run("report", *BAD[name])
    assert status == 2 and out == "" and "Traceback" not in err and "bug" not in err
    assert err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before
