"""Stream a clip: choose the frames that the network processes, and compute their logits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import StreamSpec
from edgeshift.stream import Stream
from edgeshift.video.clips import TimedFrame, paced, uniform

#: Number of frames to choose if the description has neither a frame spacing nor a length of the training clips.
FRAMES = 8


@dataclass(frozen=True, eq=False)
class FrameLogits:
    """The timestamps of a clip's frames, seconds, float64 [T], and their logits, float32 [T, classes]."""

    times: npt.NDArray[np.float64]
    logits: npt.NDArray[np.float32]


def stream_clip(stream: Stream, path: Path, fps: float | None = None) -> FrameLogits:
    """Stream a clip from fresh states. Frames and errors as ``clip_frames``."""
    stream.reset()
    times, logits = [], []
    for frame, timestamp in clip_frames(stream.spec, path, fps):
        # Without a timestamp, the stream processes every frame. All frames of ``clip_frames`` are due.
        logits.append(stream.step(frame).logits)
        times.append(timestamp)
    return FrameLogits(np.array(times, np.float64), np.stack(logits))


def clip_frames(spec: StreamSpec, path: Path, fps: float | None = None) -> Iterator[TimedFrame]:
    """Return the frames of a clip that the network is fed with, and their timestamps.

    Frames are chosen by their timestamps, at the frame spacing of the description. Without a frame spacing, frames are
    spread evenly over the clip: as many as a training clip had, or else ``FRAMES``. A clip without times has ``fps``
    frames per second.

    Raises:
        VideoError: the clip cannot be read to its end.
    """
    if spec.frame_spacing is not None:
        return paced(path, spec.frame_spacing, fps=fps)
    return iter(uniform(path, spec.clip_frames or FRAMES, fps=fps))
