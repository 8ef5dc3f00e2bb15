"""Accuracy on a device: it equals that on this machine, aborted runs are resumed, incomplete results are errors."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import reports
from doubles import stream_spec, tensor

from edgeshift._system.process import CommandResult
from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.benchmarks.accuracy.candidate import Candidate, open_candidate
from edgeshift.benchmarks.accuracy.clip import FrameLogits
from edgeshift.benchmarks.accuracy.journal import Journal
from edgeshift.benchmarks.accuracy.measure import measure
from edgeshift.benchmarks.accuracy.remote import open_on_device, stream_on_device
from edgeshift.benchmarks.devices.find import device_lock
from edgeshift.benchmarks.devices.local import LocalDevice
from edgeshift.benchmarks.devices.messages import write_message
from edgeshift.benchmarks.devices.mock import RecordedDevice
from edgeshift.benchmarks.devices.probe import Probe, Probed
from edgeshift.benchmarks.devices.ssh import SshDevice
from edgeshift.benchmarks.latency.messages import ClipLogits
from edgeshift.cli import main
from edgeshift.errors import ArtifactError, DeviceError, DeviceLostError, EdgeshiftError
from edgeshift.gestures import draw_clips
from edgeshift.stream import Model
from edgeshift.stream.placement import Placement
from edgeshift.video.clips import write_video
from edgeshift.video.dataset import read_dataset

CLASSES = len(stream_spec().labels)


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    for index, clip in enumerate(draw_clips(5, seed=3, frames=8, size=64)):
        (folder / clip.label).mkdir(parents=True, exist_ok=True)
        write_video(folder / clip.label / f"{index}.avi", clip.frames, 4.0)
    (folder / "left").mkdir(exist_ok=True)
    (folder / "left" / "broken.avi").write_bytes(b"RIFF")
    return read_dataset(folder).clips


@pytest.fixture
def recorded(capsys):
    """Return a function that records a device on which the worker prints the logits of ``count`` clips."""

    def record(count: int = 5, frames: int = 8, classes: int = CLASSES, status: int = 0, **changes) -> RecordedDevice:
        probe = Probe(facts=reports.FACTS, python="3.11", numpy="2", opencv=False, runtimes={"tflite": "2.1"})
        capsys.readouterr()
        write_message(Probed(probe=probe))
        probed = CommandResult(0, capsys.readouterr().out, "")
        for index in range(count):
            write_message(ClipLogits(clip=f"clip{index}", logits=np.eye(frames, classes).tolist(), runtime="r"))
        logits = CommandResult(status, capsys.readouterr().out, "edgeshift: no room")
        return RecordedDevice(reports.FACTS, {"agent probe": probed, "agent logits": logits}, **changes)

    return record


def on(device):
    """Return the function that streams clips on a device."""
    return partial(stream_on_device, device)


@pytest.fixture
def candidate(tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(b"x")
    return Candidate(path, "0" * 64, Model(stream_spec(clip_frames=8), "there", lambda: None))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_accuracy_on_a_board_equals_that_of_this_machine(made, sshd, clips, precision):
    path = made("tsm", precision).path
    board = SshDevice(sshd.name, sshd.options)
    remote = measure(open_on_device(board, path), clips, elsewhere=on(board))
    local = measure(open_candidate(path), clips)
    assert remote.clips == local.clips and len(remote.clips) == 5
    assert remote.unreadable == local.unreadable and [name for name, _ in local.unreadable] == ["left/broken.avi"]
    assert remote.runtime.endswith(board.name)


def test_clips_are_sent_in_one_batch_that_is_removed_afterwards(recorded, candidate, clips):
    board = recorded()
    assert len(measure(candidate, clips, elsewhere=on(board)).clips) == 5
    artifact, batch = board.pushes
    assert artifact == "000000000000.tflite"
    assert re.fullmatch(r"clips_[0-9a-f]{16}\.npz", batch), "a hash, because other machines may use the board"
    assert board.calls == [
        ["agent", "logits", "/recorded/000000000000.tflite", f"/recorded/{batch}"],
        ["rm", "-f", f"/recorded/{batch}"],
    ]


def test_a_clip_artifact_sends_one_row_of_logits_per_answer(recorded, candidate, clips):
    """Without a frame spacing, as many frames are spread over a clip as the artifact takes, so there is one answer."""
    shape = {"mode": "clip", "hop": 4, "states": (), "input": tensor("clip", 8, 64, 64, 3)}
    clip = replace(candidate, model=Model(stream_spec(**shape), "there", lambda: None))
    measured = measure(clip, clips, elsewhere=on(recorded(frames=1)))
    assert len(measured.clips) == 5
    with pytest.raises(DeviceError, match=r"logits of shape \[8, 4\], and \[1, 4\] was expected"):
        measure(clip, clips, elsewhere=on(recorded(frames=8)))


class LostDevice(RecordedDevice):
    """A device that is lost after three clips, in the middle of a line."""

    def run(self, argv, timeout, on_line=None):
        if "logits" not in argv:
            return super().run(argv, timeout, on_line)
        lines = super().run(argv, timeout).out.splitlines()
        for line in [*lines[:3], lines[3][:40]]:
            on_line(line)
        raise DeviceLostError("the board: connection closed")


def test_a_resumed_run_measures_only_the_clips_after_the_device_was_lost(recorded, candidate, clips, tmp_path):
    journal = Journal(tmp_path / "clips.jsonl")
    with pytest.raises(DeviceLostError, match="connection closed"):
        measure(candidate, clips, elsewhere=on(LostDevice(reports.FACTS, recorded().results)), journal=journal)
    board = recorded(2)
    resumed = measure(candidate, clips, elsewhere=on(board), journal=Journal(tmp_path / "clips.jsonl", resume=True))
    assert len(resumed.clips) == 5 and len([call for call in board.calls if call[0] == "agent"]) == 1


@pytest.fixture
def evaluate(recorded, clips, tmp_path, monkeypatch, capsys):
    """Return a function that runs `edgeshift eval --device` on a recorded device. It returns status and stderr."""

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def run(board: RecordedDevice, *arguments: object) -> tuple[int, str]:
        monkeypatch.setattr("edgeshift.benchmarks.devices.find.find_device", lambda name: board)
        path = tmp_path / "a.tflite"
        write_artifact(path, b"no graph", stream_spec(target="tflite", clip_frames=8))
        data, options = clips[0].path.parents[1], ("--label-map", "left=red")
        with pytest.raises(SystemExit) as ended:
            main(["eval", str(path), "--data", str(data), "--device", "ssh://board", *options, *map(str, arguments)])
        return int(ended.value.code or 0), capsys.readouterr().err

    return run


def test_a_second_run_on_one_device_is_refused(recorded, evaluate):
    board = recorded()
    with device_lock(board):
        status, error = evaluate(board)
    assert status == 2 and "another measurement is running there" in error and board.calls == []


def test_the_error_for_a_lost_device_has_the_number_of_clips_and_the_option_to_resume(recorded, evaluate, tmp_path):
    out = tmp_path / "r.json"
    status, error = evaluate(recorded(lost_after=1), "--out", out)  # after the probe
    assert status == 2 and not out.exists() and error.endswith("; 1 of 6 clips of a.tflite were measured\n")
    assert not list(tmp_path.glob("*.jsonl"))  # the one clip is unreadable, so there is no result to continue from
    status, error = evaluate(LostDevice(reports.FACTS, recorded().results), "--out", out)
    assert status == 2 and not out.exists()
    assert "4 of 6 clips of a.tflite were measured: continue with the same --out and --resume" in error


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"count": 4}, rf"shape \[0\], and \[8, {CLASSES}\] was expected"),
        ({"frames": 7}, rf"shape \[7, {CLASSES}\], and \[8, {CLASSES}\] was expected"),
        ({"classes": CLASSES - 1}, rf"shape \[8, {CLASSES - 1}\], and \[8, {CLASSES}\] was expected"),
        ({"count": 0}, "no room"),
        ({"status": 2}, "no room"),
    ],
    ids=["a clip is missing", "a frame is missing", "a class is missing", "no clip", "exit status"],
)
def test_incomplete_results_of_the_worker_are_errors(recorded, candidate, clips, changes, words):
    with pytest.raises(DeviceError, match=words):
        measure(candidate, clips, elsewhere=on(recorded(**changes)))


def test_an_artifact_that_is_a_folder_is_refused(recorded, tmp_path):
    folder = tmp_path / "a.mlpackage"
    folder.mkdir()
    with pytest.raises(ArtifactError, match="only --device local can measure"):
        open_on_device(recorded(), folder)


def test_the_error_for_a_missing_runtime_lists_the_installed_ones(recorded, tmp_path):
    path = tmp_path / "a.pte"
    write_artifact(path, b"no graph", stream_spec(target="executorch"))
    with pytest.raises(DeviceError, match=r"no runtime for .*\.pte \(executorch\) is installed there; installed: tfl"):
        open_on_device(recorded(), path)


@pytest.mark.slow
def test_a_device_says_what_ran_the_graph_and_the_journal_keeps_it(gpu, made, clips, tmp_path):
    """The worker of this machine stands for that of a board."""
    path = made("tsm", "fp16", device="mali").path
    for name, options in (("cpu", {}), ("gpu", {"accelerator": "gpu"})):
        candidate = Candidate(path, "0" * 64, Model(read_artifact(path).spec, "LiteRT", lambda: None), options=options)
        file = tmp_path / f"{name}.clips.jsonl"
        measured = measure(candidate, clips, elsewhere=on(LocalDevice()), journal=Journal(file))
        assert measured.ran_on is not None and measured.ran_on.accelerator == name
        again = measure(candidate, clips, elsewhere=lambda *_: iter(()), journal=Journal(file, resume=True))
        assert again.ran_on == measured.ran_on and again.clips == measured.clips
    # The keys differ, so that results of the CPU are not taken for those of the GPU.
    keys = {json.loads(line)["key"] for file in tmp_path.glob("*.jsonl") for line in file.read_text().splitlines()}
    assert len(keys) == 2


def test_results_of_two_accelerators_are_not_one_figure(candidate, clips):
    def elsewhere(_, missing):
        for number, clip in enumerate(missing):
            ran_on = Placement(accelerator="gpu", device=f"GPU {number % 2}")
            yield clip, FrameLogits(np.arange(8.0), np.eye(8, CLASSES, dtype=np.float32), ran_on)

    with pytest.raises(EdgeshiftError, match=r"some clips ran on gpu \(GPU 0\) and others on gpu \(GPU 1\)"):
        measure(candidate, clips, elsewhere=elsewhere)


def test_a_journal_from_before_it_was_stored_what_ran_the_graph_is_read(candidate, clips, tmp_path):
    file = tmp_path / "r.clips.jsonl"

    def elsewhere(_, missing):
        for clip in missing:
            yield clip, FrameLogits(np.arange(8.0), np.eye(8, CLASSES, dtype=np.float32))

    measured = measure(candidate, clips, elsewhere=elsewhere, journal=Journal(file))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line.pop("ran_on") for line in lines] == [None] * len(clips)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    again = measure(candidate, clips, elsewhere=lambda *_: iter(()), journal=Journal(file, resume=True))
    assert again.clips == measured.clips and again.ran_on is None


@pytest.mark.slow
def test_a_board_without_a_gpu_is_one_line(made, sshd, clips):
    board = SshDevice(sshd.name, sshd.options)
    candidate = open_on_device(board, made("tsm", "fp16", device="mali").path, {"accelerator": "gpu"})
    with pytest.raises(DeviceError, match="finds no GPU that it can use") as caught:
        measure(candidate, clips, elsewhere=on(board))
    assert "\n" not in str(caught.value)
