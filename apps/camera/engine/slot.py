"""The newest frame, and nothing else: who is slow misses frames instead of falling behind."""

from __future__ import annotations

import threading
from time import monotonic
from typing import NamedTuple

from edgeshift.apps.camera.engine.session import Prefetched
from edgeshift.video.fit import Frame


class CapturedFrame(NamedTuple):
    """One frame of a source.

    Attributes:
        frame: uint8 [H, W, 3] RGB.
        timestamp: seconds on the source's clock; the stream is paced by it.
        arrived: seconds of ``time.monotonic`` when it was there.
        number: counts the frames put into the slot, from 1.
        run: counts how often the source epoch anew (a camera replugged, a clip repeated): states end there.
        ahead: the frame fitted for the network already, where it was due when it came.
    """

    frame: Frame
    timestamp: float
    arrived: float
    number: int
    run: int
    ahead: Prefetched | None = None


class NewestFrame:
    """A slot for one frame, with any number of readers. Putting never waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._shot: CapturedFrame | None = None
        self._closed = False
        #: Why it was closed; None: its source ended.
        self.error: BaseException | None = None

    def put(self, frame: Frame, timestamp: float, run: int = 0, ahead: Prefetched | None = None) -> None:
        """Replace the frame."""
        with self._changed:
            number = self._shot.number + 1 if self._shot else 1
            self._shot = CapturedFrame(frame, timestamp, monotonic(), number, run, ahead)
            self._changed.notify_all()

    def close(self, error: BaseException | None = None) -> None:
        """No more frames will come; the last stays to be read. The first reason given counts."""
        with self._changed:
            if not self._closed:
                self._closed, self.error = True, error
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether no more frames will come."""
        return self._closed

    def reader(self) -> Reader:
        """A reader that begins with the frame that is there now."""
        return Reader(self)

    def _newer(self, than: int, timeout: float) -> CapturedFrame | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._is_newer(than), timeout)
            return self._shot if self._is_newer(than) else None

    def _is_newer(self, than: int) -> bool:
        return self._shot is not None and self._shot.number > than


class Reader:
    """One reader's place. For one thread.

    Attributes:
        dropped: frames that were replaced before this reader looked.
    """

    def __init__(self, slot: NewestFrame) -> None:
        self._slot = slot
        self._seen: int | None = None
        self.dropped = 0

    def take(self, timeout: float = 0.0) -> CapturedFrame | None:
        """The newest frame that this reader has not seen.

        Args:
            timeout: seconds to wait for one.

        Returns:
            None: none came in time, or none will.
        """
        shot = self._slot._newer(self._seen or 0, timeout)
        if shot is not None:
            self.dropped += 0 if self._seen is None else shot.number - self._seen - 1
            self._seen = shot.number
        return shot

    @property
    def ended(self) -> bool:
        """Whether the source has ended and this reader has seen its last frame."""
        return self._slot.closed and not self._slot._is_newer(self._seen or 0)
