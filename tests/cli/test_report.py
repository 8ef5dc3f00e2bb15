"""``edgeshift report`` as scripts use it: tables, a page, Markdown, errors, exit status."""

from __future__ import annotations

import json
import sys
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
