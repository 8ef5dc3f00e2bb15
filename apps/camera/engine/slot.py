"""Passes frames from the thread that reads them to the threads that use them. Only the newest frame is kept."""

from __future__ import annotations

import threading

from edgeshift.apps.camera.engine.counters import Counters
from edgeshift.apps.camera.engine.session import CapturedFrame


class FrameSlot:
    """Holds the newest frame for the display, and the newest frame that waits for the model. ``put`` never blocks.

    One thread takes frames for the model. The display reads frames and leaves them in the slot.

    Args:
        counters: the counters whose ``not_due`` and ``dropped`` are updated for each frame.

    Attributes:
        waiting: the frame that waits for the model; None: no frame waits.
        closed: whether no more frames will come.
        error: the error because of which the slot was closed; None: the source ended without an error.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._changed = threading.Condition()
        self._newest: CapturedFrame | None = None
        self._number, self._busy = 0, False
        self.waiting: CapturedFrame | None = None
        self.closed = False
        self.error: BaseException | None = None

    def put(self, captured: CapturedFrame) -> None:
        """Add a frame. The model gets it if it is due, or in place of an earlier frame that still waits."""
        with self._changed:
            self._newest, self._number = captured, captured.number
            replaces = captured.fitted is not None and self.waiting is not None
            if captured.due or replaces:
                self._counters.dropped += self.waiting is not None
                self.waiting = captured
            else:
                self._counters.not_due += 1
            self._changed.notify_all()

    def close(self, error: BaseException | None = None) -> None:
        """Mark that no more frames will come. Frames in the slot can still be read. Only the first error is kept."""
        with self._changed:
            if not self.closed:
                self.closed, self.error = True, error
            self._changed.notify_all()

    def take(self, timeout: float) -> CapturedFrame | None:
        """Take the frame for the model, or None if none comes within ``timeout`` seconds.

        The call also means that the model has finished its work on the frame before.
        """
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.waiting is not None or self.closed, timeout)
            captured, self.waiting = self.waiting, None
            self._busy = captured is not None
            return captured

    def newer(self, number: int, timeout: float = 0.0) -> CapturedFrame | None:
        """Return the newest frame with a number above ``number``, or None if none comes within ``timeout`` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed or self._number > number, timeout)
            return self._newest if self._number > number else None

    def wait_idle(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds until no frame waits for the model and the model is not busy."""
        with self._changed:
            self._changed.wait_for(lambda: self.waiting is None and not self._busy, timeout)
