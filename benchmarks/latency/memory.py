"""Resident memory of this process, in a pass of its own: reading it costs time."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edgeshift.benchmarks.latency.result import Memory
from edgeshift.stream import Stream
from edgeshift.video.fit import Frame

#: Steps of the pass: every buffer has been used by then.
STEPS = 64


def measure_memory(open_stream: Callable[[], Stream], frames: Sequence[Frame]) -> Memory:
    """Load, run and let go of an artifact, reading the memory in between.

    Args:
        open_stream: loads it. frames: to step through.
    """
    before = resident()
    stream: Stream | None = open_stream()
    assert stream is not None
    loaded, peak = resident(), 0
    for index in range(STEPS):
        stream.step(frames[index % len(frames)])
        peak = max(peak, resident())
    peak = max(peak, loaded)
    stream = None
    gc.collect()
    return Memory(before=before, loaded=loaded, peak=peak, closed=resident())


def resident() -> int:
    """Bytes of this process that are in memory now (Linux), or were at most (elsewhere, where that is all there is)."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
