"""Records the sound beside a recorded video as a .wav file, in a thread of its own."""

from __future__ import annotations

import threading
import wave
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
import numpy.typing as npt

from edgeshift._system.files import atomic_write
from edgeshift.apps.camera.display.recorder import LONGEST
from edgeshift.apps.camera.microphones.base import Piece
from edgeshift.errors import EdgeshiftError
from edgeshift.stream.ear import GAP

#: A piece that begins this many seconds before the end of the one before means that the clip has started again.
AGAIN = 1.0


class SoundRecorder:
    """Writes pieces of sound as a .wav file with 16 bits. Gaps become silence, so that the sound fits the video.

    The file gets its name only when it is complete.

    Args:
        path: path of the file.
        start: time at which the video begins, seconds on the clock of the sound. Samples before it are left out.
    """

    def __init__(self, path: Path, start: float) -> None:
        self.path = path
        self._start, self._rate, self._written = start, 0, 0
        self._queue: SimpleQueue[Piece | None] = SimpleQueue()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._write, name="sound recorder", daemon=True)
        self._thread.start()

    def add(self, piece: Piece) -> None:
        """Add a piece. Never waits for the disk; any thread may call this."""
        if self._error is None:
            self._queue.put(piece)

    def close(self) -> bool:
        """Complete the file. Returns False if there is none, because no sound was added.

        Raises:
            EdgeshiftError: the file cannot be written.
        """
        self._queue.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._rate > 0

    def _write(self) -> None:
        try:
            piece = self._queue.get()
            if piece is None:
                return
            with atomic_write(self.path) as part, wave.open(str(part), "wb") as file:
                self._rate = piece.rate
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(piece.rate)
                while piece is not None:
                    samples = self._placed(piece)
                    file.writeframes(np.floor(samples * 32768 + 0.5).clip(-32768, 32767).astype("<i2").tobytes())
                    self._written += len(samples)
                    piece = self._queue.get()
        except Exception as error:
            self._error = error if isinstance(error, EdgeshiftError) else EdgeshiftError(f"{self.path}: {error}")
            self._empty()

    def _placed(self, piece: Piece) -> npt.NDArray[np.float32]:
        """Return what to write for a piece: with silence before it, or without samples that were written already."""
        if piece.rate != self._rate:  # another microphone took the place of the first one
            return np.empty(0, np.float32)
        missing = piece.timestamp - self._start - self._written / self._rate
        if missing > LONGEST or (self._written and missing < -AGAIN):  # as in the video, which does not stand still
            kept = LONGEST if missing > LONGEST else 0.0
            self._start += missing - kept
            missing = kept
        if abs(missing) <= GAP and self._written:
            return piece.samples
        count = round(missing * self._rate)
        return np.concatenate([np.zeros(max(count, 0), np.float32), piece.samples[max(-count, 0) :]])

    def _empty(self) -> None:
        try:
            while True:
                self._queue.get_nowait()
        except Empty:
            return
