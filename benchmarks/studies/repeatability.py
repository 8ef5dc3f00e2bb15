"""The share of correct verdicts of ``edgeshift compare`` on this machine.

    python -m edgeshift.benchmarks.studies.repeatability FILE [--pairs 10] [--mode rapid] [--share 0.1] [--json]

A pair of comparisons has three runs of ``edgeshift bench`` with the same artifact: two equal runs, and one with every
step slowed down by SHARE (``slow_worker``). In nine of ten pairs or more, the two equal runs must compare as "no
difference", and the slowed run as "slower". Otherwise the exit status is 1.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from edgeshift.benchmarks.devices.local import LocalDevice
from edgeshift.benchmarks.latency.bench import open_candidate
from edgeshift.benchmarks.latency.result import Mode, Report
from edgeshift.benchmarks.reports.latency_compare import compare_latency
from edgeshift.benchmarks.reports.ratio import decide
from edgeshift.benchmarks.studies.bench_run import bench_run, bench_settings
from edgeshift.benchmarks.studies.command import Json, print_json, study
from edgeshift.benchmarks.studies.machine import load_average, this_machine

PAIRS, SHARE = 10, 0.1
#: Share of the pairs in which each verdict must be correct.
GOAL = 0.9


class Verdicts(msgspec.Struct, frozen=True):
    """One pair of comparisons with the first run: (time ratio, verdict) of the equal run and of the slowed run."""

    equal: tuple[float, str]
    slowed: tuple[float, str]


class Repeatability(msgspec.Struct, frozen=True):
    """All pairs of comparisons.

    Attributes:
        file: name of the artifact.
        mode: mode of the runs.
        share: share by which the slowed runs were slower.
        load: load average of the machine before and after; the measurement itself adds 1.
        pairs: the verdicts.
    """

    file: str
    mode: str
    share: float
    load: tuple[float, float]
    pairs: tuple[Verdicts, ...]
    benchmark: str = "repeatability"
    version: int = 1

    @property
    def equal(self) -> int:
        """Number of pairs with the verdict "no difference" on the equal runs."""
        return sum(pair.equal[1] == "no difference" for pair in self.pairs)

    @property
    def slowed(self) -> int:
        """Number of pairs with the verdict "slower" on the slowed run."""
        return sum(pair.slowed[1] == "slower" for pair in self.pairs)

    @property
    def good(self) -> bool:
        """Whether both verdicts are correct often enough."""
        return min(self.equal, self.slowed) >= GOAL * len(self.pairs)


class SlowedDevice(LocalDevice):
    """This machine with every step slowed down by a share."""

    def __init__(self, share: float) -> None:
        self._share = share

    def agent(self) -> list[str]:
        """Return the command of the slowed worker."""
        return [sys.executable, "-m", "edgeshift.benchmarks.studies.slow_worker", str(self._share)]


@study
def main(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An artifact.")],
    pairs: Annotated[int, typer.Option(min=1, help="Number of pairs of comparisons.")] = PAIRS,
    mode: Annotated[Literal["normal", "quick", "rapid"], typer.Option(help="Length of each run.")] = "rapid",
    share: Annotated[
        float, typer.Option(min=0.001, max=10, help="The share by which the slowed run is slower.")
    ] = SHARE,
    as_json: Json = False,
) -> int:
    """Check whether the verdicts of `edgeshift compare` can be trusted on this machine."""
    result = judge(file, mode, pairs, share)
    print_json(result) if as_json else show(result)
    return 0 if result.good else 1


def judge(file: Path, mode: Mode, pairs: int, share: float) -> Repeatability:
    """Measure the pairs.

    Raises:
        EdgeshiftError: a run fails.
    """
    settings = bench_settings(mode)
    candidate, before, verdicts = open_candidate(file), load_average(), []
    for index in range(pairs):
        devices = LocalDevice(), LocalDevice(), SlowedDevice(share)
        first, second, slow = (bench_run(device, candidate, settings) for device in devices)
        verdicts.append(Verdicts(_verdict(first, second), _verdict(first, slow)))
        if sys.stderr.isatty():
            sys.stderr.write(f"pair {index + 1}: equal {verdicts[-1].equal}, slowed {verdicts[-1].slowed}\n")
    return Repeatability(file.name, mode, share, this_machine(before, load_average()).load, tuple(verdicts))


def _verdict(first: Report, second: Report) -> tuple[float, str]:
    comparison = compare_latency(first, second)
    (pair,) = comparison.pairs
    # `edgeshift compare` gives no verdict on one file that was measured twice. The study asks what it would be.
    verdict, _ = decide(pair.end_to_end, comparison.tolerance)
    return round(pair.end_to_end.value, 4), verdict


def show(result: Repeatability) -> None:
    """Print the verdicts."""
    count, (before, after) = len(result.pairs), result.load
    print(f"{result.file}, {result.mode}, {count} pairs; load {before:.2f} before, {after:.2f} after")
    print(f"pair  equal runs               slowed by {result.share:.0%}")
    for index, pair in enumerate(result.pairs):
        print(f"{index + 1:>4}  {pair.equal[0]:.3f} {pair.equal[1]:<16}  {pair.slowed[0]:.3f} {pair.slowed[1]}")
    print(f"correct verdicts: {result.equal} of {count} on equal runs, {result.slowed} of {count} on slowed runs")


if __name__ == "__main__":
    sys.exit(main())
