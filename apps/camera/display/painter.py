"""What the window and the recorded video show: the view, fed from the threads that read and answer."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic, perf_counter

import numpy as np

from edgeshift._system.temperature import temperatures
from edgeshift.apps.camera.display.figures import figures, in_lines
from edgeshift.apps.camera.display.history import INK
from edgeshift.apps.camera.display.layout import Box, lay_out
from edgeshift.apps.camera.display.text import write
from edgeshift.apps.camera.display.view import Numbers, View
from edgeshift.apps.camera.engine.grabber import Grabber
from edgeshift.apps.camera.engine.session import Session
from edgeshift.apps.camera.engine.slot import CapturedFrame
from edgeshift.apps.camera.engine.worker import Worker
from edgeshift.video.fit import Frame

#: Seconds between new figures, and between readings of temperature.
FIGURES, WARMTH = 0.5, 5.0
#: A camera's picture is called current until the next one is due, and so many seconds more, by which cameras are late.
JITTER = 0.02
#: One of a clip, whose own times may be far apart, for so many of its intervals and seconds.
CLIP_INTERVALS, CLIP_SECONDS = 2.0, 0.15
#: Width and height of what is shown before the first frame.
WAITING = (640, 480)
#: Pictures whose cost is kept.
KEPT = 4096
HELP = {"q": "quit", "r": "reset", "p": "pause", "s": "snapshot", "v": "record"}


@dataclass
class Painted:
    """A picture. canvas: uint8 [H, W, 3] RGB, which changes with the next. new: it differs from the one before."""

    canvas: Frame
    new: bool


class Painter:
    """Draws what the threads know. For the main thread.

    Args:
        session, worker, grabber: what is shown. size: of the picture; None: by the frames. mirror: show them mirrored.

    Attributes:
        paused, recording: as the keys have it. room: (width, height) of the screen, if it is known.
        costs: seconds of drawing each new frame.
    """

    def __init__(
        self,
        session: Session,
        worker: Worker,
        grabber: Grabber,
        *,
        size: tuple[int, int] | None = None,
        mirror: bool = False,
    ) -> None:
        self._session, self._worker, self._grabber = session, worker, grabber
        self._size, self._mirror = size, mirror
        self._numbers = Numbers(help=[f"{key} {what}" for key, what in HELP.items()])
        if len(session.runners) > 1:
            self._numbers.help.append("m model")
        self._figured = self._warmed = float("-inf")
        self._warmest: float | None = None
        self.paused = self.recording = False
        self.room: tuple[int, int] | None = None
        self.costs: list[float] = []
        self.view: View | None = None

    def paint(self, shot: CapturedFrame, *, fresh: bool) -> Painted:
        """Draw.

        Args:
            shot: the newest frame. fresh: it has not been drawn yet.
        """
        begin = perf_counter()
        view = self.view or self._open(shot.frame)
        while self._worker.answers:
            view.hear(self._worker.answers.popleft())
        now, numbers = monotonic(), self._numbers
        counted = now - self._figured >= FIGURES
        if counted:
            self._count(view, now)
        before = numbers.notice, numbers.recording
        numbers.notice, numbers.recording = self._notice(now - shot.arrived), self.recording
        # A notice lies on the frame, which must come back when it goes.
        again = fresh or (numbers.notice, numbers.recording) != before
        canvas = view.draw(shot.frame if again else None, shot.timestamp, numbers)
        if fresh and len(self.costs) < KEPT:
            self.costs.append(perf_counter() - begin)
        return Painted(canvas, again or counted)

    def waiting(self, seconds: float) -> Frame:
        """What is shown before the first frame has come: uint8 [H, W, 3] RGB."""
        width, height = self._size or WAITING
        canvas = np.zeros((height, width, 3), np.uint8)
        text = "looking for the camera" if self._grabber.lost else "no picture yet"
        box = Box(width // 20, height // 3, width - width // 10, height // 3)
        write(canvas, box, f"{text} ({seconds:.0f} s)", INK, size=height / 12)
        return canvas

    def forget(self) -> None:
        """The stream begins anew: an empty history, new figures."""
        self._worker.answers.clear()
        self._figured = float("-inf")
        if self.view is not None:
            self.view.forget()

    @property
    def dropped(self) -> int:
        """Frames that nobody looked at, for lack of time: of the model's thread, or of the one that decodes."""
        return self._worker.dropped + self._grabber.skipped

    def _open(self, frame: Frame) -> View:
        labels = tuple(label for runner in self._session.runners for label in runner.model.spec.labels)
        self.view = View(lay_out((frame.shape[1], frame.shape[0]), self._size, self.room), labels, self._mirror)
        return self.view

    def _notice(self, age: float) -> str | None:
        if self.paused:
            return "paused"
        if self._grabber.lost:
            return "camera lost: looking for it"
        interval = self._grabber.camera.interval or 1.0
        live = self._grabber.live
        if age > (interval + JITTER if live else max(CLIP_INTERVALS * interval, CLIP_SECONDS)):
            return f"no new picture for {age:.1f} s"
        return None

    def _count(self, view: View, now: float) -> None:
        self._figured = now
        if now - self._warmed >= WARMTH:
            self._warmed = now
            self._warmest = max(temperatures().values(), default=None)
        texts = figures(self._session.runner, self._grabber.camera.hertz, self.dropped, self._warmest)
        self._numbers.lines = in_lines(texts, view.layout.lines)
