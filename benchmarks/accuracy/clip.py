"""Stream a clip: choose the frames that the network sees, and compute their logits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import StreamSpec
from edgeshift.stream import Stream
from edgeshift.video.clips import TimedFrame, paced, uniform

#: Frames of a clip if the artifact knows neither its frame spacing nor the number of frames of its training clips.
FRAMES = 8


@dataclass(frozen=True, eq=False)
class FrameLogits:
    """The timestamps of a clip's frames, seconds, float64 [T], and their logits, float32 [T, classes]."""

    times: npt.NDArray[np.float64]
    logits: npt.NDArray[np.float32]


def stream_clip(stream: Stream, path: Path) -> FrameLogits:
    """Stream a clip from fresh states. Frames and errors as ``clip_frames``."""
    stream.reset()
    times, logits = [], []
    for frame, timestamp in clip_frames(stream.spec, path):
        # No timestamp is given to the stream, so it processes every frame; all of them are due.
        logits.append(stream.step(frame).logits)
        times.append(timestamp)
    return FrameLogits(np.array(times, np.float64), np.stack(logits))


def clip_frames(spec: StreamSpec, path: Path) -> Iterator[TimedFrame]:
    """Return the frames of a clip that the network sees.

    Frames are chosen by their timestamps, at the frame spacing the network was trained with. If the artifact does not
    know it, as many frames as its training clips had, or else ``FRAMES``, are spread evenly over the clip.

    Raises:
        VideoError: the clip cannot be read to its end.
    """
    if spec.frame_spacing is not None:
        return paced(path, spec.frame_spacing)
    return iter(uniform(path, spec.clip_frames or FRAMES))
