"""Measurements: turns, stored repeats and lost devices on a recorded device, and real processes on this machine."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
import reports
from doubles import stream_spec

from edgeshift._system.process import CommandResult
from edgeshift.benchmarks.devices.local import LocalDevice
from edgeshift.benchmarks.devices.messages import Message, write_message
from edgeshift.benchmarks.devices.mock import RecordedDevice
from edgeshift.benchmarks.latency.bench import Candidate, Plan, measure, open_candidate
from edgeshift.benchmarks.latency.frames import read_frames
from edgeshift.benchmarks.latency.journal import Journal
from edgeshift.benchmarks.latency.messages import MemoryMeasured, MinuteEnded, RepeatEnded, Started
from edgeshift.benchmarks.latency.result import Memory, Minute, Report, Settings
from edgeshift.benchmarks.latency.summary import summarize
from edgeshift.errors import DeviceError, DeviceLostError, EdgeshiftError, VideoError
from edgeshift.video.clips import write_video

SETTINGS = Settings(
    mode="rapid", steps=20, seconds=0.2, repeats=3, frames="drawn", width=80, height=60, max_temperature=90.0
)
MEMORY = Memory(before=1, loaded=2, peak=3, closed=1)


def wait_until(condition, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition was not met within {seconds} s"
        time.sleep(0.1)


@pytest.fixture
def board(capsys):
    """Return a function that records a device whose repeats are numbered by their runtime: "run 0", "run 1", ..."""

    def answer(message: Message) -> CommandResult:
        write_message(message)
        return CommandResult(0, f"INFO: noise\n{capsys.readouterr().out}", "noise")

    def record(**changes) -> RecordedDevice:
        capsys.readouterr()
        repeats = [answer(RepeatEnded(repeat=reports.repeat(steps=30, runtime=f"run {index}"))) for index in range(9)]
        results = {"agent bench": repeats, "agent memory": answer(MemoryMeasured(memory=MEMORY))}
        return RecordedDevice(reports.FACTS, results, **changes)

    return record


def plan(folder: Path, device: RecordedDevice, artifacts: int = 2, **changes) -> Plan:
    """Return the plan of a measurement of ``artifacts`` artifacts; ``changes`` replace settings."""
    candidates = []
    for index in range(artifacts):
        path = folder / f"{index}.tflite"
        path.write_bytes(bytes([index]) * 9)
        candidates.append(Candidate(path, stream_spec(), f"{index}" * 64, 9))
    return Plan(device, candidates, msgspec.structs.replace(SETTINGS, **changes), "drawn", device.facts())


def test_repeats_of_artifacts_take_turns(tmp_path, board):
    device = board()
    report = measure(plan(tmp_path, device))
    assert [[repeat.runtime for repeat in artifact.repeats] for artifact in report.subjects] == [
        ["run 0", "run 2", "run 4"],
        ["run 1", "run 3", "run 5"],
    ]
    assert [artifact.memory for artifact in report.subjects] == [MEMORY, MEMORY]
    assert [call[1] for call in device.calls] == ["bench"] * 6 + ["memory"] * 2
    jobs = [json.loads(device.files[name]) for name in sorted(device.files) if name.endswith(".json")]
    assert [job["artifact"] for job in jobs] == ["/recorded/000000000000.tflite", "/recorded/111111111111.tflite"]
    assert len(device.pushes) == 5, "two artifacts, two jobs, and the frames once"
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_a_resumed_run_measures_only_the_repeats_after_the_device_was_lost(tmp_path, board):
    path = tmp_path / "r.jsonl"
    lost = measure(plan(tmp_path, board(lost_after=3)), Journal(path)).subjects
    assert [len(artifact.repeats) for artifact in lost] == [2, 1]
    assert {artifact.lost for artifact in lost} == {"recorded: the device was lost"}
    with path.open("ab") as file:
        file.write(b'{"key": "cut o')
    device = board()
    resumed = measure(plan(tmp_path, device), Journal(path, resume=True)).subjects
    assert [len(artifact.repeats) for artifact in resumed] == [3, 3] and resumed[0].lost is None
    assert resumed[0].repeats[:2] == lost[0].repeats and len(device.calls) == 3 + 2


@pytest.mark.parametrize(
    ("change", "calls"),
    [
        ({"threads": 2}, 8),
        ({"steps": 21}, 8),
        ({"width": 81}, 8),
        ({"options": {"provider": "cuda"}}, 8),
        ({"repeats": 4}, 2),
        ({}, 0),
    ],
    ids=str,
)
def test_stored_repeats_are_used_only_for_equal_settings(tmp_path, board, change, calls):
    path = tmp_path / "r.jsonl"
    measure(plan(tmp_path, board()), Journal(path))
    device = board()
    measure(plan(tmp_path, device, **change), Journal(path, resume=True))
    assert len(device.calls) == calls


def test_a_clip_with_other_frames_under_the_same_name_is_measured_again(tmp_path, board):
    clip, path = tmp_path / "clip.avi", tmp_path / "r.jsonl"
    for value, calls in ((10, 8), (10, 0), (200, 8)):
        write_video(clip, [np.full((48, 64, 3), value, np.uint8)] * 2, 10.0)
        device = board()
        measure(dataclasses.replace(plan(tmp_path, device), source=str(clip)), Journal(path, resume=path.exists()))
        assert len(device.calls) == calls


def test_a_worker_that_fails_ends_the_run(tmp_path):
    device = RecordedDevice(reports.FACTS, {"agent bench": CommandResult(2, "", "edgeshift: a.tflite: damaged")})
    with pytest.raises(DeviceError, match=r"recorded: a\.tflite: damaged"):
        measure(plan(tmp_path, device))


def test_an_artifact_that_is_a_folder_is_measured_only_on_this_machine(tmp_path, board):
    device, folder = board(), tmp_path / "a.mlpackage"
    folder.mkdir()
    candidate = Candidate(folder, stream_spec(), "0" * 64, 1)
    with pytest.raises(EdgeshiftError, match=r"a\.mlpackage: only --device local"):
        measure(Plan(device, [candidate], SETTINGS, "drawn", device.facts()))


def test_frames_are_drawn_or_come_from_a_clip(tmp_path):
    frames = read_frames("drawn", 80, 60)
    assert frames.shape == (16, 60, 80, 3) and frames.dtype == np.uint8 and frames.std() > 10
    assert len(np.unique(frames.reshape(16, -1), axis=0)) > 8, "the frames differ"
    write_video(tmp_path / "clip.avi", [np.full((48, 64, 3), value, np.uint8) for value in (10, 200)], 10.0)
    assert read_frames(str(tmp_path / "clip.avi"), 80, 60).shape == (2, 60, 80, 3)
    with pytest.raises(VideoError, match=r"--source .*gone\.mp4"):
        read_frames(str(tmp_path / "gone.mp4"), 80, 60)


def test_the_minutes_before_a_device_was_lost_are_kept(tmp_path, board, capsys):
    """Report and journal have them. The repeat is incomplete, so a resumed run measures it again."""
    started = reports.repeat(**dict.fromkeys(("pre", "infer", "post", "end_to_end"), ()), partial=True)
    minutes = list(reports.minutes(2))
    capsys.readouterr()
    for message in (Started(repeat=started), *(MinuteEnded(minute=minute) for minute in minutes)):
        write_message(message)
    lines = capsys.readouterr().out.splitlines()

    class LostDevice(RecordedDevice):
        def run(self, argv, timeout, on_line=None):
            for line in lines:
                on_line(line)
            raise DeviceLostError("the board: connection closed")

    path, received = tmp_path / "r.jsonl", []
    sustained = {"artifacts": 1, "mode": "sustained", "minutes": 5, "repeats": 1}
    lost = plan(tmp_path, LostDevice(reports.FACTS, {}), **sustained)
    (artifact,) = measure(lost, Journal(path), on_minute=received.append).subjects
    (repeat,) = artifact.repeats
    assert artifact.lost == "the board: connection closed" and received == minutes
    assert repeat.partial and repeat.minutes == tuple(minutes) and repeat.seconds == 120.0
    assert repeat.after == minutes[-1].reading and repeat.runtime == started.runtime
    assert len(path.read_bytes().splitlines()) == 2
    (summary,) = summarize(reports.report(artifact, mode="sustained", minutes=5))
    assert not summary.validity.valid and "a repeat has 2 of the 5 minutes" in " ".join(summary.validity.failures)
    (artifact,) = measure(plan(tmp_path, board(), **sustained), Journal(path, resume=True)).subjects
    assert not artifact.repeats[0].partial and artifact.lost is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "mode", "changes"),
    [
        ("tflite", "rapid", {}),
        ("onnx", "paced", {"fps": 20.0, "seconds": 1.0}),
        ("executorch", "rapid", {"cores": (0,)}),
    ],
)
def test_real_processes_give_samples_of_all_phases(made, target, mode, changes):
    settings = msgspec.structs.replace(SETTINGS, mode=mode, repeats=1, **changes)
    device = LocalDevice()
    candidate = open_candidate(made("tsm", "int8", target).path)
    (artifact,) = measure(Plan(device, [candidate], settings, "drawn", device.facts(), idle_seconds=0.0)).subjects
    (repeat,) = artifact.repeats
    assert repeat.checked is True and not repeat.partial
    assert repeat.load > 0 and repeat.first > 0 and repeat.warmup >= 10
    counts = {len(samples) for samples in (repeat.pre, repeat.infer, repeat.post, repeat.end_to_end)}
    assert len(counts) == 1 and counts.pop() >= (20 if mode == "rapid" else 10)
    parts = np.add(np.add(repeat.pre, repeat.infer), repeat.post)
    assert (parts <= np.add(repeat.end_to_end, 0.3)).all()  # every time is rounded to a tenth of a microsecond
    assert (repeat.offered or 0) >= 20 if mode == "paced" else repeat.offered is None
    assert artifact.memory is not None and artifact.memory.loaded > artifact.memory.before


@pytest.mark.slow
def test_each_minute_of_a_sustained_run_is_sent_when_it_ends(made, monkeypatch):
    """Minutes last half a second in this test."""
    from edgeshift.benchmarks.devices.agent import WORKER

    settings = msgspec.structs.replace(SETTINGS, mode="sustained", minutes=3, repeats=1)
    device = LocalDevice()
    short = f"import {WORKER} as worker, sys; worker.MINUTE = 0.5; sys.exit(worker.main())"
    monkeypatch.setattr(LocalDevice, "agent", lambda self: [sys.executable, "-c", short])
    candidate, received = open_candidate(made("tsm", "int8").path), list[Minute]()
    sustained = Plan(device, [candidate], settings, "drawn", device.facts(), memory=False)
    (repeat,) = measure(sustained, on_minute=received.append).subjects[0].repeats
    assert [minute.minute for minute in repeat.minutes] == [0, 1, 2] and tuple(received) == repeat.minutes
    assert sum(minute.steps for minute in repeat.minutes) == len(repeat.end_to_end)
    assert repeat.seconds >= 1.5 and not repeat.partial


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_worker_ends_when_the_command_is_killed(made, tmp_path, number):
    """A worker that kept running would slow down the next measurement."""
    code = (
        "import sys; from edgeshift.benchmarks.latency import mode; mode.MODES['rapid'] = mode.Length(20, 300.0, 2);"
        "from edgeshift.cli import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "bench", str(made("tsm", "int8").path), "--mode", "rapid"]
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    child = subprocess.Popen([*command, "--out", str(tmp_path / "r.json")], env=env, stderr=subprocess.PIPE, text=True)

    def workers() -> list[str]:
        done = subprocess.run(["pgrep", "-f", f"latency.worker.*{tmp_path}"], capture_output=True, text=True)
        return done.stdout.split()

    wait_until(workers, 60)
    child.send_signal(number)
    error = child.communicate(timeout=30)[1]
    wait_until(lambda: not workers(), 30)
    if number == signal.SIGTERM:
        assert child.returncode == 130 and "interrupted" in error and "Traceback" not in error
        assert not list(tmp_path.glob("edgeshift-*"))
