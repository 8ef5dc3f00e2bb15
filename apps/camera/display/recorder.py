"""Writing what is shown as a video, beside the thread that shows it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Full, Queue

from edgeshift.errors import EdgeshiftError
from edgeshift.video.clips import write_video
from edgeshift.video.fit import Frame

#: Frames per second of a recorded video.
RECORD_FPS = 20.0
#: Pictures that may wait for the encoder.
WAITING = 8
#: One picture stands for this much time at most, seconds: a camera that was away is no hour of video.
LONGEST = 10.0


class Recorder:
    """A video of a fixed rate, made of pictures that come when they come: each stands until the next.

    The file has its name only when it is whole.

    Args:
        path: ends in .mp4 (even sides) or .avi. fps: of the file. wait: wait for an encoder that is behind, instead of
            leaving pictures out.
    """

    def __init__(self, path: Path, fps: float, *, wait: bool = False) -> None:
        self.path, self.fps = path, fps
        self.written = self.left_out = 0
        self._wait = wait
        self._queue: Queue[tuple[Frame, int] | None] = Queue(WAITING)
        self._error: Exception | None = None
        self._start: float | None = None
        self._last = 0.0
        self._thread = threading.Thread(target=self._write, name="recorder", daemon=True)
        self._thread.start()

    def add(self, picture: Frame, timestamp: float) -> None:
        """Take a picture.

        Args:
            picture: uint8 [H, W, 3] RGB, copied. timestamp: seconds; a clock that jumps back goes on from the last.

        Raises:
            EdgeshiftError: the video cannot be written.
        """
        if self._error is not None:
            raise self._error
        if self._start is None:
            self._start = self._last = timestamp
        step = timestamp - self._last
        if not 0 <= step <= LONGEST:
            self._start += step - (0 if step < 0 else LONGEST)
        self._last = timestamp
        # So many must there be with this one for the video to be as long as the time that passed.
        count = round((timestamp - self._start) * self.fps) + 1 - self.written
        if count < 1:
            return
        try:
            self._put((picture.copy(), count))
            self.written += count
        except Full:
            self.left_out += 1  # the next stands for this one's time too

    def close(self) -> bool:
        """Finish the file.

        Returns:
            Whether there is one: without a picture there is none.

        Raises:
            EdgeshiftError: it cannot be written.
        """
        while self._thread.is_alive():
            try:
                self._queue.put(None, timeout=0.1)
                break
            except Full:
                continue
        self._thread.join()
        if self._error is not None and self.written:
            raise self._error
        return self._error is None

    def _put(self, item: tuple[Frame, int]) -> None:
        if not self._wait:
            self._queue.put_nowait(item)
            return
        while self._error is None:
            try:
                self._queue.put(item, timeout=0.1)
                return
            except Full:
                continue

    def _write(self) -> None:
        try:
            write_video(self.path, self._pictures(), self.fps)
        except Exception as error:
            self._error = error if isinstance(error, EdgeshiftError) else EdgeshiftError(f"{self.path}: {error}")
            while True:  # nobody waits for a place in the queue of an encoder that is gone
                try:
                    self._queue.get_nowait()
                except Empty:
                    return

    def _pictures(self) -> Iterator[Frame]:
        while (item := self._queue.get()) is not None:
            picture, count = item
            for _ in range(count):
                yield picture
