"""Can the verdicts of ``edgeshift compare`` be trusted here?

    python -m edgeshift.benchmarks.studies.repeatability FILE [--pairs 10] [--mode rapid] [--share 0.1] [--json]

Each pair is three runs as ``edgeshift bench`` makes them: twice the same artifact, and once with every step made
slower by SHARE (``edgeshift.benchmarks.studies.slow_worker``). Asked is that the two equal runs compare as "no difference" in nine
of ten pairs or more, and that the slowed one is called slower. Exit status 1 if not.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from edgeshift.benchmarks.devices.local import LocalDevice
from edgeshift.benchmarks.latency.bench import Candidate, Plan, measure, open_artifact
from edgeshift.benchmarks.latency.mode import MODES
from edgeshift.benchmarks.latency.result import Report, Settings
from edgeshift.benchmarks.reports.latency_compare import compare_latency
from edgeshift.benchmarks.studies.machine import load_average, this_machine
from edgeshift.benchmarks.studies.options import run
from edgeshift.errors import EdgeshiftError

PAIRS, SHARE = 10, 0.1
#: Share of the pairs whose verdict must be right.
GOAL = 0.9


class Verdicts(msgspec.Struct, frozen=True):
    """One pair: (ratio, verdict) of the equal run, and of the slowed one."""

    equal: tuple[float, str]
    slowed: tuple[float, str]


class Repeatability(msgspec.Struct, frozen=True):
    """All pairs. load: of the machine before and after; 1 is the measurement itself."""

    file: str
    mode: str
    share: float
    load: tuple[float, float]
    pairs: tuple[Verdicts, ...]
    benchmark: str = "repeatability"
    version: int = 1

    @property
    def equal(self) -> int:
        """Pairs whose equal runs show no difference."""
        return sum(pair.equal[1] == "no difference" for pair in self.pairs)

    @property
    def slowed(self) -> int:
        """Pairs whose slowed run is called slower."""
        return sum(pair.slowed[1] == "slower" for pair in self.pairs)

    @property
    def good(self) -> bool:
        """Both are so often enough."""
        return min(self.equal, self.slowed) >= GOAL * len(self.pairs)


class SlowedDevice(LocalDevice):
    """This machine, with every step slower by a share."""

    def __init__(self, share: float) -> None:
        self._share = share

    def agent(self) -> list[str]:
        """The worker that slows itself down."""
        return [sys.executable, "-m", "edgeshift.benchmarks.studies.slow_worker", str(self._share)]


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Can the verdicts of `edgeshift compare` be trusted here?")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"(default: {PAIRS})")
    parser.add_argument("--mode", choices=("normal", "quick", "rapid"), default="rapid", help="(default: rapid)")
    parser.add_argument("--share", type=float, default=SHARE, help=f"to slow down by (default: {SHARE})")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    given = parser.parse_args(arguments)
    if given.pairs < 1 or not 0 < given.share < 10:
        parser.error("--pairs is 1 or more, --share above 0")

    def work() -> int:
        found = judge(given.file, given.mode, given.pairs, given.share)
        _print(found, as_json=given.json)
        return 0 if found.good else 1

    return run(work)


def judge(file: Path, mode: str, pairs: int, share: float) -> Repeatability:
    """Measure the pairs. Errors as of ``edgeshift bench``."""
    length = next(length for name, length in MODES.items() if name == mode)
    settings = Settings(
        mode=next(name for name in MODES if name == mode),
        steps=length.steps,
        seconds=length.seconds,
        repeats=length.repeats,
        frames="drawn",
        width=640,
        height=480,
        ceiling=80.0,
    )
    subject, before, verdicts = open_artifact(file), load_average(), []
    for index in range(pairs):
        first, second, slow = (
            _run(device, subject, settings) for device in (LocalDevice(), LocalDevice(), SlowedDevice(share))
        )
        verdicts.append(Verdicts(_verdict(first, second), _verdict(first, slow)))
        if sys.stderr.isatty():
            sys.stderr.write(f"pair {index + 1}: equal {verdicts[-1].equal}, slowed {verdicts[-1].slowed}\n")
    return Repeatability(
        file=file.name,
        mode=mode,
        share=share,
        load=this_machine(before, load_average()).load,
        pairs=tuple(verdicts),
    )


def _run(device: LocalDevice, subject: Candidate, settings: Settings) -> Report:
    report = measure(Plan(device, [subject], settings, "drawn", device.facts(), memory=False, idle=0.0))
    if report.subjects[0].lost:
        raise EdgeshiftError(report.subjects[0].lost)
    return report


def _verdict(first: Report, second: Report) -> tuple[float, str]:
    (pair,) = compare_latency(first, second).pairs
    return round(pair.end_to_end.value, 4), pair.verdict


def _print(found: Repeatability, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
        return
    count = len(found.pairs)
    print(f"{found.file}, {found.mode}, {count} pairs; load {found.load[0]:.2f} before, {found.load[1]:.2f} after")
    print(f"pair  same artifact            slower by {found.share:.0%}")
    for index, pair in enumerate(found.pairs):
        print(f"{index + 1:>4}  {pair.equal[0]:.3f} {pair.equal[1]:<16}  {pair.slowed[0]:.3f} {pair.slowed[1]}")
    print(f"no difference: {found.equal} of {count}; called slower: {found.slowed} of {count}")


if __name__ == "__main__":
    sys.exit(main())
