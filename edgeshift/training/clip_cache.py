"""Decoded video clips that stay in memory, because a training run uses each clip many times."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeshift.errors import TrainingError
from edgeshift.video.clips import paced
from edgeshift.video.fit import FrameSpec, fit_frame

#: Largest number of frames of a clip. A longer video is not a clip trimmed to one gesture.
MAX_FRAMES = 512
#: Bytes of decoded clips that each process keeps.
CACHE_BYTES = 512 << 20

Pixels = npt.NDArray[np.uint8]


class ClipCache:
    """Decoded clips in memory. The least recently used ones are dropped.

    Args:
        limit: largest total size of the clips, bytes. A larger clip is not kept.
        decode: function that returns the frames of a clip.

    Attributes:
        bytes: total size of the clips in the cache.
    """

    def __init__(self, limit: int, decode: Callable[[Path, float, FrameSpec, float | None], Pixels]) -> None:
        self._limit, self._decode = limit, decode
        self._clips: OrderedDict[tuple[Path, float, FrameSpec, float | None], Pixels] = OrderedDict()
        self.bytes = 0

    def get(self, path: Path, spacing: float, spec: FrameSpec, fps: float | None = None) -> Pixels:
        """Return the frames of a clip, ``spacing`` seconds apart. The array is shared: do not write to it.

        A clip without times has ``fps`` frames per second.
        """
        key = (path, spacing, spec, fps)
        if key in self._clips:
            self._clips.move_to_end(key)
            return self._clips[key]
        clip = self._decode(path, spacing, spec, fps)
        if clip.nbytes <= self._limit:
            self._clips[key] = clip
            self.bytes += clip.nbytes
        while self.bytes > self._limit:
            self.bytes -= self._clips.popitem(last=False)[1].nbytes
        return clip


def _decode(path: Path, spacing: float, spec: FrameSpec, fps: float | None) -> Pixels:
    frames = [fit_frame(timed.frame, spec) for timed in islice(paced(path, spacing, fps=fps), MAX_FRAMES + 1)]
    if len(frames) > MAX_FRAMES:
        raise TrainingError(
            f"{path}: more than {MAX_FRAMES} frames, {spacing:g} s apart: cut it into clips of one gesture each"
        )
    return np.stack(frames)


#: The cache of this process.
CACHE = ClipCache(CACHE_BYTES, _decode)
