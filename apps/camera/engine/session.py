"""One or more artifacts and the streams they run: which one is at work, what it says, what it costs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec
import numpy as np

from edgeshift._system.quiet import quiet
from edgeshift.apps.camera.engine.meter import Rate, Times
from edgeshift.apps.camera.engine.smoothing import DisplayState, Smoother, find_smoother
from edgeshift.stream import Fitted, Model, Prediction, Stream
from edgeshift.video.fit import Frame


class Answer(msgspec.Struct, frozen=True):
    """The answer to one frame that was fed. which: the artifact's place. epoch: how often streams epoch before it."""

    prediction: Prediction
    said: DisplayState
    timestamp: float
    which: int
    epoch: int = 0


class Prefetched(msgspec.Struct, frozen=True):
    """A frame that was fitted before it was fed. which: for the artifact of this place."""

    fitted: Fitted
    which: int


class Runner:
    """One artifact with its stream."""

    def __init__(self, path: Path, model: Model, smoothing: str | None, mask: Collection[str]) -> None:
        self.path, self.model = path, model
        self.smoother: Smoother = find_smoother(smoothing, model.spec, [m for m in mask if m in model.spec.labels])
        self.stream: Stream = model.stream()
        self.times, self.rate = Times(), Rate()

    @property
    def title(self) -> str:
        """Its name for the picture: model, precision, target."""
        spec = self.model.spec
        return f"{spec.model.name} {spec.precision} {spec.target}"

    def warm_up(self) -> None:
        """One step on black, so that what a runtime prepares, and prints, at its first step is over; then a reset."""
        with quiet():
            frame = self.model.spec.frame
            self.stream.step(np.zeros((frame.height, frame.width, 3), np.uint8))
        self.stream.reset()


class Session:
    """Streams of the artifacts, one of which is fed. For one thread; others may read the numbers, and ``fit``.

    Args:
        runners: the first one is fed. paced: False: every frame is due, whatever the artifact was trained with.

    Attributes:
        runners: all of them. which: the place of the one that is fed.
    """

    def __init__(self, runners: Sequence[Runner], *, paced: bool = True) -> None:
        self.runners = list(runners)
        self._paced = paced
        self.which = 0
        self._epoch = 0
        #: Frames that came before they were due.
        self.early = 0

    @property
    def runner(self) -> Runner:
        """The one that is fed."""
        return self.runners[self.which]

    @property
    def following(self) -> Runner:
        """The one that a switch goes to."""
        return self.runners[(self.which + 1) % len(self.runners)]

    def fit(self, frame: Frame, timestamp: float) -> Prefetched | None:
        """Fit a frame for ``feed``, if it looks as if it will be due. From the thread that has just made the frame.

        Args:
            frame: uint8 [H, W, 3] RGB. timestamp: seconds.
        """
        which = self.which
        stream = self.runners[which].stream
        return Prefetched(stream.fit(frame), which) if not self._paced or stream.due(timestamp) else None

    def feed(
        self, frame: Frame, timestamp: float, now: float | None = None, ahead: Prefetched | None = None
    ) -> Answer | None:
        """Feed a frame if it is due.

        Args:
            frame: uint8 [H, W, 3] RGB. timestamp: seconds. now: seconds of the clock that rates are taken by.
            ahead: the frame, as ``fit`` made it.

        Returns:
            None: it was not due.
        """
        runner = self.runner
        # What was fitted for another artifact, before a switch, is of no use.
        given = ahead.fitted if ahead is not None and ahead.which == self.which else frame
        prediction = runner.stream.step(given, timestamp if self._paced else None)
        if not prediction.fresh:
            self.early += 1
            return None
        said = runner.smoother.feed(prediction.logits, timestamp)
        runner.times.add(prediction.timings)
        runner.rate.tick(timestamp if now is None else now)
        return Answer(prediction, said, timestamp, self.which, self._epoch)

    def reset(self) -> None:
        """The next frame is the first."""
        self._epoch += 1
        self.runner.stream.reset()
        self.runner.smoother.reset()
        self.runner.rate.reset()

    def switch(self) -> Runner:
        """Go on with the next artifact, from the start: states are of the network they were made by."""
        self.which = (self.which + 1) % len(self.runners)
        self.reset()
        return self.runner
