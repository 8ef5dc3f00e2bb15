"""Resident memory of a process, measured in a process of its own, because reading it takes time."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edgeshift.benchmarks.latency.result import Memory
from edgeshift.stream import Stream
from edgeshift.video.fit import Frame

#: Number of steps, after which every buffer of a runtime has been used.
STEPS = 64


def measure_memory(open_stream: Callable[[], Stream], frames: Sequence[Frame]) -> Memory:
    """Load, run and release an artifact, and read the memory of this process in between.

    Args:
        open_stream: loads the artifact.
        frames: the frames to step through.
    """
    before = resident()
    stream: Stream | None = open_stream()
    assert stream is not None
    loaded = peak = resident()
    for index in range(STEPS):
        stream.step(frames[index % len(frames)])
        peak = max(peak, resident())
    stream = None
    gc.collect()
    return Memory(before=before, loaded=loaded, peak=peak, closed=resident())


def resident() -> int:
    """Return the resident bytes of this process: at present on Linux, the maximum so far on other systems."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    import resource

    maximum = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return maximum if sys.platform == "darwin" else maximum * 1024
