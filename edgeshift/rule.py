"""The consensus rule of a stream: when the answers to single frames add up to an event worth announcing.

    spotter = stream.spotter()
    answer = stream.step(frame, timestamp)
    if answer.fresh and (event := spotter.feed(answer.logits, timestamp)):
        print(event.label)

Without a ``memory``, a label is announced when its mean softmax probability over the last ``window`` frames is the
largest of all and reaches ``threshold``. Then nothing is until ``hold_off`` seconds have passed and the announced label
has fallen below the threshold: a label that is held is announced once.

With a ``memory``, THAT a gesture is complete and WHICH are two questions. It is complete when the mean probability of
all gestures together reaches the threshold; it is the one with the largest mean logit over the last ``memory`` frames,
back to the last announcement at most. A frame sees no more than its network's shifts reach back; a long stroke is
longer. Then nothing is announced until the hold-off has passed and the gestures have fallen to half the threshold.

Before the first frame there is no gesture, with certainty.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.errors import EdgeshiftError
from edgeshift.spec import NONE, RuleSpec

if TYPE_CHECKING:
    from edgeshift.gestures import Event

#: Where nobody has chosen a rule and something must be measured: two thirds of a second or so, and a majority in it.
DEFAULT_RULE = RuleSpec(window=3, threshold=0.5, hold_off=1.0)
#: Seconds after a stroke's end in which announcing it is right.
GRACE = 2.0
#: What ``choose_rule`` tries: seconds of the longest window, thresholds, seconds of hold-off.
LONGEST, WINDOWS = 2.0, 12
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(3, 20))
HOLD_OFFS = (0.5, 1.0, 1.5, 2.0)
#: Seconds of memory; none as well, where no label stands for "no gesture".
MEMORIES = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
#: With a memory: of the threshold, what gestures must fall to before another is announced.
RELEASE = 0.5

Times = npt.NDArray[np.floating[Any]]
Logits = npt.NDArray[np.floating[Any]]
Means = npt.NDArray[np.float64]


class Spotted(msgspec.Struct, frozen=True):
    """An announcement: a label, its mean probability then, and the time (seconds) of the frame that decided it."""

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
        self._idle = _idle(rule, self.labels)
        self._recent = np.zeros((rule.window, len(self.labels)))
        self._next = 0  # the place in the ring of the next answer
        self._held: int | None = None  # what was announced and has not fallen since
        self._gestures = np.array([index for index in range(len(self.labels)) if index != self._idle])
        # Logits since the last announcement, zeros where there are none: their sum has the largest of their mean.
        self._logits = np.zeros((rule.memory or 0, len(self._gestures)))
        self._fed = 0
        self._free = self._last = -math.inf  # when the hold-off ends, and when the last frame was

    def feed(self, logits: Logits, timestamp: float) -> Spotted | None:
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
        self._last = timestamp
        means = self._recent.sum(0) / self.rule.window
        if self.rule.memory is not None:
            return self._remember(np.asarray(logits), means, self.rule.memory)
        best = int(means.argmax())
        if self._held is not None and means[self._held] < self.rule.threshold:
            self._held = None
        if best == self._idle or means[best] < self.rule.threshold or timestamp < self._free or self._held is not None:
            return None
        self._held, self._free = best, timestamp + self.rule.hold_off
        return Spotted(self.labels[best], float(means[best]), timestamp)

    def _remember(self, logits: Logits, means: Means, memory: int) -> Spotted | None:
        self._logits[self._fed % memory] = logits[self._gestures]
        self._fed += 1
        complete = float(means[self._gestures].sum())
        if self._held is not None and complete < RELEASE * self.rule.threshold:
            self._held = None
        if complete < self.rule.threshold or self._last < self._free or self._held is not None:
            return None
        self._held = int(self._gestures[self._logits.sum(0).argmax()])
        self._free = self._last + self.rule.hold_off
        self._logits[:] = 0
        return Spotted(self.labels[self._held], complete, self._last)

    def reset(self) -> None:
        """Forget everything: the next answer is the first."""
        self._recent[:] = 0
        self._logits[:] = 0
        self._next = 0
        self._held = None
        self._free = self._last = -math.inf


def describe_rule(rule: RuleSpec, labels: Sequence[str]) -> str:
    """A rule in words, as ``Spotter`` goes by it.

    Args:
        labels: of the model.
    """
    reaches = f"reaches {rule.threshold:g} over {_frames(rule.window)}"
    pause = f"then nothing is announced for {rule.hold_off:g} s, nor before"
    if rule.memory is None:
        words = (
            f"a label is announced when its mean probability is the largest and {reaches}; {pause} the announced label "
            f"has fallen below {rule.threshold:g}"
        )
    else:
        words = (
            f"a gesture is complete when the mean probability of all gestures together {reaches}; which one is decided "
            f"by the mean logits of the last {_frames(rule.memory)}, back to the last announcement at most; {pause} "
            f"the gestures have fallen below {RELEASE * rule.threshold:g}"
        )
    idle = rule.none or (NONE if NONE in labels else None)
    return words if idle is None else f"{words}; {idle!r} is no gesture"


def _frames(count: int) -> str:
    return f"{count} frame" + ("" if count == 1 else "s")


class EventScore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How announcements compare with what happened.

    Attributes:
        right: events that were announced. false: announcements of nothing. missed: events that were not announced.
        delays: seconds from the end of each announced stroke to its announcement; before the end they are negative.
        seconds: how long all of it took.
    """

    right: int = 0
    false: int = 0
    missed: int = 0
    delays: tuple[float, ...] = ()
    seconds: float = 0.0

    def __add__(self, other: EventScore) -> EventScore:
        return EventScore(
            self.right + other.right,
            self.false + other.false,
            self.missed + other.missed,
            self.delays + other.delays,
            self.seconds + other.seconds,
        )

    @property
    def precision(self) -> float | None:
        """Share of the announcements that are right; None: there were none."""
        announced = self.right + self.false
        return self.right / announced if announced else None

    @property
    def recall(self) -> float | None:
        """Share of the events that were announced; None: there were none."""
        events = self.right + self.missed
        return self.right / events if events else None

    @property
    def f1(self) -> float:
        """The harmonic mean of both; 0 where nothing is right."""
        return 2 * self.right / max(2 * self.right + self.false + self.missed, 1)

    @property
    def false_per_minute(self) -> float | None:
        """False alarms a minute; None: it took no time."""
        return 60 * self.false / self.seconds if self.seconds > 0 else None

    def delay(self, percent: float) -> float | None:
        """A percentile of the delays, seconds; None: there are none."""
        return float(np.percentile(self.delays, percent)) if self.delays else None


