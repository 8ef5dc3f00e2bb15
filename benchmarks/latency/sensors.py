"""Read temperatures and clocks, and wait until a device is cool enough to start."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep

from edgeshift.benchmarks.devices.facts import Facts, read_facts
from edgeshift.benchmarks.latency.result import SensorReading

#: Seconds between two readings of a device that is too hot.
INTERVAL = 5.0


def read_sensors(facts: Callable[[], Facts] = read_facts) -> SensorReading:
    """Return the present temperatures and clocks of the device that ``facts`` reads, by default of this one."""
    current = facts()
    return SensorReading(
        temperatures=current.temperatures,
        clock={core: present for core, (present, _) in current.clock.items()},
        throttled=current.throttled,
        gpu=None if current.gpu is None else current.gpu[0],
        gpu_load=current.gpu_load,
        power=current.power,
    )


def cool_down(
    max_temperature: float,
    timeout: float,
    read: Callable[[], SensorReading] = read_sensors,
    wait: Callable[[float], None] = sleep,
    clock: Callable[[], float] = monotonic,
) -> tuple[SensorReading, float]:
    """Wait until no sensor is above a temperature. Return at once if the device reports no temperature.

    Args:
        max_temperature: degrees Celsius.
        timeout: maximum seconds to wait.
        read, wait, clock: read the sensors, wait some seconds, return the time; tests replace them.

    Returns:
        The last reading, and the seconds waited.
    """
    start = clock()
    while True:
        reading, waited = read(), clock() - start
        if max(reading.temperatures.values(), default=max_temperature) <= max_temperature or waited >= timeout:
            return reading, waited
        wait(min(INTERVAL, timeout - waited))
