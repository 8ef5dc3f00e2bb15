"""The thread that reads a source in real time: it plays clips at their own speed and reopens lost cameras."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

from edgeshift.apps.camera.engine.session import Session
from edgeshift.apps.camera.engine.slot import FrameSlot
from edgeshift.apps.camera.sources.base import Orientation, Source
from edgeshift.errors import VideoError, one_line

#: Shortest and longest wait before an attempt to reopen a lost camera, seconds. Each wait is twice the one before.
FIRST_WAIT, LAST_WAIT = 0.5, 8.0
#: A camera counts as lost when it has given only frames that cannot be decoded for this long, seconds.
DAMAGE_TOLERANCE = 1.0
#: Longest time that ``Grabber.stop`` waits for the thread, seconds, because a camera may hang.
STOP_TIMEOUT = 1.0
#: A frame of a clip is skipped if it is late by more than this (seconds), and by more than one frame interval.
LATENESS = 0.02

#: Reports an event of the run. Called with the event's name, and with its details as keyword arguments.
Emit = Callable[..., None]


class Grabber(threading.Thread):
    """Reads a source until it ends or is stopped, and puts its frames into a slot.

    Args:
        source: the source. It is opened here, and opened again when it is lost or repeated.
        session: decides which frames are due, and has the counters.
        slot: takes the frames.
        orientation: how frames are rotated and mirrored, before they are fitted or shown.
        emit: called from this thread with "lost" (reason=, wait=) and "back" for a camera, and with "again" when a
            clip is repeated.
        repeat: whether a clip starts again when it has ended.

    Raises:
        VideoError: the source cannot be opened.
    """

    def __init__(
        self, source: Source, session: Session, slot: FrameSlot, orientation: Orientation, emit: Emit, repeat: bool
    ) -> None:
        super().__init__(name="grabber", daemon=True)
        self._source, self._session, self._slot = source, session, slot
        self._orient, self._emit, self._repeat = orientation, emit, repeat
        self._feed = source.open()
        self._counters = session.counters
        self._wait: float | None = None
        self._stopping = threading.Event()
        self._running = threading.Event()
        self._running.set()

    def run(self) -> None:
        """Read until the source ends or ``stop`` is called. An error is passed to the slot."""
        try:
            if self._source.live:
                self._read_live()
            else:
                self._play()
        except Exception as error:
            self._slot.close(error)
        else:
            self._slot.close()
        finally:
            self._feed.close()

    def pause(self, paused: bool) -> None:
        """Stop or continue passing frames on. A paused clip stands still; a paused camera is read, to stay current."""
        self._running.clear() if paused else self._running.set()

    def stop(self) -> None:
        """End the thread. If its camera hangs, the thread is left running; it does not keep the process alive."""
        self._stopping.set()
        self._running.set()
        if self.is_alive():
            self.join(STOP_TIMEOUT)

    def _read_live(self) -> None:
        damaged_since: float | None = None
        while not self._stopping.is_set():
            try:
                timestamp = self._feed.grab()
            except VideoError as error:
                self._reopen(one_line(error))
                continue
            if timestamp is None:
                self._reopen("it gives no more frames")
                continue
            self._count()
            if not self._running.is_set():
                continue
            try:
                self._pass_on(timestamp)
            except VideoError as error:
                damaged_since = monotonic() if damaged_since is None else damaged_since
                if monotonic() - damaged_since > DAMAGE_TOLERANCE:
                    damaged_since = None
                    self._reopen(one_line(error))
                continue
            # The camera works, so the waits start at the shortest one when it is lost the next time.
            damaged_since, self._wait = None, None

    def _count(self) -> None:
        self._counters.grabbed += 1
        self._counters.camera.tick(monotonic())

    def _pass_on(self, timestamp: float) -> None:
        frame = self._orient(self._feed.retrieve())
        self._slot.put(self._session.capture(frame, timestamp, replaces=self._slot.waiting is not None))

    def _reopen(self, reason: str) -> None:
        """Try to open the camera until it opens. The waits also grow if it opens, but no frame follows."""
        self._counters.losses += 1
        self._counters.camera_lost = True
        wait = self._next_wait()
        self._emit("lost", reason=reason, wait=wait)
        self._feed.close()
        while not self._stopping.wait(wait):
            try:
                self._feed = self._source.open()
            except VideoError:
                wait = self._next_wait()
                continue
            self._counters.camera_lost = False
            self._start_again("back")
            return

    def _next_wait(self) -> float:
        self._wait = FIRST_WAIT if self._wait is None else min(2 * self._wait, LAST_WAIT)
        return self._wait

    def _start_again(self, event: str) -> None:
        """Reset the stream and the measured rate after the source was opened again, and report that."""
        self._session.reset()
        self._counters.camera.reset()
        self._emit(event)

    def _play(self) -> None:
        while not self._stopping.is_set():
            self._play_once()
            if not self._repeat or self._stopping.is_set():
                return
            self._feed.close()
            self._feed = self._source.open()
            self._start_again("again")

    def _play_once(self) -> None:
        """Pass on each frame at its time in the clip. Skip frames that are too late."""
        origin, last = None, 0.0
        while (timestamp := self._feed.grab()) is not None:
            if not self._running.is_set():
                paused = monotonic()
                self._running.wait()
                origin = None if origin is None else origin + monotonic() - paused
                self._counters.camera.reset()
            if origin is None:
                origin = monotonic() - timestamp
            wait = origin + timestamp - monotonic()
            if self._stopping.wait(max(0.0, wait)):
                return
            self._count()
            # A frame that is late by more than one frame interval is skipped, because the next one should be shown now.
            if wait < -max(timestamp - last, LATENESS):
                self._counters.skipped += 1
            else:
                self._pass_on(timestamp)
            last = timestamp
