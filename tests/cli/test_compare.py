"""``edgeshift compare`` as scripts use it: output, JSON, refusals, exit status."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import reports
from accuracy_reports import accuracy_report

RIGHT = [True] * 150 + [False] * 50


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write reports into the current folder."""
    monkeypatch.chdir(tmp_path)
    written = {
        "before": reports.report(reports.subject(between=0)),
        "same": reports.report(reports.subject(seed=1, between=0)),
        "slow": reports.report(reports.subject(6000, seed=2, between=0)),
        "float": reports.report(reports.subject(12_000, precision="fp32", seed=3, between=0)),
        "short": reports.report(reports.subject(repeats=2, steps=100)),
        "right": accuracy_report({"a.tflite": RIGHT}),
        "wrong": accuracy_report({"a.tflite": [False] * 30 + RIGHT[30:]}),
        "other": accuracy_report({"a.tflite": RIGHT[:50]}, data="others"),
    }
    a = reports.subject(file="a.tflite", between=0)
    written["three"] = reports.report(
        a,
        reports.subject(6000, seed=1, file="b.tflite", between=0),
        reports.subject(12_000, precision="fp32", seed=3, file="c.tflite", between=0),
    )
    written["one_invalid"] = reports.report(a, reports.subject(repeats=2, steps=100, file="d.tflite"))
    written["only_a"] = reports.report(reports.subject(seed=5, file="a.tflite", between=0))
    for name, report in written.items():
        Path(f"{name}.json").write_bytes(msgspec.json.encode(report))
    Path("damaged.json").write_bytes(b'{"version": 1, "kind": "latency"')


def test_no_difference(run):
    status, out, err = run("compare", "before.json", "same.json")
    assert status == 0 and err == "" and "no difference" in out and "B over A, tolerance 5.0%" in out
    assert out.splitlines()[-1] == "next: edgeshift report before.json same.json --out report.html"


def test_slower_is_status_1(run):
    status, out, err = run("compare", "before.json", "slow.json")
    assert status == 1 and "slower" in out
    assert err.startswith("edgeshift: slower than before: tsm_int8.tflite (+") and err.count("\n") == 1
    assert run("compare", "slow.json", "before.json")[0] == 0
    assert run("compare", "before.json", "slow.json", "--tolerance", "30%")[0] == 0
    assert run("compare", "before.json", "slow.json", "--tolerance", "0.3")[0] == 0


def test_one_report_compares_its_artifacts_with_the_first(run):
    status, out, err = run("compare", "three.json")
    assert status == 2 and "differ in precision (int8 against fp32)" in err
    status, out, err = run("compare", "three.json", "--across", "precision")
    assert status == 1 and err.startswith("edgeshift: slower than a.tflite: b.tflite (+")
    assert (
        "a.tflite -> b.tflite" in out and out.splitlines()[-1] == "next: edgeshift report three.json --out report.html"
    )
    status, out, _ = run("compare", "three.json", "--across", "precision", "--json")
    pairs = json.loads(out)["pairs"]
    assert [(pair["before_file"], pair["file"], pair["verdict"]) for pair in pairs] == [
        ("a.tflite", "b.tflite", "slower"),
        ("a.tflite", "c.tflite", "slower"),
    ]
    assert "give a second report" in run("compare", "before.json")[2]
    assert "give a second report" in run("compare", "right.json")[2]


def test_artifacts_that_are_not_compared_need_not_be_valid(run):
    assert run("compare", "one_invalid.json")[0] == 3
    status, out, err = run("compare", "one_invalid.json", "only_a.json")
    assert status == 0 and err == "" and "no difference" in out and "d.tflite" in out


def test_json_is_one_document(run):
    status, out, _ = run("compare", "before.json", "slow.json", "--json")
    document = json.loads(out)
    (pair,) = document["pairs"]
    assert status == 1 and document["kind"] == "latency" and document["regressed"] is True and document["invalid"] == []
    assert pair["verdict"] == "slower" and 1.15 < pair["end_to_end"]["low"] < pair["end_to_end"]["value"] < 1.25
    status, out, _ = run("compare", "right.json", "wrong.json", "--json")
    document = json.loads(out)
    assert status == 1 and document["kind"] == "accuracy" and document["pairs"][0]["lost"] == 30


