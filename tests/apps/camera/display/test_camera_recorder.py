"""Recorded videos: as long as the time that passed, whole or not there, never in the way."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from scene import frame, until

from edgeshift.apps.camera.display.recorder import WAITING, Recorder
from edgeshift.errors import EdgeshiftError
from edgeshift.video.clips import probe, read_video


@pytest.mark.parametrize("name", ["out.mp4", "out.avi"])
def test_a_picture_stands_until_the_next(tmp_path, name):
    recorder = Recorder(tmp_path / name, 20.0, wait=True)
    for timestamp, colour in ((5.0, "red"), (5.5, "green"), (6.0, "blue")):
        recorder.add(frame(colour), timestamp)
    assert not (tmp_path / name).exists()  # not before it is whole
    assert recorder.close()
    frames = list(read_video(tmp_path / name))
    assert len(frames) == 21 and probe(tmp_path / name).fps == pytest.approx(20)
    assert frames[0].frame[..., 0].mean() > 200 and frames[20].frame[..., 2].mean() > 200
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_a_fast_camera_does_not_make_a_long_video(tmp_path):
    recorder = Recorder(tmp_path / "out.mp4", 20.0, wait=True)
    for index in range(200):
        recorder.add(frame("red"), index / 200)
    assert recorder.close() and len(list(read_video(tmp_path / "out.mp4"))) == pytest.approx(20, abs=1)


def test_a_clock_that_jumps_neither_stops_nor_swells_it(tmp_path):
    recorder = Recorder(tmp_path / "out.mp4", 10.0, wait=True)
    for timestamp in (0.0, 0.5, 0.1, 0.6, 3600.0, 3600.5):
        recorder.add(frame("red"), timestamp)
    recorder.close()
    # 0.5 s, 0.5 s after the jump back, 10 s in place of an hour, 0.5 s.
    assert len(list(read_video(tmp_path / "out.mp4"))) == pytest.approx(116, abs=2)


def test_the_canvas_may_change_after_it_was_added(tmp_path):
    recorder = Recorder(tmp_path / "out.mp4", 10.0, wait=True)
    canvas = frame("red").copy()
    recorder.add(canvas, 0.0)
    canvas[:] = 0
    recorder.close()
    assert next(read_video(tmp_path / "out.mp4")).frame[..., 0].mean() > 200


def test_an_encoder_that_is_behind_loses_pictures_but_no_time(tmp_path, monkeypatch):
    import edgeshift.apps.camera.display.recorder as module

    gate, real = threading.Event(), module.write_video

    def slow(path, frames, fps):
        gate.wait(10)
        real(path, frames, fps)

    monkeypatch.setattr(module, "write_video", slow)
    recorder = Recorder(tmp_path / "out.mp4", 10.0)
    for index in range(40):
        recorder.add(frame("red"), index / 10)
    assert recorder.left_out == 40 - WAITING
    gate.set()
    until(lambda: recorder._queue.empty())
    recorder.add(frame("blue"), 4.0)
    assert recorder.close()
    assert len(list(read_video(tmp_path / "out.mp4"))) == 41


def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path):
    recorder = Recorder(tmp_path / "out.mp4", 10.0)
    recorder.add(np.zeros((31, 33, 3), np.uint8), 0.0)  # odd sides
    until(lambda: recorder._error is not None)
    with pytest.raises(EdgeshiftError, match="even sides"):
        recorder.add(np.zeros((31, 33, 3), np.uint8), 1.0)
    with pytest.raises(EdgeshiftError, match="even sides"):
        recorder.close()
    assert not list(tmp_path.iterdir())


def test_without_a_picture_there_is_no_video(tmp_path):
    recorder = Recorder(tmp_path / "out.mp4", 10.0)
    assert not recorder.close()
    assert not list(tmp_path.iterdir())
