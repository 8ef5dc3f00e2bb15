"""Which frames the model gets, and when: the newest frame of a live source, or every due frame of a clip.

    EveryFrame    runs a clip as fast as possible and feeds every due frame; the machine's speed does not change results
    NewestFrame   works in real time: when the model is free, it gets the newest frame, and older frames are dropped

Both have the same methods, so the run loop (``edgeshift.apps.camera.app``) works with either. Both raise a VideoError
if the source cannot be opened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from edgeshift.apps.camera.engine.grabber import Emit, Grabber
from edgeshift.apps.camera.engine.session import CapturedFrame, Session
from edgeshift.apps.camera.engine.slot import FrameSlot
from edgeshift.apps.camera.sources.base import Orientation, Source

#: Longest time that the model's thread waits for a frame before it checks whether it should end, seconds.
POLL = 0.05
#: Longest time that the drawing of a new frame waits for the model's step on that frame, seconds.
HEAD_START = 0.004

#: Runs the model on a frame and reports the answer.
Process = Callable[[CapturedFrame], None]


class EveryFrame:
    """Runs a clip as fast as possible. ``next`` does all the work, so there are no threads to start or stop.

    Args:
        source: the clip; it is opened here.
        session: decides which frames are due.
        process: runs the model on a frame and reports the answer.
        orientation: how frames are rotated and mirrored.
        seconds: time in the clip at which to end; None: run the whole clip.

    Attributes:
        ended: whether the clip has ended.
    """

    live = False
    error: BaseException | None = None

    def __init__(
        self, source: Source, session: Session, process: Process, orientation: Orientation, seconds: float | None
    ) -> None:
        self._feed, self._session, self._process = source.open(), session, process
        self._orientation, self._seconds = orientation, seconds
        self.ended = False

    def start(self) -> None:
        """Do nothing: there are no threads."""

    def next(self, timeout: float) -> CapturedFrame | None:
        """Read a frame, run the model on it if it is due, and return it; None: the clip has ended."""
        timestamp = self._feed.grab()
        if timestamp is None or (self._seconds is not None and timestamp >= self._seconds):
            self.ended = True
            return None
        counters = self._session.counters
        counters.grabbed += 1
        captured = self._session.capture(self._orientation(self._feed.retrieve()), timestamp, timestamp)
        if captured.due:
            self._process(captured)
        else:
            counters.not_due += 1
        return captured

    def pause(self, paused: bool) -> None:
        """Do nothing: a clip that runs as fast as possible has no window, and so no key to pause it."""

    def stop(self) -> None:
        """Close the clip."""
        self._feed.close()


class NewestFrame:
    """Runs in real time: one thread reads the source, one runs the model, and the caller draws.

    Args:
        source: a live source, or a clip, which is played at its own speed; it is opened here.
        session: decides which frames are due.
        process: runs the model on a frame and reports the answer; called from the model's thread.
        orientation: how frames are rotated and mirrored.
        emit: as in ``Grabber``.
        repeat: whether a clip starts again when it has ended.
    """

    live = True

    def __init__(
        self, source: Source, session: Session, process: Process, orientation: Orientation, emit: Emit, repeat: bool
    ) -> None:
        self._session, self._process, self._slot = session, process, FrameSlot(session.counters)
        self._grabber = Grabber(source, session, self._slot, orientation, emit, repeat)
        self._thread = threading.Thread(target=self._run_model, name="model", daemon=True)
        self._stopping = False
        self._failure: BaseException | None = None
        self._drawn = 0

    @property
    def ended(self) -> bool:
        """Whether the model's thread has ended: after the last frame of the source, or with an error."""
        return not self._thread.is_alive()

    @property
    def error(self) -> BaseException | None:
        """The error that ended one of the threads; None: no error."""
        return self._failure or self._slot.error

    def start(self) -> None:
        """Start the threads."""
        self._thread.start()
        self._grabber.start()

    def next(self, timeout: float) -> CapturedFrame | None:
        """Return the newest frame, or None if no new one comes within ``timeout`` seconds.

        First give the model time for its step, because drawing would hold Python's interpreter lock.
        """
        captured = self._slot.newer(self._drawn, timeout)
        if captured is not None:
            self._drawn = captured.number
            self._slot.wait_idle(HEAD_START)
        elif self._slot.closed:
            self._thread.join(timeout)
        return captured

    def pause(self, paused: bool) -> None:
        """Stop or continue feeding frames. When feeding continues, the stream is reset."""
        self._grabber.pause(paused)
        if not paused:
            self._session.reset()

    def stop(self) -> None:
        """End both threads, the model's thread after its current step."""
        self._stopping = True
        self._grabber.stop()
        self._slot.close()
        if self._thread.is_alive():
            self._thread.join()

    def _run_model(self) -> None:
        try:
            while not self._stopping and (self._slot.waiting or not self._slot.closed):
                captured = self._slot.take(POLL)
                if captured is not None:
                    self._process(captured)
        except Exception as error:
            self._failure = error
