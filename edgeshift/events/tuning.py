"""Choose the event rule of a model: try every rule of a grid on streams with known events."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.description import NONE, RuleSpec
from edgeshift.errors import EdgeshiftError
from edgeshift.events.score import EventScore, match_events
from edgeshift.events.spotter import (
    Detection,
    Logits,
    Means,
    Times,
    probabilities,
    silent_indices,
    window_means,
)

if TYPE_CHECKING:
    from edgeshift.gestures import Event

#: The times [T], the logits [T, classes] and the events of a stream.
LabelledLogits = tuple[Times, Logits, Sequence["Event"]]
#: The grid of ``try_rules``: longest window in seconds with and without a label for no gesture, number of windows,
#: thresholds, hold-offs in seconds.
LONGEST, LONGEST_WITHOUT, WINDOWS = 2.0, 4.0, 12
THRESHOLDS = tuple(round(0.025 * step, 3) for step in range(4, 37))
HOLD_OFFS = (0.5, 1.0)
#: Memories in seconds. Without a label for no gesture, rules have no memory.
MEMORIES = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0)


class TriedRule(NamedTuple):
    """A rule of the grid, and its score on each stream."""

    rule: RuleSpec
    scores: tuple[EventScore, ...]

    @property
    def total(self) -> EventScore:
        """The score on all streams together."""
        return sum(self.scores, EventScore())

    def on(self, streams: Sequence[int]) -> TriedRule:
        """Return the same rule with its scores on some streams only."""
        return TriedRule(self.rule, tuple(self.scores[stream] for stream in streams))


def choose_rule(sequences: Sequence[LabelledLogits], spacing: float, labels: Sequence[str]) -> RuleSpec:
    """Return the rule for which the smaller of precision and recall of events is largest on these streams.

    Arguments and errors as for ``try_rules``; see ``best_rule``.
    """
    return best_rule(try_rules(sequences, spacing, labels)).rule


def try_rules(
    sequences: Sequence[LabelledLogits],
    spacing: float,
    labels: Sequence[str],
    *,
    none: str | None = None,
    silent: Sequence[str] = (),
    earliest: float = 0.5,
    memory: bool = True,
    hold_offs: Sequence[float] = HOLD_OFFS,
    advance: Callable[[], None] = lambda: None,
) -> list[TriedRule]:
    """Score every rule of the grid on streams with known events.

    Args:
        sequences: for each stream, the increasing times [T] of its frames in seconds from its start, the logits
            [T, classes], and the events.
        spacing: seconds between frames.
        labels: one label per class.
        none: the label that means no gesture; None: ``none``, if it is one of the labels.
        silent: more labels that are never announced.
        earliest: see ``match_events``.
        memory: whether rules with a label for no gesture have a memory.
        hold_offs: the hold-offs to try, seconds.
        advance: called after each window, of which there are ``count_windows``.

    Raises:
        EdgeshiftError: there are no streams, or times, logits and labels do not have matching shapes.
    """
    if not sequences or any(np.shape(logits) != (len(times), len(labels)) for times, logits, _ in sequences):
        raise EdgeshiftError(f"choosing a rule needs streams with a time and {len(labels)} logits for each frame")
    if not (math.isfinite(spacing) and spacing > 0):
        raise EdgeshiftError(f"the frame spacing is {spacing} s: give a number of seconds above 0")
    none = none or (NONE if NONE in labels else None)
    remembers = memory and none is not None
    memories = [max(1, min(4096, round(each / spacing))) for each in MEMORIES] if remembers else [None]
    recordings = [Recording(times, logits, labels) for times, logits, _ in sequences]
    tried = []
    for window in _windows(spacing, has_none=none is not None):
        for remembered, threshold, hold_off in product(memories, THRESHOLDS, hold_offs):
            rule = RuleSpec(
                window=window,
                threshold=threshold,
                hold_off=hold_off,
                none=none,
                memory=remembered,
                silent=tuple(silent),
            )
            scores = tuple(
                match_events(recording.detect(rule), events, len(times) * spacing, earliest=earliest)
                for recording, (times, _, events) in zip(recordings, sequences, strict=True)
            )
            tried.append(TriedRule(rule, scores))
        advance()
    return tried


def best_rule(tried: Sequence[TriedRule], precision: float | None = None) -> TriedRule:
    """Return the rule for which the smaller of precision and recall is largest.

    Among equal rules, the one with the larger F1 is chosen, then the one with the shorter median delay, then the one
    with fewer false detections, then the first one.

    Args:
        tried: the rules, at least one.
        precision: choose the rule with the largest recall among those with at least this precision. If there is none,
            choose the most precise one.
    """

    def merit(candidate: TriedRule) -> tuple[float, ...]:
        score = candidate.total
        delay = score.delay(50)
        precise, recall = score.precision or 0.0, score.recall or 0.0
        goal = (min(precise, recall),) if precision is None else (min(precise, precision), recall)
        promptness = -math.inf if delay is None else -round(delay, 9)
        return (*(round(value, 9) for value in goal), round(score.f1, 9), promptness, -score.false)

    return max(tried, key=merit)


def trade_off(tried: Sequence[TriedRule]) -> list[TriedRule]:
    """Return the rules that no other rule beats in both precision and recall, by increasing recall."""
    front: list[TriedRule] = []
    highest = -1.0
    scored = [(rule.total, rule) for rule in tried]
    for score, rule in sorted(scored, key=lambda pair: (-(pair[0].recall or 0), -(pair[0].precision or 0))):
        if score.precision is not None and score.right and score.precision > highest:
            front.append(rule)
            highest = score.precision
    return front[::-1]


def count_windows(spacing: float, *, has_none: bool) -> int:
    """Return the number of windows that ``try_rules`` tries."""
    return len(_windows(spacing, has_none=has_none))


def _windows(spacing: float, *, has_none: bool) -> list[int]:
    longest = max(1, min(1024, round((LONGEST if has_none else LONGEST_WITHOUT) / spacing)))
    windows: list[int] = np.unique(np.linspace(1, longest, min(longest, WINDOWS)).round().astype(int)).tolist()
    return windows


class Recording:
    """The logits of one stream, with intermediate results that several rules share.

    Args:
        times: times of the frames in seconds, increasing, [T].
        logits: logits of the frames, [T, classes].
        labels: one label per class.
    """

    def __init__(self, times: Times, logits: Logits, labels: Sequence[str]) -> None:
        self.times, self.logits, self.labels = times, logits, labels
        self._means: dict[int, Means] = {}
        self._complete: dict[int, Means] = {}
        self._scores: dict[tuple[int, int, int], tuple[npt.NDArray[np.intp], Means]] = {}

    def detect(self, rule: RuleSpec) -> list[Detection]:
        """Return the detections that a ``Spotter`` with this rule makes."""
        silent = silent_indices(rule, self.labels)
        if rule.window not in self._means:
            self._means[rule.window] = window_means(self.logits, rule.window)
        detections: list[Detection] = []
        at = start = 0
        while at < len(self.times):
            best, scores, held_scores = self._scores_of(rule, silent, start)
            if (index := _first_true(scores >= rule.threshold, at)) == len(scores):
                break
            label = int(best[index])
            detections.append(Detection(self.labels[label], float(scores[index]), float(self.times[index])))
            held = held_scores[:, label] if held_scores.ndim == 2 else held_scores
            hold_off_end = int(np.searchsorted(self.times, self.times[index] + rule.hold_off))
            start, at = index + 1, max(_first_true(held < rule.threshold, index + 1), hold_off_end)
        return detections

    def _scores_of(
        self, rule: RuleSpec, silent: frozenset[int], start: int
    ) -> tuple[npt.NDArray[np.intp], Means, Means]:
        """Return the best label of each frame [T], its score [T], and the score that must fall after a detection.

        The last one is [T, classes], by label, or [T] if the rule has a memory. The memory starts at frame ``start``.
        """
        means = self._means[rule.window]
        if rule.memory is None:
            best = means.argmax(1)
            return best, np.where(np.isin(best, list(silent)), 0.0, means.max(1)), means
        key = rule.window, rule.memory, start
        if key not in self._scores:
            gestures = np.array([index for index in range(len(self.labels)) if index not in silent])
            sums = np.concatenate([np.zeros((1, len(gestures))), np.cumsum(self.logits[:, gestures], 0, np.float64)])
            last = np.arange(1, len(sums))
            first = np.maximum(np.minimum(start, last - 1), last - rule.memory)
            shares = probabilities((sums[last] - sums[first]) / (last - first)[:, None])
            self._complete[rule.window] = means[:, gestures].sum(1)
            self._scores[key] = gestures[shares.argmax(1)], self._complete[rule.window] * shares.max(1)
        return *self._scores[key], self._complete[rule.window]


def _first_true(values: npt.NDArray[np.bool_], start: int) -> int:
    """Return the index of the first true value from ``start`` on; the length if there is none."""
    indices = np.flatnonzero(values[start:])
    return start + int(indices[0]) if len(indices) else len(values)
