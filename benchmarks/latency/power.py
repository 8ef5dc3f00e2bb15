"""Measure energy on devices that have a power sensor.

RAPL counts energy itself. Power rails and battery gauges give the power at one moment: a separate process samples them,
so that the timed process is not disturbed, and the samples are integrated. The sensor is reported with the energy,
because a rail of the whole board and a counter of the processor measure different things.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import monotonic, perf_counter, sleep

from edgeshift.benchmarks.devices.facts import read_text
from edgeshift.benchmarks.devices.messages import STOP_WITH_STDIN, read_messages, write_message
from edgeshift.benchmarks.latency.messages import PowerSample
from edgeshift.benchmarks.latency.result import Energy
from edgeshift.errors import DeviceError

#: Energy is reported only for at least this many samples per second, and for a period of at least this many seconds.
MIN_RATE, MIN_SECONDS = 10.0, 10.0
#: The sampling rate of rails, samples per second.
RATE = 25.0
#: Seconds after which the sampling process ends by itself; longer than any run.
MAX_SECONDS = 7200.0
#: Seconds at the end of a period that may lack samples, because a busy machine delays the sampling process.
SLACK = 2.0


@dataclass(frozen=True)
class Source:
    """A sensor of power or energy.

    Attributes:
        name: its name in reports.
        counters: files that count microjoules, each with the value at which it restarts from 0 (0: never).
        rail: the two files with voltage and current; empty: the sensor has counters.
        unit: watts per unit of voltage times current, such as 1e-6 for millivolts times milliamperes.
        stale: whether the sensor is read more often than it updates, so that only changed values count as samples.
    """

    name: str
    counters: tuple[tuple[Path, int], ...] = ()
    rail: tuple[Path, ...] = ()
    unit: float = 1e-6
    stale: bool = False


def find_source(root: Path = Path("/")) -> Source | str:
    """Return the power sensor of this device, or the reason why there is none."""
    refused, packages = None, list[tuple[Path, int]]()
    for zone in sorted((root / "sys/class/powercap").glob("*rapl:[0-9]")):
        try:
            if (zone / "name").read_text().strip().startswith("package"):
                int((zone / "energy_uj").read_text())
                packages.append((zone / "energy_uj", int((zone / "max_energy_range_uj").read_text())))
        except PermissionError:
            refused = f"only root can read {zone / 'energy_uj'}"
        except (OSError, ValueError):
            continue
    if packages and refused is None:
        return Source("RAPL package" + (f", {len(packages)} of them" if len(packages) > 1 else ""), tuple(packages))
    for chip in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        for label in sorted(chip.glob("in*_label")):
            name = read_text(label)
            if name in ("VDD_IN", "POM_5V_IN"):  # the input of a Jetson's board
                number = label.name[2 : -len("_label")]
                rail = (chip / f"in{number}_input", chip / f"curr{number}_input")  # millivolts, milliamperes
                if all(map(read_text, rail)):
                    return Source(f"Jetson rail {name}", rail=rail)
    battery = root / "sys/class/power_supply/battery"
    gauge = (battery / "voltage_now", battery / "current_now")  # microvolts, microamperes
    if all(map(read_text, gauge)):
        status = (read_text(battery / "status") or "in an unknown state").lower()
        if status != "discharging":
            return f"the battery is {status}, so its gauge includes the charger"
        return Source("battery gauge", rail=gauge, unit=1e-12, stale=True)
    return refused or "this device has no power sensor: no RAPL, no Jetson rail, no battery gauge"


@dataclass
class Meter:
    """A meter for the energy of one period.

    Attributes:
        source: the power sensor, or the reason why there is none.
        idle: power of the idle device, watts; None: not measured.
        energy: the energy of the block under ``measured``, set when the block ends.
    """

    source: Source | str
    idle: float | None = None
    energy: Energy = field(default_factory=lambda: Energy(reason=""))
    _counters: _Counters | None = None

    def tick(self) -> None:
        """Read the counters. Call this about once a minute: a counter may restart only once between two readings."""
        if self._counters is not None:
            self._counters.read()

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure the energy of the block."""
        if isinstance(self.source, str):
            yield
            self.energy = Energy(reason=self.source)
            return
        with _measuring(self.source) as energy:
            self._counters = energy if isinstance(energy, _Counters) else None
            yield
            total, seconds, reason = energy()
        if seconds < MIN_SECONDS:
            total, reason = None, f"the run lasted {seconds:.1f} s; to measure energy needs {MIN_SECONDS:.0f} s or more"
        self.energy = Energy(source=self.source.name, idle=self.idle, joules=total, seconds=seconds, reason=reason)

    def measure_idle(self, seconds: float) -> None:
        """Measure the power of the idle device for some seconds. Call it before ``measured``."""
        if isinstance(self.source, str) or seconds <= 0:
            return
        with _measuring(self.source) as energy:
            sleep(seconds)
            total, elapsed, _ = energy()
        self.idle = None if total is None else total / elapsed


