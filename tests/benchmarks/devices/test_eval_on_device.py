"""Accuracy on a device: the same answers as here, clips that cannot be read listed, a device that lies refused."""

from __future__ import annotations

import json
import re

import msgspec
import numpy as np
import pytest
from doubles import stream_spec

from edgeshift.artifact.file import write_artifact
from edgeshift.benchmarks.accuracy import Journal, measure, open_on, open_subject
from edgeshift.benchmarks.accuracy.opened import Candidate
from edgeshift.benchmarks.devices.device import Done
from edgeshift.benchmarks.devices.facts import read_facts
from edgeshift.benchmarks.devices.find import device_lock
from edgeshift.benchmarks.devices.mock import RecordedDevice
from edgeshift.benchmarks.devices.probe import Probe
from edgeshift.benchmarks.devices.protocol import MARK
from edgeshift.benchmarks.devices.ssh import SshDevice
from edgeshift.cli import main
from edgeshift.errors import ArtifactError, DeviceError, DeviceLostError
from edgeshift.gestures import draw_clips
from edgeshift.stream import Model
from edgeshift.video.clips import write_video
from edgeshift.video.dataset import read_dataset


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    for index, clip in enumerate(draw_clips(5, seed=3, frames=8, size=64)):
        (folder / clip.label).mkdir(parents=True, exist_ok=True)
        write_video(folder / clip.label / f"{index}.avi", clip.frames, 4.0)
    (folder / "left").mkdir(exist_ok=True)
    (folder / "left" / "broken.avi").write_bytes(b"RIFF")
    return read_dataset(folder).clips


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_same_as_here(made, sshd, clips, precision):
    path = made("tsm", precision).path
    board = SshDevice(sshd.name, sshd.options)
    there = measure(open_on(board, path), clips, device=board)
    here = measure(open_subject(path), clips)
    assert there.clips == here.clips and len(there.clips) == 5
    assert [name for name, _ in there.unreadable] == ["left/broken.avi"] == [name for name, _ in here.unreadable]
    assert there.runtime.endswith(board.name)


def recorded(tmp_path, *lines, status=0):
    probe = Probe(facts=read_facts(), python="3.11", numpy="2", opencv=False, runtimes={"tflite": "2.1"})
    said = "".join(f"{MARK}{json.dumps(line)}\n" for line in lines)
    known = Done(0, MARK + msgspec.json.encode(probe).decode() + "\n", "")
    return RecordedDevice(
        read_facts(), {"agent probe": known, "agent logits": Done(status, said, "edgeshift: no room")}
    )


def opened(tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(b"x")
    return Candidate(path, "0" * 64, Model(stream_spec(clip_frames=8), "there", lambda: None))


def lines(count, frames=8, classes=4):
    return [{"clip": f"clip{n}", "logits": np.eye(frames, classes).tolist(), "runtime": "r"} for n in range(count)]


def test_clips_go_at_once(tmp_path, clips):
    on = recorded(tmp_path, *lines(5))
    found = measure(opened(tmp_path), clips, device=on)
    artifact, batch = on.pushes
    assert len(found.clips) == 5 and artifact == "000000000000.tflite"
    assert re.fullmatch(r"clips_[0-9a-f]{16}\.npz", batch)  # no other run's clips have that name
    assert on.calls == [
        ["agent", "logits", "/recorded/000000000000.tflite", f"/recorded/{batch}"],
        ["rm", "-f", f"/recorded/{batch}"],
    ]


class Leaving(RecordedDevice):
    """It answers some clips, is cut off within a line, and is gone."""

    def run(self, argv, timeout, line=None):
        said = super().run(argv, timeout).out.splitlines()
        for text in [*said[:3], said[3][:40]]:
            line(text)
        raise DeviceLostError("the board: connection closed")


def test_what_a_lost_device_answered_is_kept(tmp_path, clips):
    first = recorded(tmp_path, *lines(5))
    journal = Journal(tmp_path / "answers.jsonl")
    with pytest.raises(DeviceLostError, match="connection closed"):
        measure(opened(tmp_path), clips, device=Leaving(first.recorded_facts, first.answers), journal=journal)
    kept = Journal(tmp_path / "answers.jsonl", resume=True)
    again = recorded(tmp_path, *lines(2))
    found = measure(opened(tmp_path), clips, device=again, journal=kept)
    assert len(found.clips) == 5 and len([call for call in again.calls if call[0] == "agent"]) == 1


def test_two_on_one_device_are_one_too_many(tmp_path, clips, monkeypatch, capsys):
    """By the command: the second is refused, and does not answer with the first one's clips."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    on = recorded(tmp_path, *lines(5))
    monkeypatch.setattr("edgeshift.benchmarks.devices.find.find_device", lambda name: on)
    path = tmp_path / "a.tflite"
    write_artifact(path, b"no graph", stream_spec(target="tflite"))
    with device_lock(on), pytest.raises(SystemExit) as ended:
        main(["eval", str(path), "--data", str(clips[0].path.parents[1]), "--device", "ssh://board"])
    assert (
        ended.value.code == 2 and "another measurement is running there" in capsys.readouterr().err and on.calls == []
    )


def test_a_lost_device_is_a_line_that_says_how_to_go_on(tmp_path, clips, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    on = recorded(tmp_path, *lines(5, classes=len(stream_spec().labels)))
    on.lost_after = 1  # after the probe
    monkeypatch.setattr("edgeshift.benchmarks.devices.find.find_device", lambda name: on)
    path, out = tmp_path / "a.tflite", tmp_path / "r.json"
    write_artifact(path, b"no graph", stream_spec(target="tflite", clip_frames=8))
    data = str(clips[0].path.parents[1])
    with pytest.raises(SystemExit) as ended:
        main(["eval", str(path), "--data", data, "--device", "ssh://board", "--out", str(out)])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert "1 of 6 clips of a.tflite were answered: go on with the same --out and --resume" in error
    assert not out.exists()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (lines(4), "8 frames of 4 logits expected"),
        (lines(5, frames=7), "8 frames of 4 logits expected"),
        (lines(5, classes=3), "8 frames of 4 logits expected"),
        ([{"clip": 1}], "says what are no logits"),
        ([], "no room"),
    ],
)
def test_a_device_that_says_something_else(tmp_path, clips, said, words):
    with pytest.raises(DeviceError, match=words):
        measure(opened(tmp_path), clips, device=recorded(tmp_path, *said))


def test_a_device_without_the_runtime(tmp_path):
    folder = tmp_path / "a.mlpackage"
    folder.mkdir()
    with pytest.raises(ArtifactError, match="measured on this machine only"):
        open_on(recorded(tmp_path), folder)


@pytest.mark.slow
def test_no_runtime_there(made, tmp_path):
    path = made("tsm", "fp32", "onnx").path
    with pytest.raises(DeviceError, match=r"no runtime for .*\.onnx \(onnx\) is installed there; it has tflite"):
        open_on(recorded(tmp_path), path)
