"""From single answers to what is shown and announced. None of it is part of the model.

    rule     the artifact's own (``edgeshift.events.spotter``): what it announces is an event
    mean     the label with the largest mean probability of the last frames
    jester   as in the online demo of TSM's authors on the Jester gestures
    none     each answer as it is

The jester rule, in our words: the logits of the last 12 frames are summed and the largest sum wins. A masked label (of
those that are mixed up most: rolling, turning, pulling) changes nothing, what was shown stays; "Doing other things"
counts as "No gesture". And what is shown has been shown for two frames in a row before another label replaces it, so
that nothing flickers for one frame.

For all but "rule", an event is a label of a gesture that comes to be shown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from typing import Protocol

import msgspec
import numpy as np

from edgeshift.artifact.description import NONE
from edgeshift.artifact.spec import StreamSpec
from edgeshift.errors import EdgeshiftError, unknown
from edgeshift.events.spotter import DEFAULT_RULE, Detection, Logits, Spotter, idle_of, probabilities

#: Frames whose probabilities "mean" averages where the artifact has no rule, and whose logits "jester" sums.
MEAN_WINDOW, JESTER_WINDOW = 5, 12
#: Seconds for which an announcement stays on the picture.
HELD = 1.5
#: Of the Jester data set: what is no gesture, and what its demo masks.
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
        label: shown. score: of it, 0 to 1. idle: it is no gesture. announced: it is an event's, still held.
        event: what this frame decided, if anything.
    """

    label: str
    score: float
    idle: bool
    announced: bool = False
    event: Detection | None = None


class Smoother(Protocol):
    """One stream's smoothing."""

    def feed(self, logits: Logits, timestamp: float) -> DisplayState:
        """Take the fresh answer to one frame: logits [classes], and its time in seconds."""
        ...

    def reset(self) -> None:
        """Forget everything."""
        ...


def find_smoother(name: str | None, spec: StreamSpec, mask: Collection[str] = ()) -> Smoother:
    """The smoother of a name.

    Args:
        name: of ``SMOOTHINGS``. None: the artifact's rule if it has one, else "mean".
        spec: of the stream. mask: labels that are never shown.

    Raises:
        EdgeshiftError: an unknown name or label, or "rule" where the artifact carries none.
    """
    name = name or ("rule" if spec.rule else "mean")
    if name not in SMOOTHINGS:
        raise EdgeshiftError(unknown("smoothing", name, SMOOTHINGS))
    for label in mask:
        if label not in spec.labels:
            raise EdgeshiftError(unknown("label", label, spec.labels))
    return SMOOTHINGS[name](spec, frozenset(mask))


class _Shown:
    """The part they share: which labels are gestures, and when a label begins to be shown."""

    def __init__(self, spec: StreamSpec, mask: frozenset[str]) -> None:
        self.labels, self.mask = spec.labels, mask
        idle = idle_of(spec.rule or DEFAULT_RULE, spec.labels)
        self.idle = {spec.labels[idle]} if idle is not None else set(JESTER_IDLE) & set(spec.labels)
        self.nothing = next(iter(sorted(self.idle, key=list(spec.labels).index)), NONE)
        self.last = self.nothing

    def show(self, label: str, score: float, timestamp: float) -> DisplayState:
        if label in self.mask:
            label = self.nothing
        idle = label in self.idle or label == self.nothing
        event = None if idle or label == self.last else Detection(label, score, timestamp)
        self.last = label
        return DisplayState(label, score, idle, not idle, event)

    def reset(self) -> None:
        self.last = self.nothing


class _Plain(_Shown):
    """Each answer as it is."""

    def feed(self, logits: Logits, timestamp: float) -> DisplayState:
        scores = probabilities(logits)
        best = int(scores.argmax())
        return self.show(self.labels[best], float(scores[best]), timestamp)


class _Mean(_Shown):
    """The largest mean probability over a window that fills up from the first frame."""

    def __init__(self, spec: StreamSpec, mask: frozenset[str]) -> None:
        super().__init__(spec, mask)
        self._recent: deque[Logits] = deque(maxlen=spec.rule.window if spec.rule else MEAN_WINDOW)

    def mean(self, logits: Logits) -> tuple[str, float]:
        self._recent.append(probabilities(logits))
        means = np.sum(self._recent, axis=0) / len(self._recent)
        best = int(means.argmax())
        return self.labels[best], float(means[best])

    def feed(self, logits: Logits, timestamp: float) -> DisplayState:
        return self.show(*self.mean(logits), timestamp)

    def reset(self) -> None:
        super().reset()
        self._recent.clear()


class _Rule(_Shown):
    """The artifact's rule. Between announcements the running mean is shown, so that one sees a gesture coming."""

    def __init__(self, spec: StreamSpec, mask: frozenset[str]) -> None:
        super().__init__(spec, mask)
        if spec.rule is None:
            raise EdgeshiftError("the artifact carries no rule for announcing events: use --smoothing mean, or jester")
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

    def reset(self) -> None:
        super().reset()
        self._spotter.reset()
        self._held = None


class _Jester(_Shown):
    """See the top of this file."""

    def __init__(self, spec: StreamSpec, mask: frozenset[str]) -> None:
        super().__init__(spec, mask or frozenset(JESTER_MASK))
        self._recent: deque[Logits] = deque(maxlen=JESTER_WINDOW)
        # Nothing has been shown long enough to be replaced at once.
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

    def reset(self) -> None:
        super().reset()
        self._recent.clear()
        self._label, self._frames = self.nothing, 2


SMOOTHINGS: dict[str, Callable[[StreamSpec, frozenset[str]], Smoother]] = {
    "rule": _Rule,
    "mean": _Mean,
    "jester": _Jester,
    "none": _Plain,
}
