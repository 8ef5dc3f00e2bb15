"""The timed loop. What it does besides stepping is two readings of a clock and two appends: under 1% of any step."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter, sleep
from typing import NamedTuple

from edgeshift.stream import Stream, Timings
from edgeshift.video.fit import Frame

#: Warm-up: so many steps and seconds at least; then until the median of a window is this near to the one before.
WARM_STEPS, WARM_SECONDS, SETTLED = 10, 1.0, 0.02
WINDOW_STEPS, WINDOW_SECONDS = 20, 0.5
#: Of a slow device, whose window would last longer than the cap: a window ends after so many seconds and steps.
SLOW_SECONDS, SLOW_STEPS = 5.0, 3
#: Seconds after which a step that has not settled is timed all the same, and called so.
WARM_CAP = 20.0
#: Samples of a phase that are kept of a long run. At 25 bytes a step, a report of three such repeats takes 30 MB.
MOST = 400_000


class Steps(NamedTuple):
    """Timed steps in order.

    Attributes:
        timings: of each, as the stream gives them. totals: seconds, end to end. ends: seconds from the loop's begin.
        late: of a paced loop: frames that were not answered before the next one was due. offered: by the camera.
    """

    timings: list[Timings]
    totals: list[float]
    ends: list[float]
    late: int = 0
    offered: int = 0

    @property
    def seconds(self) -> float:
        """From the loop's begin to the last step's end."""
        return self.ends[-1]


class Kept:
    """The samples of a long run: no more than ``MOST``. Of more, every second one is let go, again and again.

    Attributes:
        steps: that were timed. seconds: until the last one's end.
    """

    def __init__(self) -> None:
        self.timings: list[Timings] = []
        self.totals: list[float] = []
        self.steps, self.seconds, self._every = 0, 0.0, 1

    def add(self, part: Steps, offset: float) -> None:
        """Another part of the run, which began ``offset`` seconds after it."""
        first = -self.steps % self._every
        self.timings.extend(part.timings[first :: self._every])
        self.totals.extend(part.totals[first :: self._every])
        self.steps += len(part.totals)
        self.seconds = offset + part.ends[-1]
        while len(self.totals) >= MOST:
            del self.timings[1::2], self.totals[1::2]
            self._every *= 2


def warm_up(stream: Stream, frames: Sequence[Frame], clock: Callable[[], float] = perf_counter) -> tuple[int, bool]:
    """Step until the time of a step has settled.

    Returns:
        the steps it took, and whether it settled before ``WARM_CAP``.
    """
    begin, steps, last = clock(), 0, 0.0
    while True:
        window: list[float] = []
        start = clock()
        while _goes_on(len(window), clock() - start):
            before = clock()
            stream.step(frames[steps % len(frames)])
            window.append(clock() - before)
            steps += 1
        now, seconds = sorted(window)[len(window) // 2], clock() - begin
        if steps >= WARM_STEPS and seconds >= WARM_SECONDS and last and abs(now - last) <= SETTLED * last:
            return steps, True
        if seconds >= WARM_CAP and last:
            return steps, False
        last = now


def _goes_on(steps: int, seconds: float) -> bool:
    if seconds >= SLOW_SECONDS and steps >= SLOW_STEPS:
        return False
    return steps < WINDOW_STEPS or seconds < WINDOW_SECONDS


def run_steps(
    stream: Stream, frames: Sequence[Frame], steps: int, seconds: float, clock: Callable[[], float] = perf_counter
) -> Steps:
    """Step after step, until there are so many and so much time has passed. The state is carried throughout."""
    found = Steps([], [], [])
    timings, totals, ends = found.timings.append, found.totals.append, found.ends.append
    step, count, index = stream.step, len(frames), 0
    with no_collection():
        begin = clock()
        while True:
            before = clock()
            answer = step(frames[index % count])
            after = clock()
            timings(answer.timings)
            totals(after - before)
            ends(after - begin)
            index += 1
            if after - begin >= seconds and index >= steps:
                return found


def run_paced(
    stream: Stream,
    frames: Sequence[Frame],
    steps: int,
    seconds: float,
    fps: float,
    clock: Callable[[], float] = perf_counter,
    rest: Callable[[float], None] = sleep,
) -> Steps:
    """One frame each 1/fps, as from a camera that keeps only its newest.

    A frame is missed if its answer comes after the next one is there; so is one that was never looked at.
    """
    found, late, index, spacing = Steps([], [], []), 0, 0, 1.0 / fps
    with no_collection():
        begin = clock()
        while True:
            due = begin + index * spacing
            while (now := clock()) < due:
                rest(due - now)
            answer = stream.step(frames[index % len(frames)])
            after = clock()
            found.timings.append(answer.timings)
            found.totals.append(after - now)
            found.ends.append(after - begin)
            newest = max(index + 1, int((after - begin) / spacing))
            # This one was late if the next is already there; those between were never looked at.
            late += (after - begin >= (index + 1) * spacing) + newest - index - 1
            index = newest
            if after - begin >= seconds and len(found.totals) >= steps:
                return found._replace(late=late, offered=index)


@contextmanager
def no_collection() -> Iterator[None]:
    """Garbage is not collected meanwhile."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
