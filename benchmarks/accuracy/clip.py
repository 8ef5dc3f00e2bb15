"""Stream a clip: choose the frames that the network processes, and compute their logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.description import CLIP_FRAMES
from edgeshift.artifact.spec import StreamSpec
from edgeshift.stream import Prediction, Stream
from edgeshift.stream.placement import Placement
from edgeshift.stream.sequence import answered_frames, answers
from edgeshift.video.clips import TimedFrame, paced, uniform
from edgeshift.video.dataset import LabelledClip
from edgeshift.video.fit import Frame, fit_frame


@dataclass(frozen=True, eq=False)
class FrameLogits:
    """The timestamps of a clip's answers, seconds, float64 [T], and their logits, float32 [T, classes].

    There is an answer for each frame, or for a clip artifact at each hop. ``ran_on`` says where a device ran the graph;
    None: this machine ran it, or the device does not say it.
    """

    times: npt.NDArray[np.float64]
    logits: npt.NDArray[np.float32]
    ran_on: Placement | None = None


def stream_clip(
    stream: Stream,
    path: Path,
    fps: float | None = None,
    logits_of: Callable[[Prediction], npt.NDArray[np.float32]] = attrgetter("logits"),
) -> FrameLogits:
    """Stream a clip from fresh states. Frames and errors as ``clip_frames``.

    A clip artifact gives logits at each hop only, or once for a clip that it takes as a whole.

    Args:
        stream: a stream of the artifact.
        path: the clip.
        fps: frames per second of a clip without times.
        logits_of: returns the logits of the newest answer. It is called after each answer.
    """
    times: list[float] = []

    def pictures() -> Iterator[Frame]:
        for frame, timestamp in clip_frames(stream.spec, path, fps):
            times.append(timestamp)
            yield frame

    # All frames of ``clip_frames`` are due.
    logits = [logits_of(prediction) for prediction in answers(stream, pictures())]
    indices = answered_frames(stream.spec, len(times))
    return FrameLogits(np.array(times, np.float64)[indices], np.stack(logits))


def fitted_clip(spec: StreamSpec, clip: LabelledClip) -> tuple[list[float], npt.NDArray[np.uint8]]:
    """Return the times of a clip's frames, and the frames fitted to the network's size, uint8 [T, H, W, 3].

    Errors as for ``clip_frames``.
    """
    # Each frame is fitted when it is decoded, because all original frames of a long clip do not fit in memory.
    frames = [(fit_frame(frame, spec.frame), time) for frame, time in clip_frames(spec, clip.path, clip.fps)]
    return [time for _, time in frames], np.stack([frame for frame, _ in frames])


def clip_frames(spec: StreamSpec, path: Path, fps: float | None = None) -> Iterator[TimedFrame]:
    """Return the frames of a clip that the network is fed with, and their timestamps.

    Frames are chosen by their timestamps, at the frame spacing of the description. Without a frame spacing, frames are
    spread evenly over the clip: as many as a training clip had, or else ``CLIP_FRAMES``, and for a clip artifact as
    many as it takes. A clip without times has ``fps`` frames per second.

    Raises:
        VideoError: the clip cannot be read to its end.
    """
    if spec.frame_spacing is not None:
        return paced(path, spec.frame_spacing, fps=fps)
    count = spec.frames if spec.mode == "clip" else spec.clip_frames or CLIP_FRAMES
    return iter(uniform(path, count, fps=fps))
