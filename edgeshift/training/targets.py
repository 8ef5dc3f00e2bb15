"""What a network should answer to each frame: ``none`` until a stroke is complete, then its label for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.description import NONE
from edgeshift.gestures import Event

#: Seconds for which the target is a stroke's label after the stroke is complete.
HOLD = 1.0
#: Weight of a frame in which a stroke is not complete, so that its target is ``none``. The weight is below 1 because
#: the first side of a square looks like ``right``. Which gesture a stroke becomes is learned from the mean logits of
#: all its frames.
UNFINISHED_WEIGHT = 0.7
#: Shares of a stroke between which that weight falls to 0. Near the end it is not clear whether a stroke is complete.
FADE = (0.6, 0.9)
#: Number of frames of a stroke that are enough to recognise it. A network with ten shifts looks back ten frames.
ENOUGH_FRAMES = 10


@dataclass(frozen=True, eq=False)
class Targets:
    """The targets of T frames with E gestures.

    Attributes:
        labels: int64 [T], index of the label that a frame should be given.
        weights: float32 [T], weight of a frame in the loss and in the accuracy.
        spans: float32 [E, T], weight of each frame in the mean logits of a gesture; rows sum to one.
        span_labels: int64 [E], index of the label of each gesture.
    """

    labels: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    spans: npt.NDArray[np.float32]
    span_labels: npt.NDArray[np.int64]


def frame_targets(
    times: npt.NDArray[np.floating], events: Sequence[Event], labels: Sequence[str], *, hold: float = HOLD
) -> Targets:
    """Return the targets of successive frames of a stream.

    A gesture whose beginning was cut off is a target if half of it, half of the frames, or ``ENOUGH_FRAMES`` remain.

    Args:
        times: [T] seconds, rising.
        events: the gestures, on the same clock. They may extend beyond the frames.
        labels: all labels. If ``none`` is not among them, frames outside of gestures have weight 0.
        hold: seconds for which the target is a stroke's label after the stroke is complete.
    """
    names = list(labels)
    idle = names.index(NONE) if NONE in names else 0
    answers = np.full(len(times), idle, np.int64)
    weights = np.full(len(times), 1.0 if NONE in names else 0.0, np.float32)
    spans, span_labels = [], []
    enough_seconds = _enough_seconds(times)
    for index, event in enumerate(events):
        following = events[index + 1].begin if index + 1 < len(events) else np.inf
        until = min(event.end + hold, following)
        inside = (times >= event.begin) & (times < until)
        if not inside.any():
            continue
        length = event.end - event.begin
        visible_from = max(event.begin, float(times[0]))
        enough = min(length / 2, enough_seconds)
        done = np.clip((times - event.begin) / length, 0, 1)
        visible = np.clip(times, None, event.end) - visible_from
        complete = inside & (times >= event.end)
        answers[complete] = names.index(event.label)
        weights[complete] = (visible >= enough)[complete]
        unfinished = inside & ~complete
        fading = UNFINISHED_WEIGHT * np.clip((FADE[1] - done) / (FADE[1] - FADE[0]), 0, 1)
        weights[unfinished] = fading[unfinished] if NONE in names else 0.0
        if min(event.end, float(times[-1])) - visible_from >= max(enough, 0.8 * min(length, float(np.ptp(times)))):
            spans.append(inside / inside.sum())
            span_labels.append(names.index(event.label))
    return Targets(
        answers,
        weights,
        np.array(spans, np.float32).reshape(len(spans), len(times)),
        np.array(span_labels, np.int64),
    )


def _enough_seconds(times: npt.NDArray[np.floating]) -> float:
    """Return the seconds of a stroke of any length that are enough: ``ENOUGH_FRAMES``, or half of the frames if fewer.

    The result is rounded to two digits, so that a camera's jitter does not decide which gestures are targets.
    """
    if len(times) < 2:
        return np.inf
    spacing = float(np.ptp(times)) / (len(times) - 1)
    return float(f"{min(ENOUGH_FRAMES, len(times) / 2) * spacing:.2g}")
