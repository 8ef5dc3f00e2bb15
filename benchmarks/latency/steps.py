"""The steps that are timed: single frames for a stream artifact, and answers for a clip artifact.

The stream of a clip artifact only stores most frames, and runs the graph after every ``hop`` frames. If single frames
were timed, the samples would mix cheap and expensive frames. Therefore a timed step is one answer: it stores ``hop``
frames and runs the graph once.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm
from typing import Any, Protocol, TypeVar

import msgspec

from edgeshift.errors import EdgeshiftError
from edgeshift.stream import Prediction, Stream, Timings
from edgeshift.stream.clip_stream import ClipStream
from edgeshift.video.fit import Frame

Taken = TypeVar("Taken", contravariant=True)


class Stepper(Protocol[Taken]):
    """An object whose ``step`` is timed. It takes one item, and returns a new prediction."""

    def step(self, item: Taken, /) -> Prediction:
        """Return the prediction for an item: a frame, or the frames of one answer."""


class AnswerStepper:
    """Runs the stream of a clip artifact answer by answer.

    Args:
        stream: the stream. The constructor feeds T - ``hop`` frames, so that the first step already gives an answer.
        frames: the frames to feed, uint8 [H, W, 3] RGB of any size, repeated from the start if they are too few.
    """

    def __init__(self, stream: ClipStream, frames: Sequence[Frame]) -> None:
        assert stream.spec.hop is not None
        self._stream, self.hop = stream, stream.spec.hop
        stream.reset()
        for index in range(stream.spec.frames - self.hop):
            stream.step(frames[index % len(frames)])

    def step(self, item: Sequence[Frame], /) -> Prediction:
        """Feed ``hop`` frames, and return the answer. Its ``timings.pre`` is the time to fit all of these frames.

        Raises:
            EdgeshiftError: there is no new answer, because a frame was not due.
        """
        *earlier, last = item
        pre = 0.0
        for frame in earlier:
            kept = self._stream.step(frame)
            pre += 0.0 if kept is None else kept.timings.pre
        answer = self._stream.step(last)
        if answer is None or not answer.fresh:
            raise EdgeshiftError("a clip gave no answer after a hop: every frame must be due")
        timings = answer.timings
        return msgspec.structs.replace(answer, timings=Timings(timings.pre + pre, timings.infer, timings.post))


def group_frames(frames: Sequence[Frame], hop: int) -> list[tuple[Frame, ...]]:
    """Return the frames in groups of ``hop``, repeated from the start until the last group is full."""
    count = lcm(len(frames), hop)
    repeated = [frames[index % len(frames)] for index in range(count)]
    return [tuple(repeated[start : start + hop]) for start in range(0, count, hop)]


def timed_steps(stream: Stream, frames: Sequence[Frame]) -> tuple[Stepper[Any], Sequence[Any]]:
    """Return the object whose ``step`` is timed, and the items for the steps: frames, or groups of ``hop`` frames.

    Args:
        stream: the stream. The stream of a clip artifact gets frames now, so that the first step gives an answer.
        frames: uint8 [H, W, 3] RGB each, of any size.
    """
    if not isinstance(stream, ClipStream):
        return stream, frames
    stepper = AnswerStepper(stream, frames)
    return stepper, group_frames(frames, stepper.hop)
