"""The modes of a measurement. Names and minimum lengths are those of MLPerf Mobile if it has the same mode."""

from __future__ import annotations

from typing import NamedTuple

from edgeshift.benchmarks.latency.result import Mode


class Length(NamedTuple):
    """The minimum timed steps and seconds of a repeat, which must both be reached, and the number of repeats.

    For a sustained run, ``seconds`` is the length of one of its minutes.
    """

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
#: Default minutes of a sustained run, and default frame rate of a paced run, frames per second.
MINUTES, FPS = 30, 30.0
