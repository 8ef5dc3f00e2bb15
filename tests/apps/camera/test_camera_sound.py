"""Sound in the demo's run loop: what the window says, and that only ``--record`` records."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scene import FakeSource, FakeWindow, frame, make_app, make_session

from edgeshift.apps.camera.display.painter import WITHOUT_SOUND, Painter
from edgeshift.apps.camera.engine.session import Session
from edgeshift.apps.camera.microphones.base import Piece
from edgeshift.stream.ear import Hearing

RATE = 8000


class FakeSound:
    """A microphone that gives all samples up to the time of each frame."""

    name, through, rate, follows_clip, lost, losses = "fake", "test", RATE, False, False, 0

    def __init__(self) -> None:
        self.end: float | None = None
        self.stopped = False

    def start(self, emit: Any) -> None:
        pass

    def take(self, until: float) -> list[Piece]:
        begin, self.end = until if self.end is None else self.end, until
        count = round((until - begin) * RATE)
        return [Piece(np.full(count, 0.1, np.float32), begin, RATE)] if count else []

    def stop(self) -> None:
        self.stopped = True


def listening() -> Session:
    session = make_session()
    session.sound = FakeSound()
    return session


def camera() -> FakeSource:
    return FakeSource(["red"] * 10_000)


def test_a_video_that_a_key_starts_has_no_sound(tmp_path: Path):
    session, window = listening(), FakeWindow({3: "v", 15: "v", 18: "q"})
    summary = make_app(camera(), session=session, window=window, folder=tmp_path).run()
    assert [path.suffix for path in tmp_path.iterdir()] == [".mp4"] and len(summary.recorded) == 1
    assert session.sound.stopped and session.record is None


def test_a_requested_video_has_its_sound_beside_it(tmp_path: Path):
    session, window = listening(), FakeWindow({30: "q"})
    summary = make_app(camera(), session=session, window=window, record=tmp_path / "a.mp4").run()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "a.wav"]
    assert sorted(map(Path, summary.recorded)) == sorted(tmp_path.iterdir())
    assert summary.sound is not None and summary.sound.microphone == "fake"


@pytest.mark.parametrize("heard", [None, "heard", *WITHOUT_SOUND])
def test_the_window_says_that_the_demo_listens_and_why_nothing_is_heard(heard: Hearing | None):
    session = listening()
    painter = Painter(session, live=True)
    painter._heard = heard
    painter.paint(session.capture(frame("red"), 0.0), new=True, now=time.monotonic())
    expected = "" if heard in (None, "heard") else WITHOUT_SOUND[heard]
    assert painter._panel.hearing == ["listening", expected]
    session.sound.lost = True
    painter.paint(session.capture(frame("red"), 0.1), new=True, now=time.monotonic())
    assert painter._panel.hearing == ["not listening", "microphone lost"]


def test_without_a_microphone_the_picture_has_no_strip():
    session = make_session()
    painter = Painter(session, live=True)
    canvas, _ = painter.paint(session.capture(frame("red"), 0.0), new=True, now=time.monotonic())
    wider, _ = Painter(listening(), live=True).paint(session.capture(frame("red"), 0.0), new=True, now=0.0)
    assert painter._panel.hearing == [] and wider.shape[1] > canvas.shape[1] and wider.shape[0] == canvas.shape[0]
