"""The machine that figures were measured on, without host name and paths, because reports are published."""

from __future__ import annotations

import os

import msgspec

from edgeshift.benchmarks.devices.facts import read_facts

#: A load average above this means that other programs ran too. The timing itself keeps one core busy.
BUSY = 1.3


class Machine(msgspec.Struct, frozen=True):
    """A machine, and how busy it was.

    Attributes:
        processor: the model name that the system reports.
        features: instruction sets of the processor that speed up networks, such as "avx2".
        cores: number of cores that this process may use.
        system: the operating system.
        load: the one-minute load average before and after the timing, which itself adds one.
    """

    processor: str
    features: tuple[str, ...]
    cores: int
    system: str
    load: tuple[float, float] = (0.0, 0.0)

    @property
    def quiet(self) -> bool:
        """Whether hardly any other program ran."""
        return max(self.load) <= BUSY


def this_machine(before: float, after: float) -> Machine:
    """Return the machine of this process, with the load averages before and after the timing."""
    facts = read_facts()
    load = (round(before, 2), round(after, 2))
    return Machine(facts.processor, facts.features, facts.cores, facts.system, load)


def load_average() -> float:
    """Return the load average of the last minute; 0: the system does not report it."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
