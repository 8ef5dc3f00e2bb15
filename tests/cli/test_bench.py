"""``edgeshift bench`` and ``edgeshift devices``."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import msgspec
import pytest

from edgeshift._system.json_lines import JsonLines, require_resume, resume_without_effect
from edgeshift._system.output_file import reserve
from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.benchmarks.devices.local import LocalDevice
from edgeshift.benchmarks.latency import mode
from edgeshift.benchmarks.reports.documents import read_document
from edgeshift.errors import EdgeshiftError


@pytest.fixture
def short(monkeypatch, tmp_path):
    """Make repeats very short, and keep locks in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(mode.MODES, "rapid", mode.Length(20, 0.2, 2))


@pytest.mark.slow
def test_a_report_is_written_and_a_completed_run_is_not_repeated(made, short, tmp_path, run):
    files = [made("tsm", "int8", target).path for target in ("tflite", "onnx")]
    out = tmp_path / "r.json"
    status, text, err = run("bench", *files, "--mode", "rapid", "--out", out)
    assert (status, err) == (0, "") and "end to end" in text
    assert text.splitlines()[-1] == f"next: edgeshift report {out} --out {tmp_path / 'r.html'}"
    report = read_document(out)
    assert [len(subject.repeats) for subject in report.subjects] == [2, 2]
    assert [subject.target for subject in report.subjects] == ["tflite", "onnx"]
    assert all(subject.memory is not None for subject in report.subjects)
    assert len((tmp_path / "r.repeats.jsonl").read_bytes().splitlines()) == 6
    status, text, _ = run("bench", *files, "--mode", "rapid", "--out", out, "--resume", "--json")
    document = json.loads(text)
    again = msgspec.convert(document["report"], type(report))
    # Date and load average belong to the moment.
    again = msgspec.structs.replace(again, date=report.date, facts=report.facts)
    assert status == 0 and report.date is not None and again == report
    assert [summary["repeats"] for summary in document["summaries"]] == [2, 2]
    # One repeat is too few for a valid measurement.
    one = tmp_path / "r1.json"
    line = ("bench", files[0], "--mode", "rapid", "--repeats", "1", "--no-memory", "--out", one, "--strict")
    assert run(*line).status == 3
    assert run("compare", out, out, "--allow-invalid").status == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--frame-size", "640"], "--frame-size 640: give width and height, such as 640x480, or fitted"),
        (["--fps", "30"], "--fps has no effect with --mode rapid, only with --mode paced"),
        (["--minutes", "3"], "--minutes has no effect with --mode rapid"),
        (["--cores", "a"], "--cores a: give numbers of cores"),
        (["--cores", "4-"], "--cores 4-: give numbers of cores"),
        (["--cores", "99"], "local: cores 99: this device has"),
        (["--option", "provider"], "--option provider: give NAME=VALUE"),
        (["--option", "provider=x"], "local: "),
        (["--device", "browser", "--program", "x"], "--program has no effect with --device browser"),
        (["--device", "browser", "--source", "clip.mp4"], "--no-memory has no effect with --device browser"),
        (["--option", "threads=2"], "--option threads=2: use --threads 2"),
        (["--device", "local:x"], "--device local:x: this machine is named 'local'"),
        (["--resume"], "--resume has no effect without --out: add it"),
        (["--out", "r.txt"], "r.txt: give a file named *.json"),
        (["--device", "ssj://a"], "unknown device 'ssj'; did you mean ssh"),
        (["--device", "ssh://"], "ssh://: give a board as ssh://user@host"),
        (["--source", "gone.mp4"], "--source gone.mp4: "),
        (["--runtime", "mil"], "local: "),
        (["--program", "x"], "--program has no effect with --device local"),
        (["--program", "x", "--device", "ssh://nobody@127.0.0.1:1"], "--program has no effect with --device ssh"),
    ],
)
def test_bad_input_is_one_line(made, short, run, options, words):
    status, out, err = run("bench", made("tsm", "int8").path, "--mode", "rapid", "--no-memory", *options)
    assert (status, out) == (2, "") and err.startswith(f"edgeshift: {words}") and err.count("\n") == 1


