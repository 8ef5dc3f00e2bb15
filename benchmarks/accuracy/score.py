"""How good the answers to one clip are."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np

from edgeshift.artifact.description import RuleSpec
from edgeshift.benchmarks.accuracy.clip import Answers
from edgeshift.events.spotter import Detection, Spotter, probabilities, window_means

Consensus = Literal["mean", "last"]


class ClipScore(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The answers to one clip. The clip holds a gesture, so "no gesture" is not among the first three.

    Attributes:
        file: its name in the data set. label: what it shows. frames: that were fed. seconds: the last one's time.
        consensus: by the mean of the logits of all frames, which is what a shift network is trained for; by those of
            the last frame, if that is the model's consensus.
        last: the answer to the last frame.
        window: the label whose mean probability over the rule's window was ever the highest. score: that mean.
        first: frames until the mean over the rule's window, "no gesture" included, first has the right label; None:
            it never has.
        running: the gesture with the highest mean of logits so far, after each of ``AFTER`` frames and after all. A
            clip that ends before keeps its last.
        idle: share of the frames whose own answer is "no gesture"; None: the model has no such label.
        announced: what a ``Spotter`` announced.
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
        """The first announced label; None: nothing was."""
        return self.announced[0].label if self.announced else None


#: The answers that accuracy is given of, the one that tables and comparisons are about first.
ANSWERS = ("consensus", "last", "window", "spotted")
#: Frames after which the running mean is looked at.
AFTER = (4, 8, 12, 16, 24)


def score_clip(
    name: str, label: str, answers: Answers, rule: RuleSpec, labels: tuple[str, ...], consensus: Consensus = "mean"
) -> ClipScore:
    """Form a clip's answers from those to its frames.

    Args:
        name: of the clip. label: what it shows; it need not be among the labels.
        answers: to its frames, one or more.
        rule: of streams. labels: of the model. consensus: of its frames.

    Raises:
        EdgeshiftError: logits that are not finite, or a rule that does not fit the labels.
    """
    spotter = Spotter(rule, labels)
    fed = (spotter.feed(row, float(time)) for row, time in zip(answers.logits, answers.times, strict=True))
    announced = tuple(one for one in fed if one is not None)
    single, means = probabilities(answers.logits), window_means(answers.logits, rule.window)
    idle = rule.idle(labels)
    right = np.flatnonzero(means.argmax(1) == labels.index(label)) if label in labels else np.array([])
    gestures = np.array([index for index in range(len(labels)) if index != idle])

    def answer(row: Any) -> int:
        return int(gestures[row[gestures].argmax()])

    highest = means.max(0)
    ends = [min(frames, len(single)) for frames in (*AFTER, len(single))]
    return ClipScore(
        file=name,
        label=label,
        frames=len(single),
        seconds=round(float(answers.times[-1]), 6),
        consensus=labels[answer(answers.logits.mean(0) if consensus == "mean" else answers.logits[-1])],
        last=labels[answer(single[-1])],
        window=labels[answer(highest)],
        score=round(float(highest[answer(highest)]), 6),
        first=int(right[0]) + 1 if len(right) else None,
        running=tuple(labels[answer(answers.logits[:end].mean(0))] for end in ends),
        idle=None if idle is None else round(float((single.argmax(1) == idle).mean()), 6),
        announced=announced,
    )
