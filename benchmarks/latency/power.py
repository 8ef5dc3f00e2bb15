"""Energy of a stretch of time, where the device has something that measures it.

RAPL counts joules by itself. Rails give watts at a moment: a process of its own reads them many times a second (not the
one that is timed) and its samples are integrated. Source names travel with the figure, as a rail of the whole board and
a counter of the processor alone are different things.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import monotonic, perf_counter, sleep

from edgeshift.benchmarks.latency.result import Energy

#: What an energy needs to be believed: samples a second, and seconds.
LEAST_RATE, LEAST_SECONDS = 10.0, 10.0
#: Samples a second that are asked of rails.
RATE = 25.0
#: Seconds that one sampling may last: longer than any run.
LONGEST = 7200.0
#: Seconds of a stretch that samples may leave out: the last one's, on a busy machine.
SLACK = 2.0


@dataclass(frozen=True)
class Source:
    """Something that measures.

    Attributes:
        name: for reports. counters: files that count microjoules, each with where it starts again (0: never).
        rails: pairs of files: millivolts (or microvolts) and milliamperes (or microamperes). unit: watts of one
            product of both. stale: it is read more often than it is measured: only changes are samples.
    """

    name: str
    counters: tuple[tuple[Path, int], ...] = ()
    rails: tuple[tuple[Path, Path], ...] = ()
    unit: float = 1e-6
    stale: bool = False


def find_source(root: Path = Path("/")) -> Source | str:
    """What measures power here, or why nothing does."""
    refused = None
    packages: list[tuple[Path, int]] = []
    for zone in sorted((root / "sys/class/powercap").glob("*rapl:[0-9]")):
        try:
            if (zone / "name").read_text().strip().startswith("package"):
                int((zone / "energy_uj").read_text())
                packages.append((zone / "energy_uj", int((zone / "max_energy_range_uj").read_text())))
        except PermissionError:
            refused = f"{zone / 'energy_uj'} can be read by root only"
        except (OSError, ValueError):
            continue
    if packages and refused is None:
        several = f", {len(packages)} of them" if len(packages) > 1 else ""
        return Source(f"RAPL package{several}", tuple(packages))
    for chip in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        for label in sorted(chip.glob("in*_label")):
            if _text(label) in ("VDD_IN", "POM_5V_IN"):  # the input of a Jetson's board
                number = label.name[2 : -len("_label")]
                pair = (chip / f"in{number}_input", chip / f"curr{number}_input")
                if all(_text(part) for part in pair):
                    return Source(f"Jetson rail {_text(label)}", rails=(pair,))
    battery = root / "sys/class/power_supply/battery"
    if _text(battery / "current_now") and _text(battery / "voltage_now"):
        status = _text(battery / "status").lower()
        if status != "discharging":
            return (
                f"the battery is {status or 'in a state that it does not tell'}: its gauge tells what the charger does"
            )
        pair = (battery / "voltage_now", battery / "current_now")
        return Source("battery gauge", rails=(pair,), unit=1e-12, stale=True)
    return refused or "nothing here measures power: no RAPL, no Jetson rail, no battery gauge"


@dataclass
class Meter:
    """Measures one stretch. ``energy`` is there when the block of ``measured`` has ended."""

    source: Source | str
    idle: float | None = None
    energy: Energy = field(default_factory=lambda: Energy(source=None, idle=None, joules=None, seconds=None, reason=""))
    _counted: Counted | None = None

    def tick(self) -> None:
        """Between steps of a long stretch, once a minute or so: a counter must not start again twice unseen."""
        if self._counted is not None:
            self._counted.look()

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure the energy of the block."""
        if isinstance(self.source, str):
            yield
            self.energy = Energy(source=None, idle=None, joules=None, seconds=None, reason=self.source)
            return
        with _running(self.source) as joules:
            begin = perf_counter()
            self._counted = joules if isinstance(joules, Counted) else None
            yield
            seconds = perf_counter() - begin
            found, reason = joules()
        if seconds < LEAST_SECONDS:
            found, reason = None, f"{seconds:.1f} s; an energy needs {LEAST_SECONDS:.0f} s or more"
        self.energy = Energy(source=self.source.name, idle=self.idle, joules=found, seconds=seconds, reason=reason)

    def rest(self, seconds: float) -> None:
        """Measure the power of doing nothing, once, before the block."""
        if isinstance(self.source, str) or seconds <= 0:
            return
        with _running(self.source) as joules:
            begin = perf_counter()
            sleep(seconds)
            spent = perf_counter() - begin
            found, _ = joules()
        self.idle = None if found is None else found / spent


