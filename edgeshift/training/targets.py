"""What each frame of a stream should answer: ``none`` until a stroke is complete, then its label for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.description import NONE
from edgeshift.gestures import Event

#: Seconds for which a label is held after its stroke is complete.
HOLD = 1.0
#: How much a frame counts in which a stroke is not complete: it answers ``none``. The first side of a square is no
#: ``right``, and which of the gestures it may become is taught by the mean of all their frames, not here.
UNFINISHED = 0.7
#: Of a stroke: from the first of these on frames count ever less, from the second on not at all. Where it is complete
#: is a matter of opinion there.
NEARLY = (0.6, 0.9)
#: Spacings of a stroke that suffice: a network of ten shifts has seen no more than eleven frames anyway.
ENOUGH = 10


@dataclass(frozen=True, eq=False)
class Targets:
    """For T frames and E gestures.

    Attributes:
        labels: int64 [T], index of the answer. weights: float32 [T], how much it counts.
        spans: float32 [E, T], the share of each frame in the gesture's mean answer; rows sum to one.
        span_labels: int64 [E].
    """

    labels: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    spans: npt.NDArray[np.float32]
    span_labels: npt.NDArray[np.int64]


def frame_targets(
    times: npt.NDArray[np.floating], events: Sequence[Event], labels: Sequence[str], *, hold: float = HOLD
) -> Targets:
    """Targets of a stream's frames, or of some of them.

    A gesture whose beginning was cut off counts if half of it, half of the frames, or ``ENOUGH`` of them are there.

    Args:
        times: [T] seconds, rising.
        events: in the same clock; they may reach beyond the frames.
        labels: all of them; without ``none``, frames outside of gestures do not count.
        hold: seconds.
    """
    names = list(labels)
    idle = names.index(NONE) if NONE in names else 0
    answers = np.full(len(times), idle, np.int64)
    weights = np.full(len(times), 1.0 if NONE in names else 0.0, np.float32)
    spans, span_labels = [], []
    suffices = _enough(times)
    for index, event in enumerate(events):
        following = events[index + 1].begin if index + 1 < len(events) else np.inf
        until = min(event.end + hold, following)
        inside = (times >= event.begin) & (times < until)
        if not inside.any():
            continue
        length = event.end - event.begin
        seen_from = max(event.begin, float(times[0]))
        enough = min(length / 2, suffices)
        done = np.clip((times - event.begin) / length, 0, 1)
        seen = np.clip(times, None, event.end) - seen_from
        complete = inside & (times >= event.end)
        answers[complete] = names.index(event.label)
        weights[complete] = (seen >= enough)[complete]
        unfinished = inside & ~complete
        fading = UNFINISHED * np.clip((NEARLY[1] - done) / (NEARLY[1] - NEARLY[0]), 0, 1)
        weights[unfinished] = fading[unfinished] if NONE in names else 0.0
        if min(event.end, float(times[-1])) - seen_from >= max(enough, 0.8 * min(length, float(np.ptp(times)))):
            spans.append(inside / inside.sum())
            span_labels.append(names.index(event.label))
    return Targets(
        answers,
        weights,
        np.array(spans, np.float32).reshape(len(spans), len(times)),
        np.array(span_labels, np.int64),
    )


def _enough(times: npt.NDArray[np.floating]) -> float:
    """Seconds of a stroke that suffice, whatever its length: ``ENOUGH`` spacings, half of the frames if they are few.

    To two digits, so that a camera's unrest does not decide what counts.
    """
    if len(times) < 2:
        return np.inf
    spacing = float(np.ptp(times)) / (len(times) - 1)
    return float(f"{min(ENOUGH, len(times) / 2) * spacing:.2g}")
