"""Modes of measuring, with the names and lengths of MLPerf Mobile where it has them."""

from __future__ import annotations

from typing import NamedTuple

from edgeshift.benchmarks.latency.result import Mode


class Length(NamedTuple):
    """Of one repeat: both must be reached. repeats: fresh processes."""

    steps: int
    seconds: float
    repeats: int


MODES: dict[Mode, Length] = {
    "normal": Length(1024, 60.0, 3),
    "quick": Length(128, 10.0, 3),
    "rapid": Length(64, 6.0, 3),
    "paced": Length(1, 60.0, 3),
    "sustained": Length(1, 60.0, 1),
}
#: Minutes of a sustained run, frames a second of a paced one, if nobody says.
MINUTES, FPS = 30, 30.0
