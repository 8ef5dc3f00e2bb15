"""The timed loop: warm-up, steps at full speed, and steps at a camera's frame rate.

A step at full speed is a frame, or an answer of a clip artifact; see ``steps``. Besides the step, one pass through the
loop only reads the clock twice and appends to two lists, which takes less than 1% of the time of a step.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter, sleep
from typing import TypeVar

from edgeshift.benchmarks.latency.steps import Stepper
from edgeshift.stream import Stream, Timings
from edgeshift.video.fit import Frame

#: The warm-up takes at least this many steps and seconds. It ends when the median latencies of two successive windows
#: differ by at most ``SETTLED``, relative to the earlier one. A window has at least the steps and seconds that follow.
WARM_STEPS, WARM_SECONDS, SETTLED = 10, 1.0, 0.02
WINDOW_STEPS, WINDOW_SECONDS = 20, 0.5
#: A window also ends after this many seconds and steps. On a slow device, full windows could exceed ``WARM_TIMEOUT``.
SLOW_SECONDS, SLOW_STEPS = 5.0, 3
#: Seconds after which the warm-up ends even if the latency has not settled.
WARM_TIMEOUT = 20.0
#: Maximum number of samples that a long run keeps. At 25 bytes per step, a report of three such repeats has 30 MB.
MAX_SAMPLES = 400_000
Item = TypeVar("Item")


@dataclass
class Steps:
    """Timed steps, in order.

    Attributes:
        timings: times of the phases of each step, as the stream reports them.
        totals: seconds of each step, end to end.
        seconds: seconds from the start of the loop to the end of the last step.
        count: number of timed steps.
        every: ``timings`` and ``totals`` have all steps if this is 1, every second step if it is 2, and so on.
        late: frames of a paced loop that had no result when the next frame was due; None: the loop is not paced.
        offered: frames that the simulated camera of a paced loop delivered; None: the loop is not paced.
    """

    timings: list[Timings] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    seconds: float = 0.0
    count: int = 0
    every: int = 1
    late: int | None = None
    offered: int | None = None

    def add(self, part: Steps, offset: float) -> None:
        """Append a part of a long run that started ``offset`` seconds after the start of the run.

        When there are ``MAX_SAMPLES`` samples or more, every second one is dropped; the others are evenly spaced.
        """
        first = -self.count % self.every
        self.timings.extend(part.timings[first :: self.every])
        self.totals.extend(part.totals[first :: self.every])
        self.count += part.count
        self.seconds = offset + part.seconds
        while len(self.totals) >= MAX_SAMPLES:
            del self.timings[1::2], self.totals[1::2]
            self.every *= 2


def warm_up(
    stream: Stepper[Item], frames: Sequence[Item], clock: Callable[[], float] = perf_counter
) -> tuple[int, bool]:
    """Run steps until their latency has settled.

    Args:
        stream, frames: what to time, and the items of its steps, as ``timed_steps`` returns them.

    Returns:
        The number of steps, and whether the latency settled within ``WARM_TIMEOUT``.
    """
    start, steps, previous = clock(), 0, 0.0
    while True:
        window: list[float] = []
        window_start = clock()
        while len(window) < WINDOW_STEPS or clock() - window_start < WINDOW_SECONDS:
            if len(window) >= SLOW_STEPS and clock() - window_start >= SLOW_SECONDS:
                break
            before = clock()
            stream.step(frames[steps % len(frames)])
            window.append(clock() - before)
            steps += 1
        median, seconds = sorted(window)[len(window) // 2], clock() - start
        settled = previous and abs(median - previous) <= SETTLED * previous
        if settled and steps >= WARM_STEPS and seconds >= WARM_SECONDS:
            return steps, True
        if seconds >= WARM_TIMEOUT and previous:
            return steps, False
        previous = median


def run_steps(
    stream: Stepper[Item],
    frames: Sequence[Item],
    steps: int,
    seconds: float,
    clock: Callable[[], float] = perf_counter,
) -> Steps:
    """Run steps without a pause until both ``steps`` and ``seconds`` are reached. The states are never reset.

    Args:
        stream, frames: what to time, and the items of its steps, as ``timed_steps`` returns them.
        steps, seconds: minimum length.
    """
    timings: list[Timings] = []
    totals: list[float] = []
    # The attributes are looked up here, because a look-up in the loop would be timed with the step.
    step, add_timings, add_total = stream.step, timings.append, totals.append
    count, index = len(frames), 0
    with no_collection():
        start = clock()
        while True:
            before = clock()
            answer = step(frames[index % count])
            after = clock()
            add_timings(answer.timings)
            add_total(after - before)
            index += 1
            if after - start >= seconds and index >= steps:
                return Steps(timings, totals, after - start, index)


def run_paced(
    stream: Stream,
    frames: Sequence[Frame],
    steps: int,
    seconds: float,
    fps: float,
    clock: Callable[[], float] = perf_counter,
    wait: Callable[[float], None] = sleep,
) -> Steps:
    """Run steps at the frame rate ``fps`` of a simulated camera that keeps only its newest frame, as ``run_steps``.

    A frame counts as late if it has no result when the next frame is due, or was replaced before it was processed.
    For a clip artifact, ``steps`` and the samples are answers only: the time of the frame that completes a clip. The
    frames that are only stored count as offered, and may be late.
    """
    run, late, index, spacing = Steps(), 0, 0, 1.0 / fps
    with no_collection():
        start = clock()
        while True:
            due = start + index * spacing
            while (before := clock()) < due:
                wait(due - before)
            answer = stream.step(frames[index % len(frames)])
            after = clock()
            if answer is not None and answer.fresh:  # a clip artifact only stores most frames
                run.timings.append(answer.timings)
                run.totals.append(after - before)
            newest = max(index + 1, int((after - start) / spacing))
            # This frame is late if the next one is due already. The frames up to the newest one were replaced.
            late += (after - start >= (index + 1) * spacing) + newest - index - 1
            index = newest
            run.seconds, run.count, run.late, run.offered = after - start, len(run.totals), late, index
            if run.seconds >= seconds and run.count >= steps:
                return run


@contextmanager
def no_collection() -> Iterator[None]:
    """Disable garbage collection while the block runs, and collect once before it."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
