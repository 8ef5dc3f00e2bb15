"""Records the shown pictures as a video, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Full, Queue

from edgeshift.errors import EdgeshiftError
from edgeshift.video.clips import write_video
from edgeshift.video.fit import Frame

#: Frames per second of a recorded video.
RECORD_FPS = 20.0
#: Pictures that may wait for the encoder.
QUEUE_SIZE = 8
#: Longest time for which a picture is repeated, seconds, so that an hour without a camera adds no hour of video.
LONGEST = 10.0


class Recorder:
    """Writes pictures that arrive at any times as a video with a fixed frame rate.

    Each picture is repeated until the next one. The file gets its name only when it is complete.

    Args:
        path: path of the video, which ends in .mp4 (width and height must be even) or .avi.
        fps: frames per second of the video.
        wait: wait when the encoder is behind; False: leave pictures out.

    Attributes:
        written: number of frames that were passed to the encoder.
        left_out: number of pictures that were left out, because the encoder was behind.
    """

    def __init__(self, path: Path, fps: float, *, wait: bool = False) -> None:
        self.path, self.fps = path, fps
        self.written = self.left_out = 0
        self._wait, self._ended = wait, False
        self._queue: Queue[tuple[Frame, int] | None] = Queue(QUEUE_SIZE)
        self._error: Exception | None = None
        self._start: float | None = None
        self._last = 0.0
        self._thread = threading.Thread(target=self._write, name="recorder", daemon=True)
        self._thread.start()

    def add(self, picture: Frame, timestamp: float) -> None:
        """Add a picture.

        Args:
            picture: uint8 [H, W, 3] RGB; it is copied.
            timestamp: seconds. If it is before the last one, the video continues as if no time had passed.

        Raises:
            EdgeshiftError: the video cannot be written.
        """
        if self._error is not None:
            self.close()
            raise self._error
        if self._start is None:
            self._start = self._last = timestamp
        step = timestamp - self._last
        if not 0 <= step <= LONGEST:
            self._start += step - (0 if step < 0 else LONGEST)
        self._last = timestamp
        # With this many more frames, the video is as long as the time that has passed.
        count = round((timestamp - self._start) * self.fps) + 1 - self.written
        if count < 1:
            return
        try:
            self._queue.put((picture.copy(), count), block=self._wait)
            self.written += count
        except Full:
            self.left_out += 1  # the next picture fills the time of this one too

    def close(self) -> bool:
        """Complete the video. Returns False if there is no video, because no picture was added.

        Raises:
            EdgeshiftError: the video cannot be written.
        """
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        if self._error is not None and self.written:
            raise self._error
        return self._error is None

    def _write(self) -> None:
        try:
            write_video(self.path, self._pictures(), self.fps)
        except Exception as error:
            self._error = error if isinstance(error, EdgeshiftError) else EdgeshiftError(f"{self.path}: {error}")
            while not self._ended:  # empty the queue, so that ``add`` and ``close`` do not wait for a failed encoder
                self._ended = self._queue.get() is None

    def _pictures(self) -> Iterator[Frame]:
        while (item := self._queue.get()) is not None:
            picture, count = item
            for _ in range(count):
                yield picture
        self._ended = True
