"""Energy of a period of time, on devices that have something that measures power.

RAPL counts energy itself. Power rails and battery gauges give the power at one moment; a process of its own samples
them, so that the timed process is not disturbed, and the samples are integrated. The source is reported with the
energy, because a rail of the whole board and a counter of the processor measure different things.
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
from edgeshift.benchmarks.devices.messages import TIED, read_messages, write_message
from edgeshift.benchmarks.latency.messages import PowerSample
from edgeshift.benchmarks.latency.result import Energy
from edgeshift.errors import DeviceError

#: The least sampling rate, samples per second, and the shortest period, seconds, for which an energy is reported.
MIN_RATE, MIN_SECONDS = 10.0, 10.0
#: The sampling rate of rails, samples per second.
RATE = 25.0
#: Seconds after which the sampling process ends by itself; longer than any run.
MAX_SECONDS = 7200.0
#: Seconds at the end of a period that may have no samples, on a busy machine.
SLACK = 2.0


@dataclass(frozen=True)
class Source:
    """Something that measures power or energy.

    Attributes:
        name: its name in reports.
        counters: files that count microjoules, each with the value at which it restarts from 0 (0: never).
        rail: files with voltage and current.
        unit: watts of one product of voltage and current.
        stale: whether it is read more often than it measures, so that only changed values count as samples.
    """

    name: str
    counters: tuple[tuple[Path, int], ...] = ()
    rail: tuple[Path, ...] = ()
    unit: float = 1e-6
    stale: bool = False


def find_source(root: Path = Path("/")) -> Source | str:
    """Return what measures power on this device, or the reason why nothing does."""
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
    return refused or "nothing measures power here: no RAPL, no Jetson rail, no battery gauge"


@dataclass
class Meter:
    """Measures the energy of one period.

    Attributes:
        source: what measures, or the reason why nothing does.
        idle: power of the idle device, watts; None: not measured.
        energy: the energy of the block of ``measured``, after it has ended.
    """

    source: Source | str
    idle: float | None = None
    energy: Energy = field(default_factory=lambda: Energy(reason=""))
    _counters: _Counters | None = None

    def tick(self) -> None:
        """Read the counters. Call it once a minute or so, so that no counter restarts twice unnoticed."""
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
            total, reason = None, f"the run lasted {seconds:.1f} s, and energy needs {MIN_SECONDS:.0f} s or more"
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
    """Return the energy of samples in order, joules, by the trapezoidal rule."""
    return sum((b.seconds - a.seconds) * (a.watts + b.watts) / 2 for a, b in pairwise(samples))


def sample(unit: str, voltage: str, current: str) -> None:
    """Send power samples until the process is stopped: ``unit`` times the values in two files."""
    end = monotonic() + MAX_SECONDS
    while monotonic() < end:
        watts = abs(int(Path(voltage).read_text()) * int(Path(current).read_text())) * float(unit)
        write_message(PowerSample(seconds=monotonic(), watts=watts))
        sleep(1 / RATE)


class _Counters:
    """Counters of microjoules, from the moment at which this object is made."""

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
    """Measure during the block. The value given to the block returns the energy so far."""
    if source.counters:
        yield _Counters(source.counters)
        return
    command = [*_own_command(), TIED, "sample", str(source.unit), *map(str, source.rail)]
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
        # The last line may be cut off, as the process was stopped.
        samples = list(read_messages(output[: output.rfind("\n") + 1], PowerSample))
    except DeviceError as error:
        return None, f"{source.name}: {error}"
    sampled = samples[-1].seconds - samples[0].seconds if len(samples) > 1 else 0.0
    if sampled + SLACK < seconds:
        return None, f"{source.name} was read for {sampled:.0f} of {seconds:.0f} s"
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
