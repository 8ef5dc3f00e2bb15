"""Smoothing: turns the answers of single frames into the label that is shown and the events that are announced.

    rule     the event rule in the artifact (``edgeshift.events.spotter``); its announcements are the events
    mean     the label with the largest mean probability over the last frames
    jester   the rule of the online demo of TSM's authors on the Jester gestures
    none     each answer as it is

Smoothing is not part of the model. For all but "rule", an event is announced when a gesture's label begins to be shown.

The jester rule sums the logits of the last 12 frames and takes the largest sum. A masked label (rolling, turning or
pulling, which are often confused) leaves the shown label as it is; "Doing other things" counts as "No gesture". A shown
label stays for at least two frames, so that nothing flickers.
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
from edgeshift.events.spotter import DEFAULT_RULE, Detection, Logits, Spotter, no_gesture_index, probabilities

#: Frames that "mean" averages if the artifact has no rule, and frames that "jester" sums.
MEAN_WINDOW, JESTER_WINDOW = 5, 12
#: Seconds for which an announced label stays shown.
HELD = 1.5
#: Labels of the Jester data set that are not gestures, and labels that its demo masks.
JESTER_IDLE = ("No gesture", "Doing other things")
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
        idle: whether the label is not a gesture.
        announced: whether the label was announced and is still held.
        event: the event that this frame announces; None: none.
    """

    label: str
    score: float
    idle: bool
    announced: bool = False
    event: Detection | None = None


class Smoother:
    """The smoothing of one stream. When the stream is reset, it gets a new smoother.

    Args:
        spec: description of the artifact.
        mask: labels that are never shown.
    """

    def __init__(self, spec: StreamSpec, mask: frozenset[str]) -> None:
        self.labels, self.mask = spec.labels, mask
        idle = no_gesture_index(spec.rule or DEFAULT_RULE, spec.labels)
        self.idle = {spec.labels[idle]} if idle is not None else set(JESTER_IDLE) & set(spec.labels)
        self.nothing = next(iter(sorted(self.idle, key=list(spec.labels).index)), NONE)
        self.last = self.nothing

    def feed(self, logits: Logits, timestamp: float) -> DisplayState:
        """Add the answer to one frame: its logits, [classes], and the frame's time in seconds."""
        raise NotImplementedError

    def show(self, label: str, score: float, timestamp: float) -> DisplayState:
        """Return what is shown for a label. A gesture's label that was not shown before is an event."""
        if label in self.mask:
            label = self.nothing
        idle = label in self.idle or label == self.nothing
        event = None if idle or label == self.last else Detection(label, score, timestamp)
        self.last = label
        return DisplayState(label, score, idle, not idle, event)


def find_smoother(name: str | None, spec: StreamSpec, mask: Collection[str] = ()) -> Smoother:
    """Return a new smoother.

    Args:
        name: a name in ``SMOOTHINGS``. None: "rule" if the artifact has a rule, else "mean".
        spec: description of the artifact.
        mask: labels that are never shown.

    Raises:
        EdgeshiftError: the name is unknown, or it is "rule" and the artifact has no rule.
    """
    name = name or ("rule" if spec.rule else "mean")
    if name not in SMOOTHINGS:
        raise EdgeshiftError(unknown("smoothing", name, SMOOTHINGS))
    return SMOOTHINGS[name](spec, frozenset(mask) & set(spec.labels))


class _Mean(Smoother):
    """The largest mean probability over the last frames."""

    def __init__(self, spec: StreamSpec, mask: frozenset[str], window: int | None = None) -> None:
        super().__init__(spec, mask)
        self._recent: deque[Logits] = deque(maxlen=window or (spec.rule.window if spec.rule else MEAN_WINDOW))

    def feed(self, logits: Logits, timestamp: float) -> DisplayState:
        self._recent.append(probabilities(logits))
        means = np.sum(self._recent, axis=0) / len(self._recent)
        best = int(means.argmax())
        return self.show(self.labels[best], float(means[best]), timestamp)


class _Rule(Smoother):
    """The artifact's event rule. Between announcements the label with the largest running mean is shown."""

    def __init__(self, spec: StreamSpec, mask: frozenset[str]) -> None:
        super().__init__(spec, mask)
        if spec.rule is None:
            raise EdgeshiftError("the artifact has no event rule: use --smoothing mean, or jester")
        self._spotter = Spotter(spec.rule, spec.labels)
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
    """The jester rule, which the module docstring describes."""

    def __init__(self, spec: StreamSpec, mask: frozenset[str]) -> None:
        super().__init__(spec, mask or frozenset(JESTER_MASK))
        self._recent: deque[Logits] = deque(maxlen=JESTER_WINDOW)
        # Two frames: the first gesture may be shown at once.
        self._label, self._frames = self.nothing, 2

    def feed(self, logits: Logits, timestamp: float) -> DisplayState:
        self._recent.append(np.asarray(logits, np.float64))
        total = np.sum(self._recent, axis=0)
        label = self.labels[int(total.argmax())]
        if label in self.mask:
            label = self._label
        if label in self.idle:
            label = self.nothing
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
