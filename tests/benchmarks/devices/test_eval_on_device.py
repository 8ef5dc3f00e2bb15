"""Accuracy on a device: the same answers as here, clips that cannot be read listed, a device that lies refused."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest
from doubles import stream_spec

from edgeshift.benchmarks.accuracy import measure, open_on, open_subject
from edgeshift.benchmarks.accuracy.opened import Opened
from edgeshift.benchmarks.devices.device import Done
from edgeshift.benchmarks.devices.probe import Probe
from edgeshift.benchmarks.devices.recorded import RecordedDevice
from edgeshift.benchmarks.devices.ssh import SshDevice
from edgeshift.benchmarks.facts import read_facts
from edgeshift.benchmarks.latency.job import MARK
from edgeshift.dataset import read_dataset
from edgeshift.errors import ArtifactError, DeviceError
from edgeshift.gestures import draw_clips
from edgeshift.stream import Model
from edgeshift.video import write_video


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
    return Opened(path, "0" * 64, Model(stream_spec(clip_frames=8), "there", lambda: None))


def lines(count, frames=8, classes=4):
    return [{"clip": f"clip{n}", "logits": np.eye(frames, classes).tolist(), "runtime": "r"} for n in range(count)]


def test_clips_go_at_once(tmp_path, clips):
    on = recorded(tmp_path, *lines(5))
    found = measure(opened(tmp_path), clips, device=on)
    assert len(found.clips) == 5 and on.pushes == ["000000000000.tflite", "clips.npz"]
    assert on.calls == [["agent", "logits", "/recorded/000000000000.tflite", "/recorded/clips.npz"]]


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
