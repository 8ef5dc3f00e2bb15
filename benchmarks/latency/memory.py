"""Measure the resident memory of a process that runs an artifact. Reading it is slow, so no timed process does it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edgeshift.benchmarks.latency.result import Memory
from edgeshift.benchmarks.latency.steps import timed_steps
from edgeshift.stream import Stream
from edgeshift.video.fit import Frame

#: Number of steps to run, enough for a runtime to use all its buffers.
STEPS = 64


def measure_memory(open_stream: Callable[[], Stream], frames: Sequence[Frame]) -> Memory:
    """Load, run and release an artifact, and read the memory of this process in between.

    Args:
        open_stream: loads the artifact.
        frames: the frames to step through.
    """
    before = resident()
    stream = open_stream()
    loaded = peak = resident()
    stepper, items = timed_steps(stream, frames)
    for index in range(STEPS):
        stepper.step(items[index % len(items)])
        peak = max(peak, resident())
    del stream, stepper
    gc.collect()
    return Memory(before=before, loaded=loaded, peak=peak, closed=resident())


def resident() -> int:
    """Return the resident memory of this process, bytes: the present value on Linux, elsewhere the highest so far."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    import resource

    maximum = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return maximum if sys.platform == "darwin" else maximum * 1024
