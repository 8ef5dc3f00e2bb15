"""A clip that is run as fast as it goes, drawn and recorded as it would have been shown."""

from __future__ import annotations

from pathlib import Path

from edgeshift.apps.camera.display.figures import figures, in_lines
from edgeshift.apps.camera.display.layout import lay_out
from edgeshift.apps.camera.display.recorder import RECORD_FPS, Recorder
from edgeshift.apps.camera.display.view import Numbers, View
from edgeshift.apps.camera.engine.session import Answer, Session
from edgeshift.video.clips import TimedFrame

#: Seconds of the clip between new figures.
FIGURES = 0.5


class Film:
    """Draws each frame and writes it. Arguments as of ``Recorder``, ``lay_out`` and ``View``."""

    def __init__(self, path: Path, session: Session, size: tuple[int, int] | None = None, mirror: bool = False) -> None:
        self.path = path
        self._session, self._size, self._mirror = session, size, mirror
        self._recorder = Recorder(path, RECORD_FPS, wait=True)
        self._view: View | None = None
        self._numbers = Numbers()
        self._counted = float("-inf")

    def take(self, timed: TimedFrame, answer: Answer | None) -> None:
        """Draw one frame, with the answer if it has one."""
        if self._view is None:
            frame = (timed.frame.shape[1], timed.frame.shape[0])
            self._view = View(lay_out(frame, self._size), self._session.runner.model.spec.labels, self._mirror)
        if answer is not None:
            self._view.hear(answer)
        if timed.timestamp - self._counted >= FIGURES:
            self._counted = timed.timestamp
            # No rate of a camera and no temperature: neither means anything at this speed.
            texts = figures(self._session.runner, None, 0, None)
            self._numbers.lines = in_lines(texts, self._view.layout.lines)
        self._recorder.add(self._view.draw(timed.frame, timed.timestamp, self._numbers), timed.timestamp)

    def close(self) -> bool:
        """Finish the file; False: there was no frame.

        Raises:
            EdgeshiftError: it cannot be written.
        """
        return self._recorder.close()
