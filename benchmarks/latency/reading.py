"""Heat and clocks at one moment, and waiting until a device is cool enough to begin."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep

from edgeshift.benchmarks.devices.facts import Facts, read_facts
from edgeshift.benchmarks.latency.result import Reading

#: Seconds between looks at a device that is too hot.
LOOK = 5.0


def read(facts: Callable[[], Facts] = read_facts) -> Reading:
    """The reading of now."""
    found = facts()
    return Reading(
        temperatures=found.temperatures,
        clock={core: now for core, (now, _) in found.clock.items()},
        throttled=found.throttled,
        gpu=None if found.gpu is None else found.gpu[0],
        gpu_load=found.gpu_load,
        power=found.power,
    )


def cool_down(
    ceiling: float,
    patience: float,
    look: Callable[[], Reading] = read,
    rest: Callable[[float], None] = sleep,
    clock: Callable[[], float] = monotonic,
) -> tuple[Reading, float]:
    """Wait until no sensor is above ``ceiling`` degrees Celsius, but no longer than ``patience`` seconds.

    Returns:
        the last reading, and the seconds waited. A device that says nothing of its heat is not waited for.
    """
    begin = clock()
    while True:
        reading, waited = look(), clock() - begin
        if max(reading.temperatures.values(), default=ceiling) <= ceiling or waited >= patience:
            return reading, waited
        rest(min(LOOK, patience - waited))
