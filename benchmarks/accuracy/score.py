"""Score one clip: compute the labels that are predicted for it from the logits of its frames."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np

from edgeshift.artifact.description import RuleSpec
from edgeshift.benchmarks.accuracy.clip import FrameLogits
from edgeshift.events.spotter import Detection, Spotter, no_gesture_index, probabilities, window_means

Consensus = Literal["mean", "last"]


class ClipScore(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The predictions for one clip. ``consensus``, ``last`` and ``window`` are never "no gesture".

    Attributes:
        file, label: name of the clip in the data set, and its true label.
        frames, seconds: number of frames that were streamed, and time of the last one.
        consensus: prediction by the consensus that the model was trained for: the mean of all frames' logits, or the
            logits of the last frame.
        last: prediction for the last frame.
        window: label that reaches the highest mean probability over the event rule's window, at any time in the clip.
        score: that mean probability.
        first: number of frames after which the true label leads for the first time: its mean probability over the
            window is higher than that of every other label, "no gesture" included; None: it never leads.
        running: predictions by the mean of the logits so far, after each number of frames in ``RUNNING_FRAMES`` and at
            the end. A shorter clip has its final prediction for the remaining numbers.
        idle: share of the frames for which the prediction is "no gesture"; None: the model has no such label.
        announced: detections, in order.
    """

    file: str
    label: str
    frames: int
    seconds: float
    consensus: str
    last: str
    window: str
    score: float
    first: int | None
    running: tuple[str, ...]
    idle: float | None
    announced: tuple[Detection, ...]

    @property
    def spotted(self) -> str | None:
        """The first announced label; None: no event was announced."""
        return self.announced[0].label if self.announced else None


#: The kinds of predictions for which accuracy is computed. Comparisons of artifacts use the first kind.
PREDICTIONS = ("consensus", "last", "window", "spotted")
#: Numbers of frames after which the running mean is evaluated.
RUNNING_FRAMES = (4, 8, 12, 16, 24)


def score_clip(
    name: str, label: str, frames: FrameLogits, rule: RuleSpec, labels: tuple[str, ...], consensus: Consensus = "mean"
) -> ClipScore:
    """Return the predictions for a clip.

    Args:
        name, label: name and true label of the clip; the model need not have this label.
        frames: timestamps and logits of one or more frames.
        rule: event rule.
        labels, consensus: labels of the model, and the consensus that it was trained for.

    Raises:
        EdgeshiftError: logits are not finite, or the event rule does not fit the labels.
    """
    spotter = Spotter(rule, labels)
    fed = (spotter.feed(row, float(time)) for row, time in zip(frames.logits, frames.times, strict=True))
    announced = tuple(event for event in fed if event is not None)
    single, means = probabilities(frames.logits), window_means(frames.logits, rule.window)
    idle = no_gesture_index(rule, labels)
    leads = np.flatnonzero(means.argmax(1) == labels.index(label)) if label in labels else np.array([])
    gestures = np.array([index for index in range(len(labels)) if index != idle])

    def predict(row: Any) -> int:
        return int(gestures[row[gestures].argmax()])

    highest = means.max(0)
    ends = [min(count, len(single)) for count in (*RUNNING_FRAMES, len(single))]
    return ClipScore(
        file=name,
        label=label,
        frames=len(single),
        seconds=round(float(frames.times[-1]), 6),
        consensus=labels[predict(frames.logits.mean(0) if consensus == "mean" else frames.logits[-1])],
        last=labels[predict(single[-1])],
        window=labels[predict(highest)],
        score=round(float(highest[predict(highest)]), 6),
        first=int(leads[0]) + 1 if len(leads) else None,
        running=tuple(labels[predict(frames.logits[:end].mean(0))] for end in ends),
        idle=None if idle is None else round(float((single.argmax(1) == idle).mean()), 6),
        announced=announced,
    )
