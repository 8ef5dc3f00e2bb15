"""The consensus rule of a stream: when the answers to single frames add up to an event worth announcing.

    spotter = stream.spotter()
    answer = stream.step(frame, timestamp)
    if answer.fresh and (event := spotter.feed(answer.logits, timestamp)):
        print(event.label)

Without a ``memory``, a label's score is its mean softmax probability over the last ``window`` frames. The label with
the largest is announced when it reaches ``threshold``. Then nothing is until ``hold_off`` seconds have passed and the
announced label has fallen below the threshold: a label that is held is announced once.

With a ``memory``, THAT a gesture is complete and WHICH are two questions: a frame sees no more than its network's
shifts reach back, and a long stroke is longer. The score is the product of two answers: the mean probability over the
window of all gestures together, and the probability of the likeliest among them by the mean logits over the last
``memory`` frames, back to the last announcement at most. Then nothing is announced until the hold-off has passed and
the gestures together have fallen below the threshold. With a window and a memory of one frame it is the label's
probability.

Before the first frame there is no gesture, with certainty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.artifact.description import NONE, RuleSpec
from edgeshift.errors import EdgeshiftError

#: Where nobody has chosen a rule and something must be measured: two thirds of a second or so, and a majority in it.
DEFAULT_RULE = RuleSpec(window=3, threshold=0.5, hold_off=1.0)

Times = npt.NDArray[np.floating[Any]]
Logits = npt.NDArray[np.floating[Any]]
Means = npt.NDArray[np.float64]


class Detection(msgspec.Struct, frozen=True):
    """An announcement: a label, its score then, and the time (seconds) of the frame that decided it."""

    label: str
    score: float
    timestamp: float


class Spotter:
    """Announces the events of one stream.

    Raises:
        EdgeshiftError: the rule's label for no gesture is not among the labels.
    """

    def __init__(self, rule: RuleSpec, labels: Sequence[str]) -> None:
        self.rule = rule
        self.labels = tuple(labels)
        self._idle = idle_of(rule, self.labels)
        self._recent = np.zeros((rule.window, len(self.labels)))
        self._next = self._fed = 0  # the place in the ring of the next answer; how many it holds
        self._total = self._recent.sum(0)
        self._held: int | None = None  # what was announced and has not fallen since
        self._gestures = np.array([index for index in range(len(self.labels)) if index != self._idle])
        # Logits since the last announcement, zeros where there are none.
        self._logits = np.zeros((rule.memory or 0, len(self._gestures)))
        self._kept = 0  # how many of them, and the place in their ring of the next
        self._free = self._last = -math.inf  # when the hold-off ends, and when the last frame was

    def feed(self, logits: Logits, timestamp: float) -> Detection | None:
        """Take the answer to one frame; a repeated one (``Prediction.fresh`` is False) is none.

        Args:
            logits: [classes]. timestamp: seconds; a clock that jumps back starts everything anew.

        Raises:
            EdgeshiftError: logits of another shape or not finite, a time that is not finite.
        """
        if not math.isfinite(timestamp):
            raise EdgeshiftError(f"a timestamp of {timestamp} is not a time in seconds")
        if np.shape(logits) != (len(self.labels),):
            raise EdgeshiftError(
                f"logits of shape {np.shape(logits)} are not one for each of {len(self.labels)} labels"
            )
        if timestamp < self._last:
            self.reset()
        self._recent[self._next] = probabilities(logits)
        self._next = (self._next + 1) % self.rule.window
        self._fed = min(self._fed + 1, self.rule.window)
        self._last = timestamp
        self._total = self._recent.sum(0)
        means = self._total / self.rule.window
        if self.rule.memory is not None:
            return self._remember(np.asarray(logits), means, self.rule.memory)
        best = int(means.argmax())
        if self._held is not None and means[self._held] < self.rule.threshold:
            self._held = None
        if best == self._idle or means[best] < self.rule.threshold or timestamp < self._free or self._held is not None:
            return None
        self._held, self._free = best, timestamp + self.rule.hold_off
        return Detection(self.labels[best], float(means[best]), timestamp)

    def _remember(self, logits: Logits, means: Means, memory: int) -> Detection | None:
        self._logits[self._kept % memory] = logits[self._gestures]
        self._kept += 1
        complete = float(means[self._gestures].sum())
        if self._held is not None and complete < self.rule.threshold:
            self._held = None
        if complete < self.rule.threshold or self._last < self._free or self._held is not None:
            return None
        which = probabilities(self._logits.sum(0) / min(self._kept, memory))
        best = int(which.argmax())
        score = complete * float(which[best])
        if score < self.rule.threshold:
            return None
        self._held = int(self._gestures[best])
        self._free = self._last + self.rule.hold_off
        self._logits[:] = 0
        self._kept = 0
        return Detection(self.labels[self._held], score, self._last)

    def leading(self) -> tuple[int, float]:
        """The label with the largest mean probability over the window, which fills up from the first answer, and that
        mean: what to show between announcements. The first label and 0 before any answer."""
        best = int(self._total.argmax())
        return best, float(self._total[best]) / max(1, self._fed)

    def reset(self) -> None:
        """Forget everything: the next answer is the first."""
        self._recent[:] = 0
        self._logits[:] = 0
        self._total[:] = 0
        self._next = self._kept = self._fed = 0
        self._held = None
        self._free = self._last = -math.inf


def describe_rule(rule: RuleSpec, labels: Sequence[str]) -> str:
    """A rule in words, as ``Spotter`` goes by it.

    Args:
        labels: of the model.
    """
    pause = f"then nothing is announced for {rule.hold_off:g} s, nor before"
    if rule.memory is None:
        words = (
            f"a label is announced when its mean probability is the largest and reaches {rule.threshold:g} over "
            f"{_frames(rule.window)}; {pause} the announced label has fallen below {rule.threshold:g}"
        )
    else:
        words = (
            f"a gesture is announced when the mean probability of all gestures together over {_frames(rule.window)}, "
            f"times that of the likeliest by the mean logits of the last {_frames(rule.memory)} (back to the last "
            f"announcement at most), reaches {rule.threshold:g}; {pause} all together have fallen below "
            f"{rule.threshold:g}"
        )
    idle = rule.none or (NONE if NONE in labels else None)
    return words if idle is None else f"{words}; {idle!r} is no gesture"


def _frames(count: int) -> str:
    return f"{count} frame" + ("" if count == 1 else "s")


def window_means(logits: Logits, window: int) -> Means:
    """Mean probabilities over the last ``window`` frames at each frame: [T, classes] from logits [T, classes]."""
    total = np.cumsum(probabilities(logits), 0)
    total[window:] -= total[:-window].copy()
    means: Means = total / window
    return means


def probabilities(logits: Logits) -> Means:
    """Softmax over the last axis.

    Raises:
        EdgeshiftError: logits that are not finite.
    """
    if not np.isfinite(logits).all():
        raise EdgeshiftError("logits that are not finite are no answer: the network or its states overflowed")
    exact = np.asarray(logits, np.float64)
    powers = np.exp(exact - exact.max(-1, keepdims=True))
    result: Means = powers / powers.sum(-1, keepdims=True)
    return result


def idle_of(rule: RuleSpec, labels: Sequence[str]) -> int | None:
    """The index of the label that is no gesture; None: all are.

    Raises:
        EdgeshiftError: it is not among these labels.
    """
    try:
        return rule.idle(labels)
    except ValueError as error:
        raise EdgeshiftError(str(error)) from error
