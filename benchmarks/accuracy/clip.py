"""What a stream answers to one clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import StreamSpec
from edgeshift.stream import Stream
from edgeshift.video.clips import TimedFrame, paced, uniform

#: Frames of a clip where the artifact knows neither its spacing nor its number of frames.
FRAMES = 8


@dataclass(frozen=True, eq=False)
class Answers:
    """times: float64 [T], seconds of the frames that were fed. logits: float32 [T, classes]."""

    times: npt.NDArray[np.float64]
    logits: npt.NDArray[np.float32]


def stream_clip(stream: Stream, path: Path) -> Answers:
    """Stream a clip from the start of the states. Frames and errors as of ``clip_frames``."""
    stream.reset()
    times, logits = [], []
    for frame, timestamp in clip_frames(stream.spec, path):
        # Without the time: the frames are those that are due.
        logits.append(stream.step(frame).logits)
        times.append(timestamp)
    return Answers(np.array(times, np.float64), np.stack(logits))


def clip_frames(spec: StreamSpec, path: Path) -> Iterator[TimedFrame]:
    """The frames of a clip that a network is to see.

    They are taken by their timestamps at the spacing the network was trained with. Where the artifact does not know it,
    as many frames as its training clips had (or ``FRAMES``) are spread over the clip.

    Raises:
        VideoError: a clip that cannot be read, or breaks off.
    """
    if spec.frame_spacing is not None:
        return paced(path, spec.frame_spacing)
    return iter(uniform(path, spec.clip_frames or FRAMES))
