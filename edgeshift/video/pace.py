"""The pace of a stream: which frames are due, by the frame spacing that the network was trained with."""

from __future__ import annotations

import math

from edgeshift.errors import EdgeshiftError, VideoError

#: Tolerance of timestamps in seconds, because some containers store whole milliseconds.
CLOCK_TOLERANCE = 0.001


#: Largest time of a frame, seconds. Above 2^53, a float no longer tells one second from the next.
MAX_TIME = 2.0**53


def require_time(timestamp: float) -> None:
    """Raise EdgeshiftError if the time of a frame is not a number, or is not between -``MAX_TIME`` and ``MAX_TIME``."""
    if not -MAX_TIME <= timestamp <= MAX_TIME:  # also NaN, and integers that do not fit into a float
        shown = timestamp if isinstance(timestamp, float) else "an integer of this size"
        raise EdgeshiftError(f"a timestamp of {shown} is not a time in seconds")


class Pacer:
    """Decides which frames of a stream are due: the first one at or after every multiple of ``spacing`` seconds.

    The multiples count from the first frame, so the pace does not drift, whatever the rate of the camera is. After a
    gap, one frame is due, not one for each multiple that was missed. If the time jumps back, the pacer starts again.

    Args:
        spacing: seconds between due frames.

    Raises:
        VideoError: the spacing is not a positive number.
    """

    def __init__(self, spacing: float) -> None:
        if not (math.isfinite(spacing) and spacing > 0):
            raise VideoError(f"the frame spacing is {spacing} s: give a number of seconds above 0")
        self.spacing = spacing
        self._start = self._last = -math.inf
        self._due = 0  # number of spacings from the start

    def takes(self, timestamp: float) -> bool:
        """Return True if the frame with this time in seconds is due, and count it as processed."""
        if self._last == -math.inf or timestamp < self._last:
            self._start, self._due = timestamp, 0
        self._last = timestamp
        passed = math.floor((timestamp - self._start + CLOCK_TOLERANCE) / self.spacing)
        if passed < self._due:
            return False
        self._due = passed + 1
        return True