def test_runs_under_different_conditions_are_status_2(run):
    status, out, err = run("compare", "before.json", "float.json")
    assert status == 2 and out == ""
    assert err == "edgeshift: the runs differ in precision (int8 against fp32): permit it with --across precision\n"
    status, out, err = run("compare", "float.json", "before.json", "--across", "precision")
    assert status == 0 and "faster" in out and "precision (fp32 against int8)" in out
    assert "only before.json is a report of latency" in run("compare", "right.json", "before.json")[2]


def test_measurements_that_are_not_valid_are_status_3(run):
    status, out, err = run("compare", "before.json", "short.json")
    assert status == 3 and out == ""
    lines = err.splitlines()
    assert lines[0].startswith("edgeshift: short.json: tsm_int8.tflite: a repeat has 100 steps") and len(lines) == 3
    status, out, _ = run("compare", "before.json", "short.json", "--allow-invalid")
    assert status in (0, 1) and "not valid" in out and "fewer than 3 repeats" in out
    status, out, _ = run("compare", "before.json", "short.json", "--allow-invalid", "--json")
    assert len(json.loads(out)["invalid"]) == 2


def test_accuracy(run):
    status, out, err = run("compare", "right.json", "right.json")
    assert status == 0 and err == "" and "no difference" in out and "75.0%" in out
    status, out, err = run("compare", "right.json", "wrong.json")
    assert status == 1 and "worse" in out and "-15.0 points" in out
    assert err == "edgeshift: worse than before: a.tflite (-15.0 points)\n"
    assert run("compare", "right.json", "wrong.json", "--tolerance", "20%")[0] == 0
    assert run("compare", "right.json", "other.json", "--across", "data")[0] == 0


BAD = {
    "one file": ("before.json",),
    "gone": ("before.json", "gone.json"),
    "damaged": ("before.json", "damaged.json"),
    "two kinds": ("before.json", "right.json"),
    "other clips": ("right.json", "other.json"),
    "tolerance": ("before.json", "same.json", "--tolerance", "x"),
    "negative tolerance": ("before.json", "same.json", "--tolerance", "-5%"),
    "tolerance above 100%": ("before.json", "same.json", "--tolerance", "5"),
    "no number": ("before.json", "same.json", "--tolerance", "nan"),
    "across": ("before.json", "same.json", "--across", "weather"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_status_2(run, name):
    status, out, err = run("compare", *BAD[name])
    assert status == 2 and out == "" and "Traceback" not in err and "bug" not in err
    assert err.count("\n") == 1


def test_both_reports_are_named_with_their_state(run):
    out = " ".join(run("compare", "before.json", "same.json").out.split())
    assert "A: before.json B: same.json" in out and "governor performance performance" in out
    document = json.loads(run("compare", "before.json", "slow.json", "--json").out)
    assert [state["report"] for state in document["reports"]] == ["before.json", "slow.json"]
    assert document["reports"][0]["throttled"] == [] and document["reports"][0]["date"] is None


def test_one_file_that_was_measured_twice_gets_no_verdict(run):
    Path("fast.json").write_bytes(msgspec.json.encode(reports.report(reports.subject(3000, between=0))))
    for pair in (("before.json", "fast.json"), ("fast.json", "before.json"), ("before.json", "before.json")):
        status, out, err = run("compare", *pair)
        assert (status, err) == (0, "") and "same file" in out and "faster" not in out and "slower" not in out
    assert (
        "the same file was measured twice (equal SHA-256) under the same conditions"
        in run("compare", "before.json", "fast.json").out
    )


def test_a_disturbed_measurement_is_refused(run):
    Path("busy.json").write_bytes(msgspec.json.encode(reports.report(reports.subject(competing=0.4, seed=9))))
    status, out, err = run("compare", "before.json", "busy.json")
    assert (status, out) == (3, "") and "other processes used 40% of the CPU time in a repeat" in err
    assert run("compare", "before.json", "busy.json", "--allow-invalid").status == 0
