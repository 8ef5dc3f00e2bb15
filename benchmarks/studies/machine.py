"""What the figures were taken on, in words. No host name and no path: reports are published."""

from __future__ import annotations

import os

import msgspec

from edgeshift.benchmarks.devices.facts import read_facts

#: Load average above which somebody else was at work too: one thread is the timing's own.
BUSY = 1.3


class Machine(msgspec.Struct, frozen=True):
    """A machine, and how busy it was.

    Attributes:
        processor: its model, as the system gives it. features: those of ``facts.FEATURES`` that it has.
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
    facts = read_facts()
    return Machine(
        processor=facts.processor,
        features=facts.features,
        cores=facts.cores,
        system=facts.system,
        load=(round(before, 2), round(after, 2)),
    )


def load_average() -> float:
    """Of the last minute; 0 where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
