"""What the figures were taken on, in words. No host name and no path: reports are published."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import msgspec

#: Instructions that decide how fast int8 is, as /proc/cpuinfo spells them (x86, then Arm).
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm", "sve")
#: Load average above which somebody else was at work too: one thread is the timing's own.
BUSY = 1.3


class Machine(msgspec.Struct, frozen=True):
    """A machine, and how busy it was.

    Attributes:
        processor: its model, as the system gives it. features: those of ``FEATURES`` that it has.
        cores: that this process may use.
        load: the one-minute load average before and after the timing, which is one busy thread itself.
    """

    processor: str
    features: tuple[str, ...]
    cores: int
    system: str
    load: tuple[float, float] = (0.0, 0.0)

    @property
    def quiet(self) -> bool:
        """True if hardly anything else ran."""
        return max(self.load) <= BUSY


def this_machine(before: float, after: float) -> Machine:
    """The machine this runs on, with the load averages given."""
    info = _cpuinfo()
    flags = set((info.get("flags") or info.get("Features") or "").split())
    return Machine(
        processor=info.get("model name") or platform.processor() or platform.machine(),
        features=tuple(feature for feature in FEATURES if feature in flags),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        load=(round(before, 2), round(after, 2)),
    )


def load_average() -> float:
    """Of the last minute; 0 where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _cpuinfo() -> dict[str, str]:
    """The first processor of /proc/cpuinfo."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    first = path.read_text(errors="replace").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