@pytest.mark.slow
def test_a_run_that_fails_leaves_no_file_and_names_the_artifact_as_given(made, short, tmp_path, run, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    artifact = read_artifact(made("tsm", "int8").path)
    write_artifact(Path("bad.tflite"), bytes(len(artifact.body)), artifact.spec)
    status, out, err = run("bench", "bad.tflite", "--mode", "rapid", "--out", "r.json")
    assert (status, out, err.count("\n")) == (2, "", 1) and err.startswith("edgeshift: local: bad.tflite: its graph is")
    assert [path.name for path in Path().iterdir()] == ["bad.tflite"]


def test_a_journal_is_a_file_only_when_it_holds_an_entry(tmp_path):
    path = tmp_path / "r.jsonl"
    journal = JsonLines(path, dict)
    assert not path.exists() and not journal.holds_results
    journal.add({"a": 1})
    assert path.read_text() == '{"a":1}\n' and journal.holds_results
    assert JsonLines(path, dict, resume=True).entries == [{"a": 1}] and path.exists()
    assert resume_without_effect(path) is None
    JsonLines(path, dict)  # a new run
    assert not path.exists() and "r.jsonl holds no results" in resume_without_effect(path)


def test_results_of_an_interrupted_run_are_not_overwritten(tmp_path):
    journal, out = tmp_path / "r.repeats.jsonl", tmp_path / "r.json"
    journal.write_text("{}\n")
    with pytest.raises(EdgeshiftError, match="--resume"):
        require_resume(journal, out, resume=False)
    require_resume(journal, out, resume=True)
    out.write_text("{}")  # the run is complete, so a new run may start
    require_resume(journal, out, resume=False)


@pytest.mark.slow
def test_a_repeated_artifact_and_a_simultaneous_measurement_are_refused(made, short, run):
    from edgeshift.benchmarks.devices.find import device_lock, find_device

    path = made("tsm", "int8").path
    status, _, err = run("bench", path, path)
    assert status == 2 and "the same artifact is named twice" in err
    with device_lock(find_device("local")):
        status, _, err = run("bench", path, "--mode", "rapid")
    assert (status, err) == (2, "edgeshift: local: another measurement is running there: wait for it to end\n")


def test_devices_are_listed_with_their_facts(run):
    status, out, _ = run("devices", "--json")
    (local, *_) = json.loads(out)["devices"]
    assert status == 0 and local["name"] == "local" and local["probe"]["facts"]["cores"] >= 1
    status, out, _ = run("devices")
    assert status == 0 and "local" in out
    status, out, _ = run("devices", "ssh://nobody@127.0.0.1:1")
    assert status == 2 and "Connection refused" in out
    status, _, err = run("devices", "lokal")
    assert (status, err) == (2, "edgeshift: unknown device 'lokal'; did you mean local?\n")
    for name in ("pi", "pi@raspberrypi.local"):
        status, _, err = run("devices", name)
        assert status == 2 and err.endswith(f"; for a board with this name, give ssh://{name}\n")
    assert "ssh://-x" not in run("devices", "--", "-x")[2]


def test_a_board_without_a_runtime_is_not_the_next_one_to_measure(run, monkeypatch):
    from edgeshift.cli import devices

    probe = devices._probe
    monkeypatch.setattr(devices, "_probe", lambda device: msgspec.structs.replace(probe(LocalDevice()), runtimes={}))
    monkeypatch.setattr(
        devices, "_attached_phones", lambda names: ([], ["adb:X1: unauthorized", "no phone: plug one in"])
    )
    status, out, _ = run("devices", "ssh://pi")
    lines = out.splitlines()
    assert status == 0 and out.count("none: install one there, such as ai-edge-litert or onnxruntime") == 2
    assert lines[-1] == "next: edgeshift bench FILE --device local"
    assert "adb:X1  unauthorized" in lines and "adb     no phone: plug one in" in lines


@pytest.mark.slow
def test_a_name_that_is_not_utf_8_is_measured(made, short, tmp_path, run):
    file = tmp_path / os.fsdecode(b"own \xff\x1b[31m.tflite")
    shutil.copyfile(made("tsm", "int8").path, file)
    out = tmp_path / os.fsdecode(b"r\xfe.json")
    line = ("bench", file, "--mode", "rapid", "--repeats", "1", "--no-memory", "--out")
    status, text, err = run(*line, out)
    assert (status, err) == (0, "") and "own ??[31m.tflite" in text and "\x1b" not in text
    assert text.splitlines()[-1].startswith("next: edgeshift report $'") and r"r\xfe.json" in text.splitlines()[-1]
    assert read_document(out).subjects[0].file == "own ??[31m.tflite"


def test_two_runs_with_one_report_are_refused(made, short, tmp_path, run):
    out = tmp_path / "r.json"
    with reserve(out):
        status, text, err = run("bench", made("tsm", "int8").path, "--mode", "rapid", "--out", out)
    assert (status, text) == (2, "") and err == (
        f"edgeshift: {out}: another process is writing this file: wait until it ends, or give another file\n"
    )


def test_a_report_that_cannot_be_written_is_found_before_the_work(short, tmp_path, run):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "r.json"
    status, text, err = run("bench", "gone.tflite", "--out", out)
    reason = f"cannot be written: {out.parent} is a file; give another path"
    assert (status, text, err) == (2, "", f"edgeshift: {out}: {reason}\n")
