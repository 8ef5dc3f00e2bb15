"""Recorded videos last as long as the recording, are complete or do not exist, and do not delay the caller."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from scene import frame, wait_until

from edgeshift.apps.camera.display.recorder import QUEUE_SIZE, Recorder
from edgeshift.errors import EdgeshiftError
from edgeshift.video.clips import probe, read_video


@pytest.mark.parametrize("name", ["out.mp4", "out.avi"])
def test_a_picture_is_repeated_until_the_next_one(tmp_path, name):
    recorder = Recorder(tmp_path / name, 20.0, wait=True)
    for timestamp, colour in ((5.0, "red"), (5.5, "green"), (6.0, "blue")):
        recorder.add(frame(colour), timestamp)
    assert not (tmp_path / name).exists()  # the file gets its name only when it is complete
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


def test_a_clock_that_jumps_neither_stops_a_video_nor_makes_it_long(tmp_path):
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


def test_pictures_are_left_out_for_a_slow_encoder_but_the_video_keeps_its_length(tmp_path, monkeypatch):
    import edgeshift.apps.camera.display.recorder as module

    may_encode, real = threading.Event(), module.write_video

    def slow_write(path, frames, fps):
        may_encode.wait(10)
        real(path, frames, fps)

    monkeypatch.setattr(module, "write_video", slow_write)
    recorder = Recorder(tmp_path / "out.mp4", 10.0)
    for index in range(40):
        recorder.add(frame("red"), index / 10)
    assert recorder.left_out == 40 - QUEUE_SIZE
    may_encode.set()
    wait_until(lambda: recorder._queue.empty())
    recorder.add(frame("blue"), 4.0)
    assert recorder.close()
    assert len(list(read_video(tmp_path / "out.mp4"))) == 41


def test_a_video_that_cannot_be_written_is_an_error_and_leaves_no_file(tmp_path):
    recorder = Recorder(tmp_path / "out.mp4", 10.0)
    recorder.add(np.zeros((31, 33, 3), np.uint8), 0.0)  # odd sides
    wait_until(lambda: recorder._error is not None)
    with pytest.raises(EdgeshiftError, match="even sides"):
        recorder.add(np.zeros((31, 33, 3), np.uint8), 1.0)
    with pytest.raises(EdgeshiftError, match="even sides"):
        recorder.close()
    assert not list(tmp_path.iterdir())


def test_without_a_picture_no_video_is_written(tmp_path):
    recorder = Recorder(tmp_path / "out.mp4", 10.0)
    assert not recorder.close()
    assert not list(tmp_path.iterdir())
