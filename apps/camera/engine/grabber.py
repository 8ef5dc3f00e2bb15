"""The thread that reads a source: it paces clips, finds lost cameras again, and keeps nothing but the newest frame."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

from edgeshift.apps.camera.engine.meter import Rate
from edgeshift.apps.camera.engine.session import Prefetched
from edgeshift.apps.camera.engine.slot import NewestFrame
from edgeshift.apps.camera.sources.base import Feed, Orientation, Source
from edgeshift.errors import VideoError, one_line
from edgeshift.video.fit import Frame

#: Seconds between attempts to open a lost camera: doubled from the first to the last.
FIRST_WAIT, LAST_WAIT = 0.5, 8.0
#: Seconds in which frames that cannot be decoded do not make a camera a lost one: a damaged picture is no unplugging.
LENIENCE = 1.0
#: Seconds that the end waits for a camera that hangs; the thread does not keep the process alive.
FAREWELL = 1.0

Tell = Callable[..., None]
Fit = Callable[[Frame, float], Prefetched | None]


class Grabber(threading.Thread):
    """Reads an open source into a slot until it ends or is stopped.

    Args:
        source: to open again when it is lost, or repeated.
        feed: of the source, opened by the caller so that what cannot be opened is his error.
        slot: takes the frames. orientation: how they are turned.
        fit: makes of a frame and its time what the model will take, if it will: here the frame is in the caches still.
        tell: is told "lost" (reason=, wait=), "back" and "again" (a repeated clip), from this thread.
        repeat: whether a clip begins anew when it has ended.
        first_wait: seconds before a lost camera is first looked for.

    Attributes:
        camera: the rate at which frames come, whether or not anybody has time for them.
    """

    def __init__(
        self,
        source: Source,
        feed: Feed,
        slot: NewestFrame,
        *,
        orientation: Orientation | None = None,
        fit: Fit = lambda _frame, _timestamp: None,
        tell: Tell = lambda *_, **__: None,
        repeat: bool = False,
        first_wait: float = FIRST_WAIT,
    ) -> None:
        super().__init__(name="grabber", daemon=True)
        self._source, self._feed, self._slot = source, feed, slot
        self._orient = orientation or Orientation()
        self._fit = fit
        self._tell, self._repeat, self._first_wait = tell, repeat, first_wait
        self._wait: float | None = None
        self.camera = Rate()
        self._ending = threading.Event()
        self._going = threading.Event()
        self._going.set()
        self._epoch = 0
        #: Frames of a clip that were not even decoded, because their time had passed.
        self.skipped = 0
        #: Whether a camera is away.
        self.lost = False

    def run(self) -> None:
        """The thread."""
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

    @property
    def live(self) -> bool:
        """Whether what it reads goes on by itself."""
        return self._source.live

    def pause(self, paused: bool) -> None:
        """Hold a clip where it is. A camera goes on, but its frames are not kept."""
        self._going.clear() if paused else self._going.set()

    def stop(self) -> None:
        """End the thread; a camera that hangs is left to it."""
        self._ending.set()
        self._going.set()
        if self.is_alive():
            self.join(FAREWELL)

    def _read_live(self) -> None:
        damaged: float | None = None
        while not self._ending.is_set():
            try:
                timestamp = self._feed.grab()
            except VideoError as error:
                self._find_again(one_line(error))
                continue
            if timestamp is None:
                self._find_again("no more pictures come from it")
                continue
            self.camera.tick(monotonic())
            if not self._going.is_set():
                continue
            try:
                self._hand_over(timestamp)
            except VideoError as error:
                damaged = monotonic() if damaged is None else damaged
                if monotonic() - damaged > LENIENCE:
                    damaged = None
                    self._find_again(one_line(error))
                continue
            # It is at work again: the next loss is a new one.
            damaged, self._wait = None, None

    def _hand_over(self, timestamp: float) -> None:
        frame = self._orient(self._feed.retrieve())
        self._slot.put(frame, timestamp, self._epoch, self._fit(frame, timestamp))

    def _find_again(self, reason: str) -> None:
        """Open the source until it works, less and less often: also one that opens and then gives no picture."""
        self.lost = True
        wait = self._longer()
        self._tell("lost", reason=reason, wait=wait)
        self._feed.close()
        while not self._ending.wait(wait):
            try:
                self._feed = self._source.open()
            except VideoError:
                wait = self._longer()
                continue
            self._epoch += 1
            self.lost = False
            self.camera.reset()
            self._tell("back")
            return

    def _longer(self) -> float:
        self._wait = self._first_wait if self._wait is None else min(2 * self._wait, LAST_WAIT)
        return self._wait

    def _play(self) -> None:
        while not self._ending.is_set():
            self._play_once()
            if not self._repeat or self._ending.is_set():
                return
            self._feed.close()
            self._feed = self._source.open()
            self._epoch += 1
            self.camera.reset()
            self._tell("again")

    def _play_once(self) -> None:
        """Each frame when it is due by the clip's own times; those whose time has passed are skipped."""
        origin, last = None, 0.0
        while (timestamp := self._feed.grab()) is not None:
            if not self._going.is_set():
                held = monotonic()
                self._going.wait()
                origin = None if origin is None else origin + monotonic() - held
                self.camera.reset()
            if origin is None:
                origin = monotonic() - timestamp
            wait = origin + timestamp - monotonic()
            if self._ending.wait(max(0.0, wait)):
                return
            self.camera.tick(monotonic())
            # Late by more than the distance of two frames: the next one is due already.
            if wait < -max(timestamp - last, 0.0) and wait < -0.02:
                self.skipped += 1
            else:
                self._hand_over(timestamp)
            last = timestamp