def match_events(spotted: Iterable[Spotted], events: Iterable[Event], seconds: float) -> EventScore:
    """Compare a stream's announcements with what happened in it.

    One is right if its label is that of an event whose stroke is half done, and has been complete for no more than
    ``GRACE`` seconds; each event once. Events at an end of the stream, of which some of that time is not in it, count
    for nothing, nor do announcements of them.

    Args:
        spotted, events: of one stream, in any order, on one clock that begins with it.
        seconds: how long it is.
    """
    left = sorted(events, key=lambda event: event.end)
    inside = [event for event in left if event.begin >= 0 and event.end + GRACE <= seconds]
    false, delays = 0, []
    for one in sorted(spotted, key=lambda spotted: spotted.timestamp):
        for event in left:
            if one.label == event.label and (event.begin + event.end) / 2 <= one.timestamp <= event.end + GRACE:
                left.remove(event)
                if event in inside:
                    delays.append(one.timestamp - event.end)
                break
        else:
            false += 1
    return EventScore(len(delays), false, len(inside) - len(delays), tuple(delays), seconds)


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
    for window in windows:
        means = [window_means(logits, window) for _, logits, _ in sequences]
        for memory, threshold, hold_off in product(memories, THRESHOLDS, HOLD_OFFS):
            rule = RuleSpec(window=window, threshold=threshold, hold_off=hold_off, memory=memory)
            score = EventScore()
            for (times, logits, events), mean in zip(sequences, means, strict=True):
                score += match_events(_spot(rule, labels, times, mean, logits), events, len(times) * spacing)
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
    idle = _idle(best[1], labels)
    return best[1] if idle is None else msgspec.structs.replace(best[1], none=labels[idle])


def spot(rule: RuleSpec, labels: Sequence[str], times: Times, logits: Logits) -> list[Spotted]:
    """What a ``Spotter`` announces on a whole stream, at once.

    Args:
        times: [T] seconds, rising. logits: [T, classes].
    """
    return _spot(rule, labels, times, window_means(logits, rule.window), logits)


def _spot(rule: RuleSpec, labels: Sequence[str], times: Times, means: Means, logits: Logits) -> list[Spotted]:
    if rule.memory is not None:
        return _spot_from_memory(rule, rule.memory, labels, times, means, logits)
    first = means.argmax(1)
    candidates = np.flatnonzero((first != _idle(rule, labels)) & (means.max(1) >= rule.threshold))
    found: list[Spotted] = []
    at = 0
    while (place := int(np.searchsorted(candidates, at))) < len(candidates):
        index = int(candidates[place])
        label = int(first[index])
        found.append(Spotted(labels[label], float(means[index, label]), float(times[index])))
        below = np.flatnonzero(means[index + 1 :, label] < rule.threshold)
        free = int(np.searchsorted(times, times[index] + rule.hold_off))
        at = max(free, index + 1 + int(below[0])) if len(below) else len(means)
    return found


def _spot_from_memory(
    rule: RuleSpec, memory: int, labels: Sequence[str], times: Times, means: Means, logits: Logits
) -> list[Spotted]:
    idle = _idle(rule, labels)
    gestures = np.array([index for index in range(len(labels)) if index != idle])
    complete = means[:, gestures].sum(1)
    sums = np.concatenate([np.zeros((1, len(gestures))), np.cumsum(logits[:, gestures], 0, np.float64)])
    over, under = (np.flatnonzero(part) for part in (complete >= rule.threshold, complete < RELEASE * rule.threshold))
    found: list[Spotted] = []
    at = start = 0
    while (place := int(np.searchsorted(over, at))) < len(over):
        index = int(over[place])
        since = max(start, index + 1 - memory)
        label = int(gestures[(sums[index + 1] - sums[since]).argmax()])
        found.append(Spotted(labels[label], float(complete[index]), float(times[index])))
        fallen = int(np.searchsorted(under, index + 1))
        if fallen == len(under):
            break
        start, at = index + 1, max(int(under[fallen]), int(np.searchsorted(times, times[index] + rule.hold_off)))
    return found


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


def _idle(rule: RuleSpec, labels: Sequence[str]) -> int | None:
    try:
        return rule.idle(labels)
    except ValueError as error:
        raise EdgeshiftError(str(error)) from error
