"""The machine that figures were taken on. No host name and no path: reports are published."""

from __future__ import annotations

import os

import msgspec

from edgeshift.benchmarks.devices.facts import read_facts

#: A load average above this means that other programs ran too: the timing itself keeps one thread busy.
BUSY = 1.3


class Machine(msgspec.Struct, frozen=True):
    """A machine, and how busy it was.

    Attributes:
        processor: the model name that the system reports.
        features: the instructions of ``facts.FEATURES`` that the processor has.
        cores: cores that this process may use.
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
        """True if hardly anything else ran."""
        return max(self.load) <= BUSY


def this_machine(before: float, after: float) -> Machine:
    """The machine this process runs on, with the load averages before and after the timing."""
    facts = read_facts()
    return Machine(
        processor=facts.processor,
        features=facts.features,
        cores=facts.cores,
        system=facts.system,
        load=(round(before, 2), round(after, 2)),
    )


def load_average() -> float:
    """The load average of the last minute; 0 where the system does not report one."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
