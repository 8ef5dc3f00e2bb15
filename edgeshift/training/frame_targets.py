"""The target of each frame: ``none`` until a stroke is complete, then its label for a while, then ``none`` again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.description import NONE
from edgeshift.gestures import Event

#: Seconds for which the target is a stroke's label after the stroke is complete.
HOLD = 1.0
#: Weight of a frame in which a stroke is not complete, so that the target is ``none``. The weight is below 1 because
#: such a frame may look like the end of another stroke: the first side of a square looks like ``right``. The network
#: learns to tell such strokes apart from the mean logits of all their frames.
UNFINISHED_WEIGHT = 0.7
#: Shares of a stroke between which this weight falls to 0. Near the end it is not clear whether a stroke is complete.
FADE = (0.6, 0.9)
#: Number of visible frames that are enough to recognise a stroke. A network with ten shifts looks back ten frames.
ENOUGH_FRAMES = 10


@dataclass(frozen=True, eq=False)
class Targets:
    """The targets of T frames with E gestures.

    Attributes:
        labels: int64 [T], index of the label of a frame.
        weights: float32 [T], weight of a frame in the loss and in the accuracy.
        spans: float32 [E, T], weight of each frame in the mean logits of a gesture; each row sums to 1.
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

    A gesture whose beginning was cut off is a target if at least one of these is visible: half of the gesture,
    ``ENOUGH_FRAMES`` frames of it, or a part of it that is half as long as the sequence.

    Args:
        times: float [T], seconds, rising.
        events: the gestures, on the same clock. They may extend beyond the frames.
        labels: all labels. If ``none`` is not among them, frames before the end of a stroke, and frames outside of
            gestures, have weight 0.
        hold: seconds for which the target is a stroke's label after the stroke is complete.
    """
    names = list(labels)
    idle = names.index(NONE) if NONE in names else 0
    frame_labels = np.full(len(times), idle, np.int64)
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
        frame_labels[complete] = names.index(event.label)
        weights[complete] = (visible >= enough)[complete]
        unfinished = inside & ~complete
        fading = UNFINISHED_WEIGHT * np.clip((FADE[1] - done) / (FADE[1] - FADE[0]), 0, 1)
        weights[unfinished] = fading[unfinished] if NONE in names else 0.0
        if min(event.end, float(times[-1])) - visible_from >= max(enough, 0.8 * min(length, float(np.ptp(times)))):
            spans.append(inside / inside.sum())
            span_labels.append(names.index(event.label))
    return Targets(
        frame_labels,
        weights,
        np.array(spans, np.float32).reshape(len(spans), len(times)),
        np.array(span_labels, np.int64),
    )


def _enough_seconds(times: npt.NDArray[np.floating]) -> float:
    """Return how many visible seconds are enough to recognise a stroke of any length.

    These are the seconds of ``ENOUGH_FRAMES`` frames, or of half of the frames if this is less. They are rounded to two
    digits, so that a camera's jitter does not decide which gestures are targets.
    """
    if len(times) < 2:
        return np.inf
    spacing = float(np.ptp(times)) / (len(times) - 1)
    return float(f"{min(ENOUGH_FRAMES, len(times) / 2) * spacing:.2g}")
