"""Smoothing: turns the answers of single frames into the label that is shown and the events that are announced.

    rule     the event rule in the artifact (``edgeshift.events.spotter``), or the default rule if it has none
    mean     the label with the largest mean probability over the last frames
    jester   the rule of the online demo of TSM's authors on the Jester gestures
    none     each answer as it is

Smoothing is not part of the model. Except with "rule", an event is announced when a gesture's label begins to be shown.

The jester rule sums the logits of the last 12 frames and shows the label with the largest sum. If that label is masked
(by default five gestures that are often confused), the shown label stays as it is. "Doing other things" counts as "No
gesture". A shown label stays for at least two frames, so that labels do not flicker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from functools import partial

import msgspec
import numpy as np

from edgeshift.artifact.description import NONE
from edgeshift.artifact.spec import StreamSpec
from edgeshift.errors import EdgeshiftError, unknown
from edgeshift.events.default_rule import NOT_GESTURES, rule_of
from edgeshift.events.spotter import Detection, Logits, Spotter, probabilities, silent_indices

#: Number of frames that "mean" averages if the artifact has no rule, and number of frames that "jester" sums.
MEAN_WINDOW, JESTER_WINDOW = 5, 12
#: Seconds for which an announced label stays shown.
HELD = 1.5
#: Labels of the Jester data set that the demo of TSM's authors masks.
JESTER_MASK = (
    "Pulling Hand In",
    "Rolling Hand Backward",
    "Rolling Hand Forward",
    "Turning Hand Clockwise",
    "Turning Hand Counterclockwise",
)


class DisplayState(msgspec.Struct, frozen=True):
    """What is shown after a frame.

    Attributes:
        label: the shown label.
        score: its score, 0 to 1.
        idle: whether the label stands for no gesture.
        announced: whether the label was announced, at most ``HELD`` seconds ago.
        event: the event that this frame announces; None: no event.
    """

    label: str
    score: float
    idle: bool
    announced: bool = False
    event: Detection | None = None


class Smoother:
    """Smooths the answers of one stream. A stream that is reset gets a new smoother.

    Args:
        spec: description of the artifact.
        mask: labels that are never shown.
    """

    def __init__(self, spec: StreamSpec, mask: frozenset[str]) -> None:
        self.labels, self.mask = spec.labels, mask
        self.rule = rule_of(spec)
        silent = {spec.labels[index] for index in silent_indices(self.rule, spec.labels)}
        self.idle = silent or set(NOT_GESTURES) & set(spec.labels)
        self.no_gesture = next(iter(sorted(self.idle, key=list(spec.labels).index)), NONE)
        self.last = self.no_gesture

    def feed(self, logits: Logits, timestamp: float) -> DisplayState:
        """Return what to show after one frame, from its logits, [classes], and its time in seconds."""
        raise NotImplementedError

    def show(self, label: str, score: float, timestamp: float) -> DisplayState:
        """Return what to show for a label. It is an event if it is a gesture and another label was shown before."""
        if label in self.mask:
            label = self.no_gesture
        idle = label in self.idle or label == self.no_gesture
        event = None if idle or label == self.last else Detection(label, score, timestamp)
        self.last = label
        return DisplayState(label, score, idle, not idle, event)


def make_smoother(name: str | None, spec: StreamSpec, mask: Collection[str] = ()) -> Smoother:
    """Return a new smoother.

    Args:
        name: a name in ``SMOOTHINGS``; None: "rule".
        spec: description of the artifact.
        mask: labels that are never shown.

    Raises:
        EdgeshiftError: the name is unknown.
    """
    name = name or "rule"
    if name not in SMOOTHINGS:
        raise EdgeshiftError(unknown("smoothing", name, SMOOTHINGS))
    return SMOOTHINGS[name](spec, frozenset(mask) & set(spec.labels))


class _Mean(Smoother):
    """Shows the label with the largest mean probability over the last frames."""

    def __init__(self, spec: StreamSpec, mask: frozenset[str], window: int | None = None) -> None:
        super().__init__(spec, mask)
        self._recent: deque[Logits] = deque(maxlen=window or (spec.rule.window if spec.rule else MEAN_WINDOW))

    def feed(self, logits: Logits, timestamp: float) -> DisplayState:
        self._recent.append(probabilities(logits))
        means = np.sum(self._recent, axis=0) / len(self._recent)
        best = int(means.argmax())
        return self.show(self.labels[best], float(means[best]), timestamp)


class _Rule(Smoother):
    """Announces events by the event rule. In between, shows the label with the largest running mean."""

    def __init__(self, spec: StreamSpec, mask: frozenset[str]) -> None:
        super().__init__(spec, mask)
        self._spotter = Spotter(self.rule, spec.labels)
        self._held: Detection | None = None

    def feed(self, logits: Logits, timestamp: float) -> DisplayState:
        event = self._spotter.feed(logits, timestamp)
        best, mean = self._spotter.leading()
        shown = self.show(self.labels[best], mean, timestamp)
        if event is not None and event.label not in self.mask:
            self._held = event
            return DisplayState(event.label, event.score, False, True, event)
        if self._held is not None and 0 <= timestamp - self._held.timestamp < HELD:
            return DisplayState(self._held.label, self._held.score, False, True)
        return DisplayState(shown.label, shown.score, shown.idle)


class _Jester(Smoother):
    """Shows labels by the jester rule (see the module docstring)."""

    def __init__(self, spec: StreamSpec, mask: frozenset[str]) -> None:
        super().__init__(spec, mask or frozenset(JESTER_MASK))
        self._recent: deque[Logits] = deque(maxlen=JESTER_WINDOW)
        # The label for no gesture counts as shown for two frames already, so that the first gesture is shown at once.
        self._label, self._frames = self.no_gesture, 2

    def feed(self, logits: Logits, timestamp: float) -> DisplayState:
        self._recent.append(np.asarray(logits, np.float64))
        total = np.sum(self._recent, axis=0)
        label = self.labels[int(total.argmax())]
        if label in self.mask:
            label = self._label
        if label in self.idle:
            label = self.no_gesture
        if label != self._label and self._frames >= 2:
            self._label, self._frames = label, 0
        self._frames += 1
        scores = probabilities(total / len(self._recent))
        score = float(scores[self.labels.index(self._label)]) if self._label in self.labels else 0.0
        return self.show(self._label, score, timestamp)


SMOOTHINGS: dict[str, Callable[[StreamSpec, frozenset[str]], Smoother]] = {
    "rule": _Rule,
    "mean": _Mean,
    "jester": _Jester,
    "none": partial(_Mean, window=1),
}
