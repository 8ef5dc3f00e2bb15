"""Frames to measure with: as a camera would give them, a short drawn gesture or a clip, played round and round."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeshift.errors import EdgeshiftError, VideoError
from edgeshift.gestures import draw_stream
from edgeshift.video.clips import read_video
from edgeshift.video.fit import Frame, FrameSpec, fit_frame

#: More than any cache holds, little enough to be sent to a board.
COUNT = 16
SEED, SPACING = 700_000_000, 0.125
DRAWN = "drawn"


def read_frames(source: str, width: int, height: int, count: int = COUNT) -> npt.NDArray[np.uint8]:
    """Frames of one size.

    Args:
        source: "drawn", or a clip. width, height: pixels. count: frames; a shorter clip gives fewer.

    Returns:
        uint8 [count, height, width, 3], RGB.

    Raises:
        VideoError: a clip that cannot be read.
    """
    frames: list[Frame]
    if source == DRAWN:
        size = max(width, height)
        # Drawn small and enlarged: what is in the pictures costs nothing to step through, drawing them large would.
        frames = draw_stream(SEED, seconds=count * SPACING, spacing=SPACING, size=min(size, 224)).frames[:count]  # type: ignore[assignment]
    else:
        try:
            frames = [timed.frame for timed in islice(read_video(Path(source)), count)]
        except EdgeshiftError as error:
            raise VideoError(f"--source {source}: {error}") from error
    spec = FrameSpec(height, width)
    return np.stack([fit_frame(np.ascontiguousarray(frame), spec) for frame in frames])
