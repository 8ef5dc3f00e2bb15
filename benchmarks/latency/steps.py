"""What a timed step is: a frame for a stream artifact, and an answer for a clip artifact.

A clip artifact only stores most frames, and runs its whole clip at every hop. If frames were timed, the samples would
mix cheap and expensive ones. Therefore a timed step is one answer: the frames since the last answer and one run.
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
    """Something that a loop times: ``step`` takes one item, and returns a new prediction."""

    def step(self, item: Taken, /) -> Prediction:
        """Return the prediction for an item: a frame, or the frames of one answer."""


class AnswerStepper:
    """Steps through a clip artifact by answers.

    Args:
        stream: the stream. Frames are fed to it now, so that already the first step gives an answer.
        frames: the frames to feed, of any size, repeated from the start if they are too few.
    """

    def __init__(self, stream: ClipStream, frames: Sequence[Frame]) -> None:
        assert stream.spec.hop is not None
        self._stream, self.hop = stream, stream.spec.hop
        stream.reset()
        for index in range(stream.spec.frames - self.hop):
            stream.step(frames[index % len(frames)])

    def step(self, item: Sequence[Frame], /) -> Prediction:
        """Feed the ``hop`` frames of one answer. ``pre`` of its timings is the time to fit all of them."""
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
    """Return what a loop times, and the items for its steps: the stream and its frames, or the answers of a clip.

    Args:
        stream: the stream. One of a clip artifact is filled with frames, so that the first step gives an answer.
        frames: uint8 [H, W, 3] RGB each, of any size.
    """
    if not isinstance(stream, ClipStream):
        return stream, frames
    stepper = AnswerStepper(stream, frames)
    return stepper, group_frames(frames, stepper.hop)
