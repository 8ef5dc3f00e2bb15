"""The clips that a page runs for ``edgeshift eval``. Each one is decoded when the page asks for it."""

from __future__ import annotations

import gzip
import struct
import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

#: Most bytes of one clip. A phone's browser keeps two clips in memory.
MAX_CLIP = 256 << 20
#: Seconds for which the page's first request waits until the clips are known.
WAIT = 60.0
#: The header of a clip: its index, and its number of frames.
HEADER = struct.Struct("<II")


class ClipFeed:
    """Gives the page the clips whose logits have not arrived yet.

    The page may ask for the next clip while it runs one, and it may be opened again: then it gets the clips again that
    it has not answered.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._read: Callable[[int], npt.NDArray[np.uint8] | None] | None = None
        self._count = 0
        self._done: set[int] = set()
        self._encoded: dict[int, bytes] = {}
        #: What ``read`` raised; None: nothing.
        self.error: Exception | None = None

    def open(self, count: int, read: Callable[[int], npt.NDArray[np.uint8] | None]) -> None:
        """Offer clips to the page.

        Args:
            count: number of clips.
            read: returns the fitted frames of the clip with an index, uint8 [T, height, width, 3]; None: the clip
                cannot be read, and the page gets the next one. It is called from the server's threads, one at a time.
        """
        with self._changed:
            self._count, self._read = count, read
            self._changed.notify_all()

    def next(self, first: int) -> bytes | None:
        """Return the first clip from index ``first`` on that has no answer yet; None: there is none.

        Returns:
            ``HEADER`` and the bytes of the frames, compressed with gzip.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._read is not None, WAIT):
                return None
            assert self._read is not None
            for index in range(first, self._count):
                if index in self._done:
                    continue
                if index not in self._encoded:
                    try:
                        frames = self._read(index)
                    except Exception as error:
                        self.error = error
                        raise
                    if frames is None:
                        self._done.add(index)
                        continue
                    # Level 1 compresses fastest, and each clip is usually sent once.
                    data = HEADER.pack(index, len(frames)) + frames.tobytes()
                    self._encoded[index] = gzip.compress(data, compresslevel=1, mtime=0)
                    for old in sorted(self._encoded)[:-2]:
                        del self._encoded[old]
                return self._encoded[index]
        return None

    def answered(self, index: int) -> bool:
        """Count a clip as answered. Return False if it was answered before, or does not exist."""
        with self._changed:
            new = index < self._count and index not in self._done
            self._done.add(index)
            self._encoded.pop(index, None)
            return new
