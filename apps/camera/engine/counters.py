"""The counters and timings of a run. All parts of the demo update one ``Counters``; window and summary read it."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np

from edgeshift.events.spotter import Detection
from edgeshift.stream import Timings
from edgeshift.stream.percentiles import milliseconds
from edgeshift.stream.stream import PHASES

#: Number of steps and of drawn frames whose times are kept, and number of events over which a rate is measured.
KEPT, RATE_EVENTS = 4096, 33
#: Most detections that are kept for the summary.
KEPT_DETECTIONS = 100_000


class Rate:
    """How often something happens, measured over its last events."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=RATE_EVENTS)

    def tick(self, now: float) -> None:
        """Count one event at time ``now``, seconds. A time before the last one starts a new measurement."""
        if self._times and now < self._times[-1]:
            self._times.clear()
        self._times.append(now)

    def reset(self) -> None:
        """Start a new measurement."""
        self._times.clear()

    @property
    def hertz(self) -> float | None:
        """Events per second; None before the second event."""
        times = self._times.copy()
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else None


class StepCounter:
    """The steps of one artifact: their number, their rate and the times of the last ``KEPT``.

    A step of a clip artifact is an answer.

    Attributes:
        count: number of steps.
        rate: steps per second.
        collected: number of frames that the current stream of a clip artifact has, as long as it gave no answer yet.
    """

    def __init__(self) -> None:
        self._seconds: deque[tuple[float, float, float]] = deque(maxlen=KEPT)
        self.count = self.collected = 0
        self.rate = Rate()

    def add(self, timings: Timings, now: float) -> None:
        """Count one step at time ``now``, seconds."""
        self._seconds.append((timings.pre, timings.infer, timings.post))
        self.count += 1
        self.rate.tick(now)

    def milliseconds(self, last: int = KEPT) -> dict[str, dict[str, float | None]]:
        """Return {phase: {"p50": ms, "p90": ms}} over the ``last`` steps; None in place of ms: too few steps."""
        recent = np.array(list(self._seconds)[-last:]).reshape(-1, len(PHASES))
        return {phase: milliseconds(recent[:, column]) for column, phase in enumerate(PHASES)}


class Counters:
    """The counters of one run. Each attribute is written by one thread only, and any thread may read it.

    Args:
        artifacts: number of artifacts.

    Attributes:
        started: ``time.monotonic`` when the first frame arrived; None before.
        grabbed: number of frames that were read from the source.
        not_due: number of frames that the model did not get, because the frame spacing had not passed yet.
        dropped: number of frames for the model that were replaced by a newer one before the model was free.
        skipped: number of frames of a clip that real-time playback skipped, because their time had passed already.
        losses: number of times that the camera was lost.
        camera_lost: whether the camera is lost at the moment.
        camera: rate of the source's frames, whether or not the model gets them.
        steps: the steps of each artifact.
        detections: the last announced events; times in seconds from the first frame.
        costs: (seconds outside the runtime, seconds inside it) of each of the last steps. Outside the runtime, frames
            are fitted, logits become a prediction, labels are smoothed and events are reported.
        heard: number of answers by what the stream says about the sound (``Prediction.heard``), if there is a sound.
        draws: seconds for drawing each of the last new frames.
    """

    def __init__(self, artifacts: int) -> None:
        self.started: float | None = None
        self.grabbed = self.not_due = self.dropped = self.skipped = self.losses = 0
        self.camera_lost = False
        self.camera = Rate()
        self.steps = [StepCounter() for _ in range(artifacts)]
        self.detections: deque[Detection] = deque(maxlen=KEPT_DETECTIONS)
        self.costs: deque[tuple[float, float]] = deque(maxlen=KEPT)
        self.heard: Counter[str] = Counter()
        self.draws: deque[float] = deque(maxlen=KEPT)

    @property
    def fed(self) -> int:
        """Number of frames that were fed to the artifacts."""
        return sum(steps.count for steps in self.steps)

    @property
    def missed(self) -> int:
        """Number of frames that were not used, because the model or the decoder was too slow."""
        return self.dropped + self.skipped
