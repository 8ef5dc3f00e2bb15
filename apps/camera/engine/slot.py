"""The place between the thread that reads frames and the threads that use them: it keeps the newest frame only."""

from __future__ import annotations

import threading

from edgeshift.apps.camera.engine.counters import Counters
from edgeshift.apps.camera.engine.session import CapturedFrame


class FrameSlot:
    """Holds the newest frame for the display, and the newest frame that waits for the model. Putting never waits.

    The model has one reader, which takes frames; the display looks at them.

    Args:
        counters: updated for each frame: ``not_due`` and ``dropped``.

    Attributes:
        waiting: the frame that waits for the model; None: no frame waits.
        closed: whether no more frames will come.
        error: why the slot was closed; None: the source ended.
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
        """Add a frame. It waits for the model if it is due, or if it can replace an earlier frame that still waits."""
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
        """Add no more frames. Those in the slot can still be read. The first error given is kept."""
        with self._changed:
            if not self.closed:
                self.closed, self.error = True, error
            self._changed.notify_all()

    def take(self, timeout: float) -> CapturedFrame | None:
        """Take the frame for the model; wait up to ``timeout`` seconds for it. Ends the work on the frame before it."""
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.waiting is not None or self.closed, timeout)
            captured, self.waiting = self.waiting, None
            self._busy = captured is not None
            return captured

    def newer(self, number: int, timeout: float = 0.0) -> CapturedFrame | None:
        """Return the newest frame if its number is above ``number``; wait up to ``timeout`` seconds for one."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed or self._number > number, timeout)
            return self._newest if self._number > number else None

    def wait_idle(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds until the model has neither a frame waiting nor one in work."""
        with self._changed:
            self._changed.wait_for(lambda: self.waiting is None and not self._busy, timeout)
