"""Whether ``edgeshift bench`` notices that other processes are busy on this machine.

    python -m edgeshift.benchmarks.studies.disturbance FILE [--runs 10] [--mode rapid] [--json]

Runs of ``edgeshift bench`` take turns: one on the machine as it is, and one beside busy processes, one per core. Every
run of the second kind must be marked as not valid because of the competing load, and no run of the first kind.
Otherwise the exit status is 1. Use a machine that runs nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from edgeshift.benchmarks.devices.local import LocalDevice
from edgeshift.benchmarks.latency.bench import Candidate, open_candidate
from edgeshift.benchmarks.latency.result import Mode, Settings
from edgeshift.benchmarks.latency.summary import summarize
from edgeshift.benchmarks.studies.bench_run import bench_run, bench_settings
from edgeshift.benchmarks.studies.command import Json, print_json, study
from edgeshift.benchmarks.studies.machine import load_average

RUNS = 10
#: The program of a busy process. It ends when its standard input closes, even if this process is killed.
BUSY = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
while True:
    pass
"""


class Run(msgspec.Struct, frozen=True):
    """One run of ``edgeshift bench``.

    Attributes:
        undisturbed, tail_ok, valid: these flags of the run's validity.
        competing: largest share of the CPU time that other processes used in a repeat; None: not reported.
        tail: largest p90 over p50 of a repeat.
        load: load average of the machine before the run.
    """

    undisturbed: bool | None
    tail_ok: bool | None
    valid: bool
    competing: float | None
    tail: float | None
    load: float


class Disturbance(msgspec.Struct, frozen=True):
    """All runs: ``idle`` on the machine as it is, ``busy`` beside a busy process per core."""

    file: str
    mode: str
    cores: int
    idle: tuple[Run, ...]
    busy: tuple[Run, ...]
    benchmark: str = "disturbance"
    version: int = 1

    @property
    def noticed(self) -> int:
        """Number of busy runs that are marked as disturbed."""
        return sum(run.undisturbed is False for run in self.busy)

    @property
    def false_alarms(self) -> int:
        """Number of idle runs that are marked as disturbed, or have too long a tail."""
        return sum(False in (run.undisturbed, run.tail_ok) for run in self.idle)

    @property
    def good(self) -> bool:
        """Whether every busy run is noticed, and no idle run is."""
        return self.noticed == len(self.busy) and not self.false_alarms


@study
def main(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An artifact.")],
    runs: Annotated[int, typer.Option(min=1, help="Number of runs of each kind.")] = RUNS,
    mode: Annotated[Literal["normal", "quick", "rapid"], typer.Option(help="Length of each run.")] = "rapid",
    as_json: Json = False,
) -> int:
    """Check whether `edgeshift bench` notices busy processes beside a measurement."""
    result = disturb(file, mode, runs)
    print_json(result) if as_json else show(result)
    return 0 if result.good else 1


def disturb(file: Path, mode: Mode, runs: int) -> Disturbance:
    """Measure on the machine as it is and beside busy processes, in turns.

    Raises:
        EdgeshiftError: a run fails.
    """
    settings = bench_settings(mode)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    candidate, idle, busy = open_candidate(file), [], []
    for index in range(runs):
        idle.append(_run(candidate, settings))
        with busy_processes(cores):
            busy.append(_run(candidate, settings))
        if sys.stderr.isatty():
            sys.stderr.write(f"run {index + 1}: {_text(idle[-1])}; beside busy processes: {_text(busy[-1])}\n")
    return Disturbance(file.name, mode, cores, tuple(idle), tuple(busy))


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Keep cores busy with ``count`` processes while the block runs."""
    processes = [
        subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE)  # noqa: S603
        for _ in range(count)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _run(candidate: Candidate, settings: Settings) -> Run:
    load = load_average()
    (summary,) = summarize(bench_run(LocalDevice(), candidate, settings))
    validity = summary.validity
    return Run(validity.undisturbed, validity.tail_ok, validity.valid, summary.competing, summary.tail, load)


def show(result: Disturbance) -> None:
    """Print the runs."""
    runs = len(result.idle)
    print(f"{result.file}, {result.mode}, {result.cores} cores, {runs} runs of each kind")
    print("run  load  the machine as it is     beside a busy process per core")
    for index, (idle, busy) in enumerate(zip(result.idle, result.busy, strict=True)):
        print(f"{index + 1:>3}  {idle.load:>4.2f}  {_text(idle):<24} {_text(busy)}")
    print(f"marked as not valid: {result.false_alarms} of {runs}, and {result.noticed} of {runs} beside busy processes")


def _text(run: Run) -> str:
    share = "-" if run.competing is None else f"{run.competing:.1%}"
    tail = "-" if run.tail is None else f"{run.tail:.2f}"
    return f"{share} by others, tail {tail}"


if __name__ == "__main__":
    sys.exit(main())
