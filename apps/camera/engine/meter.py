"""What is measured while the demo runs: recent times of steps, and rates."""

from __future__ import annotations

import numpy as np

from edgeshift.stream import Timings
from edgeshift.stream.percentiles import milliseconds
from edgeshift.stream.stream import PHASES

#: Steps whose times are kept, and ticks that a rate is taken over.
KEPT, TICKS = 4096, 33


class Times:
    """The times of the last ``KEPT`` steps. Written by one thread, read by others."""

    def __init__(self, kept: int = KEPT) -> None:
        self._seconds = np.zeros((kept, len(PHASES)))
        self.steps = 0

    def add(self, timings: Timings) -> None:
        """Keep one step's."""
        self._seconds[self.steps % len(self._seconds)] = timings.pre, timings.infer, timings.post
        self.steps += 1

    def milliseconds(self, last: int = KEPT) -> dict[str, dict[str, float | None]]:
        """{phase: {"p50": ms, "p90": ms}} of the last steps; None where there are too few to say."""
        count = min(self.steps, last, len(self._seconds))
        rows = (self.steps - 1 - np.arange(count)) % len(self._seconds)
        return {phase: milliseconds(self._seconds[rows, column]) for column, phase in enumerate(PHASES)}


class Rate:
    """How often something happens, by its last times."""

    def __init__(self, ticks: int = TICKS) -> None:
        self._times = np.full(ticks, -np.inf)
        self._count = 0

    def tick(self, now: float) -> None:
        """It happened. now: seconds; a clock that jumps back starts anew."""
        if self._count and now < self._times[(self._count - 1) % len(self._times)]:
            self.reset()
        self._times[self._count % len(self._times)] = now
        self._count += 1

    def reset(self) -> None:
        """Forget."""
        self._count = 0

    @property
    def hertz(self) -> float | None:
        """Times a second; None: not known yet."""
        kept = min(self._count, len(self._times))
        if kept < 2:
            return None
        first, last = self._times[(self._count - kept) % len(self._times)], self._times[(self._count - 1) % kept]
        return float((kept - 1) / (last - first)) if last > first else None

    @property
    def interval(self) -> float | None:
        """Seconds between two."""
        hertz = self.hertz
        return 1 / hertz if hertz else None