def integrate(samples: Sequence[tuple[float, float]]) -> float:
    """Joules of (seconds, watts) in order, by trapezoids."""
    return sum((t1 - t0) * (w0 + w1) / 2 for (t0, w0), (t1, w1) in pairwise(samples))


def sample(paths: Sequence[str], unit: float) -> None:
    """What the sampling process does: print seconds and watts of pairs of files until its input is closed."""
    pairs = list(zip(paths[::2], paths[1::2], strict=True))
    end = monotonic() + LONGEST
    while monotonic() < end:
        watts = sum(abs(int(Path(v).read_text()) * int(Path(a).read_text())) * unit for v, a in pairs)
        try:
            print(f"{monotonic():.6f} {watts:.6f}", flush=True)
        except BrokenPipeError:
            return
        sleep(1 / RATE)


class Counted:
    """Counters of microjoules, since now."""

    def __init__(self, counters: Sequence[tuple[Path, int]]) -> None:
        self._counters, self._sum = counters, 0
        self._last = [int(counter.read_text()) for counter, _ in counters]

    def look(self) -> None:
        """Add what was counted since the last look; a counter may have started again once."""
        for place, (counter, wrap) in enumerate(self._counters):
            now = int(counter.read_text())
            self._sum += (now - self._last[place]) % wrap if wrap else now - self._last[place]
            self._last[place] = now

    def __call__(self) -> tuple[float | None, str | None]:
        """Joules, and why there are none."""
        self.look()
        return self._sum / 1e6, None


Joules = Callable[[], tuple[float | None, str | None]]


@contextmanager
def _running(source: Source) -> Iterator[Joules]:
    """Give a function that says the joules since the block began, or why they are not known."""
    if source.counters:
        yield Counted(source.counters)
        return
    child = subprocess.Popen(  # noqa: S603
        [*_myself(), "sample", str(source.unit), *(str(part) for pair in source.rails for part in pair)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    assert child.stdout is not None
    lines = [child.stdout.readline()]  # it takes a moment to begin; what is measured starts with its first sample
    begin = perf_counter()

    def integrated() -> tuple[float | None, str | None]:
        seconds = perf_counter() - begin
        child.terminate()
        lines.extend(child.communicate()[0].splitlines())
        samples = [(float(t), float(w)) for t, w in (line.split() for line in lines if line.count(" ") == 1)]
        spent = samples[-1][0] - samples[0][0] if len(samples) > 1 else 0.0
        if spent + SLACK < seconds:
            return None, f"{source.name} was read for {spent:.0f} of {seconds:.0f} s"
        new = sum(w0 != w1 for (_, w0), (_, w1) in pairwise(samples)) if source.stale else len(samples) - 1
        rate = new / spent if spent else 0.0
        if rate < LEAST_RATE:
            return None, f"{source.name} gave {rate:.1f} samples a second; {LEAST_RATE:.0f} are needed"
        return integrate(samples) * seconds / spent, None

    try:
        yield integrated
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def _myself() -> list[str]:
    """How this program is started again: as the file that it is, or as a module."""
    main = sys.argv[0]
    if main.endswith(".pyz"):
        return [sys.executable, main]
    return [sys.executable, "-m", "edgeshift.benchmarks.latency.worker"]


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
