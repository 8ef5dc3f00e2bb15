"""``edgeshift bench`` and ``edgeshift devices`` as they are typed."""

from __future__ import annotations

import json

import msgspec
import pytest

from edgeshift._system.json_lines import require_resume
from edgeshift.benchmarks.latency import mode
from edgeshift.benchmarks.reports.documents import read_document
from edgeshift.cli import main
from edgeshift.errors import EdgeshiftError


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code or 0


@pytest.fixture
def short(monkeypatch, tmp_path):
    """Repeats of a moment; the warm-up is what takes time. And a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(mode.MODES, "rapid", mode.Length(20, 0.2, 2))


@pytest.mark.slow
def test_bench(made, short, tmp_path, capsys):
    """Two artifacts, a report, every repeat beside it; a second call with --resume measures nothing again."""
    files = [made("tsm", "int8", target).path for target in ("tflite", "onnx")]
    out = tmp_path / "r.json"
    capsys.readouterr()  # what the conversions have said
    assert run("bench", *files, "--mode", "rapid", "--out", out) == 0
    said = capsys.readouterr()
    assert said.err == "" and "end to end" in said.out and "2 cores" not in said.err
    assert said.out.splitlines()[-1] == f"next: edgeshift report {out} --out {tmp_path / 'r.html'}"
    report = read_document(out)
    assert [len(subject.repeats) for subject in report.subjects] == [2, 2]
    assert [subject.target for subject in report.subjects] == ["tflite", "onnx"]
    assert all(subject.memory is not None for subject in report.subjects)
    assert len((tmp_path / "r.repeats.jsonl").read_bytes().splitlines()) == 6
    assert run("bench", *files, "--mode", "rapid", "--out", out, "--resume", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert msgspec.convert(document["report"], type(report)) == report
    assert [summary["repeats"] for summary in document["summaries"]] == [2, 2]
    # One repeat is fewer than are believed.
    one = tmp_path / "r1.json"
    assert run("bench", files[0], "--mode", "rapid", "--repeats", "1", "--no-memory", "--out", one, "--strict") == 3
    capsys.readouterr()
    assert run("compare", out, out, "--allow-invalid") == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--frame-size", "640"], "--frame-size 640: give width and height, as 640x480, or fitted"),
        (["--fps", "30"], "--fps is for --mode paced"),
        (["--minutes", "3"], "--minutes is for --mode sustained"),
        (["--cores", "a"], "--cores a: give numbers of cores"),
        (["--cores", "4-"], "--cores 4-: give numbers of cores"),
        (["--cores", "99"], "local: cores 99: this device has"),
        (["--option", "provider"], "--option provider: give NAME=VALUE"),
        (["--option", "provider=x"], "local: "),
        (["--device", "browser", "--program", "x"], "--device browser has no --program"),
        (["--device", "browser", "--source", "clip.mp4"], "--device browser is timed on drawn frames"),
        (["--option", "threads=2"], "--option threads=2: that is --threads 2"),
        (["--device", "local:x"], "--device local:x: this machine is just 'local'"),
        (["--resume"], "--resume goes on with an earlier run to the same --out: give it"),
        (["--out", "r.txt"], "r.txt: give a file named *.json"),
        (["--device", "ssj://a"], "unknown device 'ssj'; did you mean ssh"),
        (["--device", "ssh://"], "ssh://: a board is named ssh://user@host"),
        (["--source", "gone.mp4"], "--source gone.mp4: "),
        (["--runtime", "mil"], "local: "),
        (["--program", "x"], "--program is for phones behind adb"),
        (["--program", "x", "--device", "ssh://nobody@127.0.0.1:1"], "--program is for phones behind adb"),
    ],
)
def test_bad_input_is_one_line(made, short, capsys, options, words):
    path = made("tsm", "int8").path
    capsys.readouterr()
    assert run("bench", path, "--mode", "rapid", "--no-memory", *options) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith(f"edgeshift: {words}") and said.err.count("\n") == 1


def test_what_a_run_that_was_cut_off_has_is_not_begun_anew(tmp_path):
    """Neither does what has come to its report keep anybody from measuring again."""
    journal, out = tmp_path / "r.repeats.jsonl", tmp_path / "r.json"
    journal.write_text("{}\n")
    with pytest.raises(EdgeshiftError, match="go on with --resume, or remove it"):
        require_resume(journal, out, resume=False)
    require_resume(journal, out, resume=True)
    out.write_text("{}")
    require_resume(journal, out, resume=False)


@pytest.mark.slow
def test_one_at_a_time(made, short, tmp_path, capsys):
    from edgeshift.benchmarks.devices.find import device_lock, find_device

    path = made("tsm", "int8").path
    capsys.readouterr()
    assert run("bench", path, path) == 2
    assert "the same artifact is named twice" in capsys.readouterr().err
    with device_lock(find_device("local")):
        assert run("bench", path, "--mode", "rapid") == 2
    assert capsys.readouterr().err == "edgeshift: local: another measurement is running there: wait for it to end\n"


def test_devices(capsys):
    assert run("devices", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["devices"][0]["name"] == "local"
    assert document["devices"][0]["probe"]["facts"]["cores"] >= 1
    assert run("devices") == 0
    assert "local" in capsys.readouterr().out
    assert run("devices", "ssh://nobody@127.0.0.1:1") == 2
    assert "Connection refused" in capsys.readouterr().out
    assert run("devices", "lokal") == 2
    assert capsys.readouterr().err == "edgeshift: unknown device 'lokal'; did you mean local?\n"
