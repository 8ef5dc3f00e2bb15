"""The event rule of a stream: it turns the logits of single frames into detections.

    spotter = stream.spotter()
    prediction = stream.step(frame, timestamp)
    if prediction.fresh and (detection := spotter.feed(prediction.logits, timestamp)):
        print(detection.label)

Without ``memory``, the score of a label is its mean softmax probability over the last ``window`` frames. The label with
the largest score is announced when its score reaches ``threshold``. After that, nothing is announced until ``hold_off``
seconds have passed and the score of the announced label has fallen below the threshold, so that a gesture that is held
is announced once.

With ``memory``, the score is the product of two probabilities, because the logits of a frame depend only on as many
frames as the shifts of the network reach back, and many gestures take longer:

- that a gesture is complete: the mean probability of all gestures together over the last ``window`` frames,
- that it was this gesture: its softmax probability among all gestures, from the mean logits of the last ``memory``
  frames, at most back to the last detection.

After a detection, nothing is announced until the hold-off has passed and the first of the two has fallen below the
threshold. In the window, every probability before the first frame counts as 0.
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
from edgeshift.video.pace import require_time

Times = npt.NDArray[np.floating[Any]]
Logits = npt.NDArray[np.floating[Any]]
Means = npt.NDArray[np.float64]


class Detection(msgspec.Struct, frozen=True):
    """An announced event: its label, its score from 0 to 1, and the time in seconds of the frame that completed it."""

    label: str
    score: float
    timestamp: float


class Spotter:
    """Applies an event rule to one stream.

    Args:
        rule: the event rule.
        labels: labels of the model, one per logit.

    Raises:
        EdgeshiftError: the rule names a label that is not among the labels.
    """

    def __init__(self, rule: RuleSpec, labels: Sequence[str]) -> None:
        self.rule = rule
        self.labels = tuple(labels)
        self._silent = silent_indices(rule, self.labels)
        self._gestures = np.array([index for index in range(len(self.labels)) if index not in self._silent])
        # Ring buffers: probabilities of the last frames, and logits of the gestures since the last detection.
        self._window = np.zeros((rule.window, len(self.labels)))
        self._memory = np.zeros((rule.memory or 0, len(self._gestures)))
        self.reset()

    def reset(self) -> None:
        """Remove all frames and detections, as at the start of a stream."""
        self._window[:] = self._memory[:] = 0
        self._sum = self._window.sum(0)
        self._next = self._frames = 0  # index of the next frame in the window, and number of frames in the window
        self._remembered = 0  # number of frames since the last detection
        self._held: int | None = None  # the announced label, until it falls below the threshold
        self._hold_off_end = self._last = -math.inf  # times of the end of the hold-off and of the last frame

    def feed(self, logits: Logits, timestamp: float) -> Detection | None:
        """Apply the rule to the logits of one frame. Do not pass predictions that are repeated (``fresh`` is False).

        Args:
            logits: logits of the frame, [classes].
            timestamp: time of the frame in seconds. If it is before the last one, the spotter is reset.

        Returns:
            The detection that this frame completes, or None.

        Raises:
            EdgeshiftError: the logits have another shape, or the logits or the timestamp are not finite.
        """
        require_time(timestamp)
        if np.shape(logits) != (len(self.labels),):
            raise EdgeshiftError(
                f"the logits have shape {np.shape(logits)}, not one value for each of {len(self.labels)} labels"
            )
        if timestamp < self._last:
            self.reset()
        self._window[self._next] = probabilities(logits)
        self._next = (self._next + 1) % self.rule.window
        self._frames = min(self._frames + 1, self.rule.window)
        self._last = timestamp
        self._sum = self._window.sum(0)
        means = self._sum / self.rule.window
        if self.rule.memory is not None:
            return self._detect_with_memory(np.asarray(logits), means, self.rule.memory)
        best = int(means.argmax())
        if self._waits(float(means[best]), None if self._held is None else float(means[self._held])):
            return None
        return None if best in self._silent else self._announce(best, float(means[best]))

    def _detect_with_memory(self, logits: Logits, means: Means, memory: int) -> Detection | None:
        self._memory[self._remembered % memory] = logits[self._gestures]
        self._remembered += 1
        complete = float(means[self._gestures].sum())
        if self._waits(complete, complete):
            return None
        shares = probabilities(self._memory.sum(0) / min(self._remembered, memory))
        best = int(shares.argmax())
        score = complete * float(shares[best])
        return None if score < self.rule.threshold else self._announce(int(self._gestures[best]), score)

    def _waits(self, score: float, held_score: float | None) -> bool:
        """Return True if nothing may be announced now. Release the announced label if its score has fallen."""
        if held_score is not None and held_score < self.rule.threshold:
            self._held = None
        return score < self.rule.threshold or self._last < self._hold_off_end or self._held is not None

    def _announce(self, index: int, score: float) -> Detection:
        self._held, self._hold_off_end = index, self._last + self.rule.hold_off
        self._memory[:] = self._remembered = 0
        return Detection(self.labels[index], score, self._last)

    def leading(self) -> tuple[int, float]:
        """Return what to show between detections: the most probable label and its mean probability over the window.

        Until the window is full, the mean is over the frames since the start. Before the first frame, the result is
        label 0 with probability 0.
        """
        best = int(self._sum.argmax())
        return best, float(self._sum[best]) / max(1, self._frames)


def unit_of(hop: int | None) -> str:
    """Return what an artifact gives logits for: each "frame", or with a hop each "answer" of a clip artifact."""
    return "frame" if hop is None else "answer"


def describe_rule(rule: RuleSpec, labels: Sequence[str], unit: str = "frame") -> str:
    """Return a text that describes the event rule of a model with these labels.

    ``unit`` is what the rule counts: frames, or answers of a clip artifact.
    """
    pause = f"After an event, nothing is announced for at least {rule.hold_off:g} s and until"
    if rule.memory is None:
        words = (
            f"the label with the largest mean probability over {_count(rule.window, unit)} is announced when its mean "
            f"reaches {rule.threshold:g}. {pause} its mean is below {rule.threshold:g}"
        )
    else:
        words = (
            f"a gesture is announced when its score reaches {rule.threshold:g}. The score has two factors: the mean "
            f"probability of all gestures together over {_count(rule.window, unit)}, and the probability of the most "
            f"likely gesture by the mean logits of the last {_count(rule.memory, unit)}, without {unit}s before the "
            f"last event. {pause} the first factor is below {rule.threshold:g}"
        )
    none = rule.none or (NONE if NONE in labels else None)
    if none is not None:
        words = f"{words}. {none!r} means no gesture"
    if rule.silent:
        words = f"{words}. Never announced: {', '.join(map(repr, rule.silent))}"
    return words


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" + ("" if number == 1 else "s")


def window_means(logits: Logits, window: int) -> Means:
    """Return the mean probabilities over the last ``window`` frames, [T, classes], from logits [T, classes].

    Frames before the first one count as 0.
    """
    sums = np.cumsum(probabilities(logits), 0)
    sums[window:] -= sums[:-window].copy()
    means: Means = sums / window
    return means


def probabilities(logits: Logits) -> Means:
    """Return the softmax of logits over the last axis.

    Raises:
        EdgeshiftError: a logit is not finite.
    """
    if not np.isfinite(logits).all():
        raise EdgeshiftError("the logits are not finite: the network or its states overflowed")
    exact = np.asarray(logits, np.float64)
    powers = np.exp(exact - exact.max(-1, keepdims=True))
    result: Means = powers / powers.sum(-1, keepdims=True)
    return result


def silent_indices(rule: RuleSpec, labels: Sequence[str]) -> frozenset[int]:
    """Return the indices of the labels that are never announced.

    Raises:
        EdgeshiftError: the rule names a label that is not among the labels, or announces none of them.
    """
    try:
        return rule.silent_indices(labels)
    except ValueError as error:
        raise EdgeshiftError(str(error)) from error


def no_gesture_index(rule: RuleSpec, labels: Sequence[str]) -> int | None:
    """Return the index of the label that means no gesture; None: every label is a gesture.

    Raises:
        EdgeshiftError: the rule names a label for no gesture that is not among the labels.
    """
    try:
        return rule.no_gesture_index(labels)
    except ValueError as error:
        raise EdgeshiftError(str(error)) from error
