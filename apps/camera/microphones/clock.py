"""Estimates when samples were recorded from the times at which they arrive.

Samples are recorded at even times, but arrive late by a delay that varies. Let a piece that ends with sample n arrive
at time a. Then a - n / rate is the time of sample 0 plus the delay of that piece. The smallest of these values, their
lower envelope, belongs to a piece with hardly any delay, so it is the estimate of the time of sample 0.
"""

from __future__ import annotations

from collections import deque

#: Seconds that the envelope covers. Within them, a clock that is wrong by 0.01% moves the sound by 1 ms.
WINDOW = 10.0
#: Largest change of the estimate from one piece to the next, seconds, so that a better estimate is not taken for a gap.
STEP = 0.01
#: If every piece of the last ``RECENT`` seconds is later than the envelope by more than ``LOST`` seconds, samples were
#: lost and nobody reported it.
RECENT, LOST = 1.0, 0.1


class Envelope:
    """The smallest value of the last seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._values: deque[tuple[float, float]] = deque()  # (time, value), with values that increase

    def add(self, time: float, value: float) -> float:
        """Add a value and return the smallest one."""
        values = self._values
        while values and values[-1][1] >= value:
            values.pop()
        values.append((time, value))
        while values[0][0] < time - self._seconds:
            values.popleft()
        return values[0][1]


class SoundClock:
    """The clock of one microphone.

    Args:
        rate: samples per second.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.restart()

    def restart(self) -> None:
        """Forget all pieces, because samples were lost and their number is unknown."""
        self._count = 0
        self._first: float | None = None  # arrival of the first piece
        self._origin = 0.0  # estimated time of sample 0
        self._envelope, self._recent = Envelope(WINDOW), Envelope(RECENT)

    def stamp(self, count: int, arrival: float) -> tuple[float, bool]:
        """Return the time of the first sample of the next piece, and whether samples were lost before the piece.

        Args:
            count: number of samples of the piece.
            arrival: time at which the piece arrived, seconds.
        """
        origin = arrival - (self._count + count) / self.rate
        smallest, recent = self._envelope.add(arrival, origin), self._recent.add(arrival, origin)
        if self._first is None:
            self._first, self._origin = arrival, origin
        elif arrival - self._first > RECENT and recent - smallest > LOST:
            self.restart()
            return self.stamp(count, arrival)[0], True
        self._origin += min(max(smallest - self._origin, -STEP), STEP)
        begin = self._origin + self._count / self.rate
        self._count += count
        return begin, False
