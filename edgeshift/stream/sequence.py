"""The predictions of an artifact for all frames of one clip, from initial states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import StreamSpec
from edgeshift.stream.clip_stream import ClipStream
from edgeshift.stream.stream import Prediction, Stream
from edgeshift.video.segments import segment_middles


def answered_frames(spec: StreamSpec, count: int) -> list[int]:
    """Return the indices of the frames after which ``answers`` yields a prediction, for a clip of ``count`` frames."""
    if spec.hop is None:
        return list(range(count))
    return list(range(spec.frames - 1, count, spec.hop)) or [count - 1][:count]


def answers(stream: Stream, frames: Iterable[npt.NDArray[np.uint8]]) -> Iterator[Prediction]:
    """Reset a stream, and yield its predictions for the frames of a clip.

    A clip artifact gives a prediction after its first T frames, and then after every ``hop`` frames. If the clip has
    fewer than T frames, some of them are repeated, evenly over the clip, and there is one prediction.

    Args:
        stream: the stream.
        frames: uint8 [H, W, 3] RGB each, of any size. All frames are due.
    """
    stream.reset()
    if not isinstance(stream, ClipStream):
        yield from map(stream.step, frames)
        return
    first: list[npt.NDArray[np.uint8]] = []  # the frames so far, until the first answer
    answered = False
    for frame in frames:
        if not answered:
            first.append(frame)
        prediction = stream.step(frame)
        if prediction is not None and prediction.fresh:
            answered = True
            first.clear()
            yield prediction
    if first:
        yield stream.answer([first[index] for index in segment_middles(len(first), stream.spec.frames)])
