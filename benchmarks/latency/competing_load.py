"""Measure the competing load: how much of the processor other processes used while steps were timed.

Linux counts in ``/proc/stat`` for how long each core was busy. From the time of the cores that this process may use,
the CPU time of this process and of its child processes is subtracted. The rest was used by other processes. Time that
the host of a virtual machine gave to other machines ("steal") counts as well, because the timed steps waited for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

#: Positions of the times in a line of /proc/stat in which a core worked: user, nice, system, irq, softirq, steal. Left
#: out are idle, iowait, and the time of guests, which user and nice contain already.
BUSY = (0, 1, 2, 5, 6, 7)
#: A period must be at least this long, seconds. /proc/stat counts in steps of 10 ms on most systems.
MIN_SECONDS = 0.5


class CompetingLoad:
    """The competing load of the block of ``competing_load``.

    Attributes:
        share: share of the CPU time of the cores that this process may use, which other processes used, 0 to 1; None:
            not known.
    """

    share: float | None = None


@contextmanager
def competing_load(stat: Path = Path("/proc/stat")) -> Iterator[CompetingLoad]:
    """Measure the competing load while the block runs. It is known after the block.

    Args:
        stat: the file with the kernel's counters; tests replace it.
    """
    load, before, own, start = CompetingLoad(), _busy(stat), _own(), perf_counter()
    yield load
    seconds, after = perf_counter() - start, _busy(stat)
    if before and before.keys() == after.keys() and seconds >= MIN_SECONDS:
        load.share = share_of_others(sum(after.values()) - sum(before.values()), _own() - own, seconds * len(after))


def share_of_others(busy: float, own: float, available: float) -> float | None:
    """Return the share of the CPU time that other processes used; None: not known.

    Args:
        busy: CPU time that was used on some cores, seconds.
        own: the part of it that the measured processes used, seconds.
        available: CPU time that these cores had, seconds.
    """
    # Without a real kernel, as in some sandboxes, the counters exist but do not advance.
    if available <= 0 or (busy <= 0 and own > 0):
        return None
    return round(min(1.0, max(0.0, busy - own) / available), 4)


def _busy(stat: Path) -> dict[int, float]:
    """Return {core: seconds for which it was busy since the system started}; empty: the system does not report it."""
    try:
        ticks = os.sysconf("SC_CLK_TCK")
        cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
        text = stat.read_text("ascii", "replace")
    except (OSError, ValueError):
        return {}
    lines = ((int(match[1]), match[2].split()) for match in re.finditer(r"^cpu(\d+) ([\d ]+)$", text, re.MULTILINE))
    return {
        core: sum(int(times[at]) for at in BUSY) / ticks
        for core, times in lines
        if (cores is None or core in cores) and len(times) > max(BUSY)
    }


def _own() -> float:
    """Return the CPU time of this process and of its child processes that have ended, seconds."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
