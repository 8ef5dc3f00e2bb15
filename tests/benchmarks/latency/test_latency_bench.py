"""The driver over a recorded device: turns, what is kept, what is not measured twice; and over a real process here."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import msgspec
import numpy as np
import pytest
import reports

from edgeshift.benchmarks.devices.device import Done
from edgeshift.benchmarks.devices.facts import read_facts
from edgeshift.benchmarks.devices.local import LocalDevice
from edgeshift.benchmarks.devices.mock import RecordedDevice
from edgeshift.benchmarks.devices.protocol import MARK
from edgeshift.benchmarks.latency.bench import Candidate, Plan, measure, open_artifact
from edgeshift.benchmarks.latency.frames import read_frames
from edgeshift.benchmarks.latency.journal import Journal
from edgeshift.benchmarks.latency.result import Begun, Memory, Minute, Report, Settings
from edgeshift.benchmarks.latency.summary import summarize
from edgeshift.errors import DeviceError, DeviceLostError, EdgeshiftError, VideoError

SETTINGS = Settings(mode="rapid", steps=20, seconds=0.2, repeats=3, frames="drawn", width=80, height=60, ceiling=90.0)
MEMORY = Memory(before=1, loaded=2, peak=3, closed=1)


def until(true, seconds) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def answer(document) -> Done:
    return Done(0, f"INFO: noise\n{MARK}{msgspec.json.encode(document).decode()}\n", "noise")


def repeat(runtime):
    return msgspec.structs.replace(reports.subject().repeats[0], runtime=runtime)


def device(**changes):
    answers = {"agent bench": [answer(repeat(f"run {n}")) for n in range(9)], "agent memory": answer(MEMORY)}
    return RecordedDevice(read_facts(), answers, **changes)


def subjects(tmp_path, count):
    from doubles import stream_spec

    found = []
    for index in range(count):
        path = tmp_path / f"{index}.tflite"
        path.write_bytes(bytes([index]) * 9)
        found.append(Candidate(path, stream_spec(), f"{index}" * 64, 9))
    return found


def plan(tmp_path, on, count=2, **changes):
    return Plan(on, subjects(tmp_path, count), msgspec.structs.replace(SETTINGS, **changes), "drawn", on.facts())


def test_artifacts_take_turns(tmp_path):
    on = device()
    report = measure(plan(tmp_path, on))
    assert [[one.runtime for one in subject.repeats] for subject in report.subjects] == [
        ["run 0", "run 2", "run 4"],
        ["run 1", "run 3", "run 5"],
    ]
    assert [subject.memory for subject in report.subjects] == [MEMORY, MEMORY]
    assert [call[1] for call in on.calls] == ["bench"] * 6 + ["memory"] * 2
    jobs = [json.loads(on.files[name]) for name in sorted(on.files) if name.endswith(".json")]
    assert [job["artifact"] for job in jobs] == ["/recorded/000000000000.tflite", "/recorded/111111111111.tflite"]
    assert len(on.pushes) == 5  # two artifacts, two jobs, and the frames once
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_lost_and_resumed(tmp_path):
    path = tmp_path / "r.jsonl"
    report = measure(plan(tmp_path, device(lost_after=3)), Journal(path))
    assert [len(subject.repeats) for subject in report.subjects] == [2, 1]
    assert {subject.lost for subject in report.subjects} == {"recorded: the device is gone"}
    with path.open("ab") as file:
        file.write(b'{"key": "cut o')
    on = device()
    again = measure(plan(tmp_path, on), Journal(path, resume=True))
    assert [len(subject.repeats) for subject in again.subjects] == [3, 3] and again.subjects[0].lost is None
    assert again.subjects[0].repeats[:2] == report.subjects[0].repeats and len(on.calls) == 3 + 2


@pytest.mark.parametrize("change", [{"threads": 2}, {"steps": 21}, {"width": 81}, {"options": {"provider": "cuda"}}])
def test_a_run_under_other_settings_knows_nothing(tmp_path, change):
    path = tmp_path / "r.jsonl"
    measure(plan(tmp_path, device()), Journal(path))
    on = device()
    measure(plan(tmp_path, on, **change), Journal(path, resume=True))
    assert len(on.calls) == 8


def test_a_clip_that_changed_under_its_name_is_another(tmp_path):
    from edgeshift.video.clips import write_video

    clip, path = tmp_path / "clip.avi", tmp_path / "r.jsonl"
    for value, calls in ((10, 8), (10, 0), (200, 8)):
        write_video(clip, [np.full((48, 64, 3), value, np.uint8)] * 2, 10.0)
        on = device()
        measure(dataclasses.replace(plan(tmp_path, on), source=str(clip)), Journal(path, resume=path.exists()))
        assert len(on.calls) == calls


def test_more_repeats_go_on(tmp_path):
    path = tmp_path / "r.jsonl"
    measure(plan(tmp_path, device()), Journal(path))
    on = device()
    report = measure(plan(tmp_path, on, repeats=4), Journal(path, resume=True))
    assert [len(subject.repeats) for subject in report.subjects] == [4, 4] and len(on.calls) == 2


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Done(2, "", "warning\nedgeshift: a.tflite: damaged"), "recorded: a.tflite: damaged"),
        (Done(0, "", ""), "recorded: its agent ended with 0"),
        (Done(0, MARK + "{}", ""), "recorded: its agent says what is no Repeat"),
        (Done(0, MARK + "[" * 10_000, ""), "recorded: its agent says what is no Repeat"),
        (Done(-11, "", ""), "recorded: its agent ended with -11"),
    ],
)
def test_an_agent_that_fails(tmp_path, said, words):
    on = RecordedDevice(read_facts(), {"agent bench": said})
    with pytest.raises(DeviceError, match=words):
        measure(plan(tmp_path, on))


def test_a_folder_is_measured_here_only(tmp_path):
    on = device()
    one = plan(tmp_path, on, 1)
    folder = tmp_path / "a.mlpackage"
    folder.mkdir()
    with pytest.raises(EdgeshiftError, match=r"a\.mlpackage: a folder is measured on this machine only"):
        measure(Plan(on, [Candidate(folder, one.subjects[0].spec, "0" * 64, 1)], SETTINGS, "drawn", on.facts()))


def test_frames(tmp_path):
    frames = read_frames("drawn", 80, 60)
    assert frames.shape == (16, 60, 80, 3) and frames.dtype == np.uint8 and frames.std() > 10
    assert len(np.unique(frames.reshape(16, -1), axis=0)) > 8  # it moves
    from edgeshift.video.clips import write_video

    write_video(tmp_path / "clip.avi", [np.full((48, 64, 3), value, np.uint8) for value in (10, 200)], 10.0)
    assert read_frames(str(tmp_path / "clip.avi"), 80, 60).shape == (2, 60, 80, 3)
    with pytest.raises(VideoError, match=r"--source .*gone\.mp4"):
        read_frames(str(tmp_path / "gone.mp4"), 80, 60)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "mode", "changes"),
    [
        ("tflite", "rapid", {}),
        ("onnx", "paced", {"fps": 20.0, "seconds": 1.0}),
        ("executorch", "rapid", {"cores": (0,)}),
    ],
)
def test_a_real_process(made, target, mode, changes):
    settings = msgspec.structs.replace(SETTINGS, mode=mode, repeats=1, **changes)
    here = LocalDevice()
    one = Plan(here, [open_artifact(made("tsm", "int8", target).path)], settings, "drawn", here.facts())
    (subject,) = measure(one).subjects
    (found,) = subject.repeats
    assert found.checked is True and found.load > 0 and found.first > 0 and found.warmup >= 10
    assert (
        len(found.pre)
        == len(found.infer)
        == len(found.post)
        == len(found.end_to_end)
        >= (20 if mode == "rapid" else 10)
    )
    parts = np.add(np.add(found.pre, found.infer), found.post)
    assert (parts <= np.add(found.end_to_end, 0.3)).all()  # rounded to tenths of a microsecond
    assert (found.offered is None) == (mode != "paced")
    if found.offered is not None:
        assert found.offered >= 20
    assert subject.memory is not None and subject.memory.loaded > subject.memory.before


@pytest.mark.slow
def test_minutes_come_as_they_end(made, monkeypatch):
    """Of a sustained run whose minutes are short: told as they end, and kept with their samples."""
    from edgeshift.benchmarks.devices.agent import WORKER

    settings = msgspec.structs.replace(SETTINGS, mode="sustained", minutes=3, repeats=1)
    here = LocalDevice()
    short = f"import {WORKER} as worker, sys; worker.MINUTE = 0.5; sys.exit(worker.main())"
    monkeypatch.setattr(LocalDevice, "agent", lambda self: [sys.executable, "-c", short])
    one = Plan(here, [open_artifact(made("tsm", "int8").path)], settings, "drawn", here.facts(), memory=False)
    told = []
    (found,) = measure(one, minute=told.append).subjects[0].repeats
    assert [minute.minute for minute in found.minutes] == [0, 1, 2] and tuple(told) == found.minutes
    assert sum(minute.steps for minute in found.minutes) == len(found.end_to_end)
    assert found.seconds >= 1.5


def test_a_sustained_run_that_is_lost_keeps_its_minutes(tmp_path):
    """In the report and in the journal; the repeat is not whole, and is measured again."""
    reading = reports.subject().repeats[0].before
    begun = Begun(load=0.1, first=0.02, warmup=40, warm=True, before=reading, waited=0.0, runtime="there")
    points = [Minute(minute=n, steps=900, p50=0.005, p90=0.006, reading=reading) for n in range(2)]
    said = [{"begun": msgspec.to_builtins(begun)}, *({"minute": msgspec.to_builtins(one)} for one in points)]

    class Leaving(RecordedDevice):
        def run(self, argv, timeout, line=None):
            for document in said:
                line(MARK + msgspec.json.encode(document).decode())
            raise DeviceLostError("the board: connection closed")

    path, told = tmp_path / "r.jsonl", []
    one = plan(tmp_path, Leaving(read_facts(), {}), count=1, mode="sustained", minutes=5, repeats=1)
    (subject,) = measure(one, Journal(path), minute=told.append).subjects
    (found,) = subject.repeats
    assert subject.lost == "the board: connection closed" and told == points
    assert found.partial and found.minutes == tuple(points) and found.runtime == "there" and found.seconds == 120.0
    assert len(path.read_bytes().splitlines()) == 2
    report = reports.report(subject, mode="sustained", minutes=5)
    (summary,) = summarize(report)
    assert not summary.validity.valid and "2 minutes of the 5" in " ".join(summary.validity.failures)
    again = plan(tmp_path, device(), count=1, mode="sustained", minutes=5, repeats=1)
    (subject,) = measure(again, Journal(path, resume=True)).subjects
    assert not subject.repeats[0].partial and subject.lost is None


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_a_run_that_is_ended(made, tmp_path, number):
    """The worker of a killed run would time itself beside the next one."""
    code = (
        "import sys; from edgeshift.benchmarks.latency import mode; mode.MODES['rapid'] = mode.Length(20, 300.0, 2);"
        "from edgeshift.cli import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "bench", str(made("tsm", "int8").path), "--mode", "rapid"]
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    child = subprocess.Popen([*command, "--out", str(tmp_path / "r.json")], env=env, stderr=subprocess.PIPE, text=True)

    def workers() -> list[str]:
        found = subprocess.run(["pgrep", "-f", f"latency.worker.*{tmp_path}"], capture_output=True, text=True)
        return found.stdout.split()

    until(workers, 60)
    child.send_signal(number)
    said = child.communicate(timeout=30)[1]
    until(lambda: not workers(), 30)
    if number == signal.SIGTERM:
        assert child.returncode == 130 and "go on with --out" in said and "Traceback" not in said
        assert not list(tmp_path.glob("edgeshift-*"))