def integrate(samples: Sequence[PowerSample]) -> float:
    """Return the energy of samples, which are in the order of time, joules, by the trapezoidal rule."""
    return sum((b.seconds - a.seconds) * (a.watts + b.watts) / 2 for a, b in pairwise(samples))


def sample(unit: str, voltage: str, current: str) -> None:
    """Print power samples until the process is stopped: ``unit`` times the product of the values in two files."""
    end = monotonic() + MAX_SECONDS
    while monotonic() < end:
        watts = abs(int(Path(voltage).read_text()) * int(Path(current).read_text())) * float(unit)
        write_message(PowerSample(seconds=monotonic(), watts=watts))
        sleep(1 / RATE)


class _Counters:
    """Sum what counters of microjoules count after this object was created. Call it for the energy so far."""

    def __init__(self, counters: Sequence[tuple[Path, int]]) -> None:
        self._counters, self._sum, self._start = counters, 0, perf_counter()
        self._last = [int(counter.read_text()) for counter, _ in counters]

    def read(self) -> None:
        """Add what was counted since the last reading. A counter may have restarted once."""
        for index, (counter, restart) in enumerate(self._counters):
            value = int(counter.read_text())
            counted = value - self._last[index]
            self._sum += counted % restart if restart else counted
            self._last[index] = value

    def __call__(self) -> tuple[float | None, float, str | None]:
        seconds = perf_counter() - self._start
        self.read()
        return self._sum / 1e6, seconds, None


#: Returns the joules since the period started (None: unknown), its seconds, and the reason why joules are unknown.
_Energy = Callable[[], tuple[float | None, float, str | None]]


@contextmanager
def _measuring(source: Source) -> Iterator[_Energy]:
    """Measure during the block. Yield a function that ends the measurement and returns the energy."""
    if source.counters:
        yield _Counters(source.counters)
        return
    command = [*_own_command(), STOP_WITH_STDIN, "sample", str(source.unit), *map(str, source.rail)]
    # The samples go to a file: a pipe that is not read during the run would fill up and block the sampling.
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.DEVNULL)  # noqa: S603
        while child.poll() is None and not os.fstat(output.fileno()).st_size:
            sleep(0.01)  # starting the process takes a moment; the period starts with its first sample
        start = perf_counter()

        def energy() -> tuple[float | None, float, str | None]:
            seconds = perf_counter() - start
            child.kill()
            child.wait()
            output.seek(0)
            joules, reason = _joules(output.read(), seconds, source)
            return joules, seconds, reason

        try:
            yield energy
        finally:
            child.kill()
            child.communicate()


def _joules(output: str, seconds: float, source: Source) -> tuple[float | None, str | None]:
    """Return the energy of the samples that cover a period, or None and the reason why it is unknown."""
    try:
        # The process was stopped, so its last line may be incomplete.
        samples = list(read_messages(output[: output.rfind("\n") + 1], PowerSample))
    except DeviceError as error:
        return None, f"{source.name}: {error}"
    sampled = samples[-1].seconds - samples[0].seconds if len(samples) > 1 else 0.0
    if sampled + SLACK < seconds:
        return None, f"{source.name} was sampled for only {sampled:.0f} of {seconds:.0f} s"
    fresh = sum(a.watts != b.watts for a, b in pairwise(samples)) if source.stale else len(samples) - 1
    rate = fresh / sampled if sampled else 0.0
    if rate < MIN_RATE:
        return None, f"{source.name} gave {rate:.1f} samples per second, and {MIN_RATE:.0f} are needed"
    return integrate(samples) * seconds / sampled, None


def _own_command() -> list[str]:
    """Return the command that starts this program again: the agent's file, or the installed module."""
    if sys.argv[0].endswith(".pyz"):
        return [sys.executable, sys.argv[0]]
    return [sys.executable, "-m", "edgeshift.benchmarks.latency.worker"]
