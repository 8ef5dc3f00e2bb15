"""The frames of a measurement: those of a drawn gesture or of a clip. The timed loop repeats them from the start."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeshift.errors import EdgeshiftError, VideoError
from edgeshift.gestures import draw_stream
from edgeshift.video.clips import read_video
from edgeshift.video.fit import Frame, FrameSpec, fit_frame

#: Number of frames: enough that they do not all stay in a cache, and few enough to be copied to a board quickly.
COUNT = 16
#: Seed of the drawn gesture, and seconds between its frames.
SEED, SPACING = 700_000_000, 0.125
#: Name of the source whose frames are drawn and not read from a file.
DRAWN = "drawn"


def read_frames(source: str, width: int, height: int, count: int = COUNT) -> npt.NDArray[np.uint8]:
    """Return frames of one size.

    Args:
        source: "drawn", or the path of a clip.
        width, height: size of the frames, pixels.
        count: number of frames; a shorter clip gives fewer.

    Returns:
        uint8 [count, height, width, 3], RGB.

    Raises:
        VideoError: the clip cannot be read.
    """
    frames: list[Frame]
    if source == DRAWN:
        # Frames are drawn small and enlarged: drawing large ones is slow, and content does not affect a step's time.
        size = min(max(width, height), 224)
        frames = draw_stream(SEED, seconds=count * SPACING, spacing=SPACING, size=size).frames[:count]  # type: ignore[assignment]
    else:
        try:
            frames = [timed.frame for timed in islice(read_video(Path(source)), count)]
        except EdgeshiftError as error:
            raise VideoError(f"--source {source}: {error}") from error
    spec = FrameSpec(height, width)
    return np.stack([fit_frame(np.ascontiguousarray(frame), spec) for frame in frames])
