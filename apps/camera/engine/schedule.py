"""Which frames the model gets, and when: the newest frame of a live source, or every due frame of a clip.

    EveryFrame    runs a clip as fast as possible and uses every due frame; results do not depend on the machine's speed
    NewestFrame   works in real time: a model that is busy gets the newest frame when it is free, and drops the others

The run loop (``edgeshift.apps.camera.app``) works with either: both have the same methods. Both raise a VideoError when
the source cannot be opened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from edgeshift.apps.camera.engine.grabber import Emit, Grabber
from edgeshift.apps.camera.engine.session import CapturedFrame, Session
from edgeshift.apps.camera.engine.slot import FrameSlot
from edgeshift.apps.camera.sources.base import Orientation, Source

#: Seconds for which the model's thread waits for a frame before it checks whether it should end.
POLL = 0.05
#: Seconds that the model has for a new frame before the frame is drawn.
HEAD_START = 0.004

#: Runs the model on a frame and reports the answer.
Process = Callable[[CapturedFrame], None]


class EveryFrame:
    """A clip, as fast as possible. All work is done in ``next``, so that nothing else needs to be started or stopped.

    Args:
        source: the clip; it is opened here.
        session: decides about each frame.
        process: runs the model on a frame and reports the answer.
        orientation: how frames are turned.
        seconds: time in the clip at which to end; None: at its end.

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
        """Do nothing: without a window there is no key for it."""

    def stop(self) -> None:
        """Close the clip."""
        self._feed.close()


class NewestFrame:
    """Real time: one thread reads the source, one runs the model, the caller draws. No thread waits for a slower one.

    Args:
        source: a live source, or a clip, which is played at its own speed; it is opened here.
        session: decides about each frame.
        process: runs the model on a frame and reports the answer, from the model's thread.
        orientation: how frames are turned.
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
        """Return the newest frame if it is a new one; wait up to ``timeout`` seconds for it.

        The model gets the frame first, because drawing at once would keep the interpreter from it.
        """
        captured = self._slot.newer(self._drawn, timeout)
        if captured is not None:
            self._drawn = captured.number
            self._slot.wait_idle(HEAD_START)
        elif self._slot.closed:
            self._thread.join(timeout)
        return captured

    def pause(self, paused: bool) -> None:
        """Stop or continue giving frames to the model. To continue resets the stream."""
        self._grabber.pause(paused)
        if not paused:
            self._session.reset()

    def stop(self) -> None:
        """End both threads; the model finishes the step it is in."""
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
