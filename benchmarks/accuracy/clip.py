"""What a stream answers to one clip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshift.stream import Stream
from edgeshift.video import paced, uniform

#: Frames of a clip where the artifact knows neither its spacing nor its number of frames.
FRAMES = 8


@dataclass(frozen=True, eq=False)
class Answers:
    """times: float64 [T], seconds of the frames that were fed. logits: float32 [T, classes]."""

    times: npt.NDArray[np.float64]
    logits: npt.NDArray[np.float32]


def stream_clip(stream: Stream, path: Path) -> Answers:
    """Stream a clip from the start of the states.

    Frames are taken by their timestamps at the spacing the network was trained with. Where the artifact does not know
    it, as many frames as its training clips had (or ``FRAMES``) are spread over the clip.

    Raises:
        VideoError: a clip that cannot be read, or breaks off.
    """
    spec = stream.spec
    if spec.frame_spacing is not None:
        frames: Any = paced(path, spec.frame_spacing)
    else:
        frames = uniform(path, spec.clip_frames or FRAMES)
    stream.reset()
    times, logits = [], []
    for frame, timestamp in frames:
        # Without the time: the frames are those that are due.
        logits.append(stream.step(frame).logits)
        times.append(timestamp)
    return Answers(np.array(times, np.float64), np.stack(logits))
