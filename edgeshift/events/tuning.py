"""The rule that suits a model best: every one of a grid is tried on streams whose events are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.artifact.description import NONE, RuleSpec
from edgeshift.errors import EdgeshiftError
from edgeshift.events.score import EventScore, match_events
from edgeshift.events.spotter import Detection, Logits, Means, Times, idle_of, probabilities, window_means

if TYPE_CHECKING:
    from edgeshift.gestures import Event

#: What ``choose_rule`` tries: seconds of the longest window, thresholds, seconds of hold-off.
LONGEST, WINDOWS = 2.0, 12
THRESHOLDS = tuple(round(0.025 * step, 3) for step in range(4, 37))
HOLD_OFFS = (0.5, 1.0)
#: Seconds of memory; none as well, where no label stands for "no gesture".
MEMORIES = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0)


def choose_rule(
    sequences: Sequence[tuple[Times, Logits, Sequence[Event]]], spacing: float, labels: Sequence[str]
) -> RuleSpec:
    """The rule whose precision and recall of events, the lower of the two, is the highest on these streams.

    Of equal ones, the one with the higher F1, then with the shorter delay.

    Args:
        sequences: for each stream the times [T] of its frames in seconds from its beginning, rising, the logits
            [T, classes], and what happened in it.
        spacing: seconds between frames.
        labels: one per class.

    Raises:
        EdgeshiftError: nothing to choose by, or arrays that do not fit each other.
    """
    if not sequences or any(np.shape(logits) != (len(times), len(labels)) for times, logits, _ in sequences):
        raise EdgeshiftError(f"a rule is chosen on streams with a time and {len(labels)} logits for each frame")
    if not (math.isfinite(spacing) and spacing > 0):
        raise EdgeshiftError(f"a frame spacing of {spacing} s makes no sense: give seconds above 0")
    longest = max(1, round(LONGEST / spacing))
    windows = np.unique(np.linspace(1, longest, min(longest, WINDOWS)).round().astype(int)).tolist()
    best: tuple[tuple[float, ...], RuleSpec] | None = None
    memories = [max(1, round(memory / spacing)) for memory in MEMORIES] if NONE in labels else [None]
    answers = [_Answers(times, logits, labels) for times, logits, _ in sequences]
    grid = product(windows, memories, THRESHOLDS, HOLD_OFFS)
    for window, memory, threshold, hold_off in grid:
        rule = RuleSpec(window=window, threshold=threshold, hold_off=hold_off, memory=memory)
        score = EventScore()
        for answer, (times, _, events) in zip(answers, sequences, strict=True):
            score += match_events(answer.spot(rule), events, len(times) * spacing)
        delay = score.delay(50)
        lower = min(score.precision or 0.0, score.recall or 0.0)
        merit = (
            round(lower, 9),
            round(score.f1, 9),
            -math.inf if delay is None else -round(delay, 9),
            -score.false,
        )
        if best is None or merit > best[0]:
            best = merit, rule
    assert best is not None
    idle = idle_of(best[1], labels)
    return best[1] if idle is None else msgspec.structs.replace(best[1], none=labels[idle])


def spot(rule: RuleSpec, labels: Sequence[str], times: Times, logits: Logits) -> list[Detection]:
    """What a ``Spotter`` announces on a whole stream, at once.

    Args:
        times: [T] seconds, rising. logits: [T, classes].
    """
    return _Answers(times, logits, labels).spot(rule)


class _Answers:
    """The logits of one stream, and what rules that are tried on them ask again and again."""

    def __init__(self, times: Times, logits: Logits, labels: Sequence[str]) -> None:
        self.times, self.logits, self.labels = times, logits, labels
        self._means: dict[int, Means] = {}
        self._complete: dict[int, Means] = {}
        self._scores: dict[tuple[int, int, int], tuple[npt.NDArray[np.intp], Means]] = {}

    def spot(self, rule: RuleSpec) -> list[Detection]:
        idle = idle_of(rule, self.labels)
        if rule.window not in self._means:
            self._means[rule.window] = window_means(self.logits, rule.window)
        found: list[Detection] = []
        at = start = 0
        while at < len(self.times):
            best, scores, levels = self._scored(rule, idle, start)
            if (index := _next(scores >= rule.threshold, at)) == len(scores):
                break
            label = int(best[index])
            found.append(Detection(self.labels[label], float(scores[index]), float(self.times[index])))
            fallen = _next((levels[:, label] if levels.ndim == 2 else levels) < rule.threshold, index + 1)
            start, at = index + 1, max(fallen, int(np.searchsorted(self.times, self.times[index] + rule.hold_off)))
        return found

    def _scored(self, rule: RuleSpec, idle: int | None, start: int) -> tuple[npt.NDArray[np.intp], Means, Means]:
        """At each frame the best label and its score, and what must fall below the threshold after it is announced.

        start: the frame with which the memory begins.
        """
        means = self._means[rule.window]
        if rule.memory is None:
            best = means.argmax(1)
            return best, np.where(best == idle, 0.0, means.max(1)), means
        key = rule.window, rule.memory, start
        if key not in self._scores:
            gestures = np.array([index for index in range(len(self.labels)) if index != idle])
            sums = np.concatenate([np.zeros((1, len(gestures))), np.cumsum(self.logits[:, gestures], 0, np.float64)])
            last = np.arange(1, len(sums))
            first = np.maximum(np.minimum(start, last - 1), last - rule.memory)
            shares = probabilities((sums[last] - sums[first]) / (last - first)[:, None])
            self._complete[rule.window] = means[:, gestures].sum(1)
            self._scores[key] = gestures[shares.argmax(1)], self._complete[rule.window] * shares.max(1)
        return *self._scores[key], self._complete[rule.window]


def _next(where: npt.NDArray[np.bool_], at: int) -> int:
    """The first place from ``at`` on that is true; the length if none is."""
    part = where[at:]
    place = int(part.argmax()) if len(part) else 0
    return at + place if len(part) and part[place] else len(where)
