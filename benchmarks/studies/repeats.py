"""Run a timing study in several fresh processes, one after the other.

A process keeps the memory addresses that it gets at its start, and they decide which data compete for the same cache
lines. The time of one graph can therefore differ by a percent between processes, however many rounds are timed in each.
A figure is the median over processes. Its interval spans the intervals of all processes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from edgeshift.benchmarks.studies.command import Json, Strict, artifact_folder, print_json, study
from edgeshift.benchmarks.studies.figures import StudyReport, merge, show
from edgeshift.errors import EdgeshiftError

#: Rounds in each process and number of processes, in a usual and in a quick run.
ROUNDS, REPEATS = 80, 5
QUICK_ROUNDS, QUICK_REPEATS = 5, 1


@dataclass(frozen=True)
class TimingSettings:
    """How a timing study runs.

    Attributes:
        size: height and width of the frames, pixels.
        rounds: rounds of timing in each process.
        repeats: number of processes.
        cache: folder in which converted artifacts are kept; None: they are removed afterwards.
    """

    size: int = 224
    rounds: int = ROUNDS
    repeats: int = REPEATS
    cache: Path | None = None


def timing_study(module: str, measure: Callable[[TimingSettings], StudyReport], description: str) -> Callable[..., int]:
    """Return the ``main`` of a study that makes a ``StudyReport``.

    Args:
        module: the study's module, which is started in a fresh process for each repeat.
        measure: makes the report of one process.
        description: the module's docstring. Its first line is the help text.
    """

    def command(
        size: Annotated[int, typer.Option(help="Height and width of the frames, pixels.")] = 224,
        rounds: Annotated[
            int | None, typer.Option(min=1, help=f"Rounds of timing in each process. Default {ROUNDS}.")
        ] = None,
        repeats: Annotated[
            int | None, typer.Option(min=1, help=f"Number of processes, one after the other. Default {REPEATS}.")
        ] = None,
        quick: Annotated[
            bool, typer.Option("--quick", help=f"Test that the study runs: {QUICK_ROUNDS} rounds in one process.")
        ] = False,
        as_json: Json = False,
        strict: Strict = False,
        cache: Annotated[
            Path | None, typer.Option(metavar="DIR", help="Keep and reuse artifacts in this folder.")
        ] = None,
    ) -> int:
        rounds = rounds or (QUICK_ROUNDS if quick else ROUNDS)
        settings = TimingSettings(size, rounds, repeats or (QUICK_REPEATS if quick else REPEATS), cache)
        report = measure(settings) if settings.repeats == 1 else repeated(module, settings)
        print_json(report) if as_json else show(report)
        return 1 if strict and report.missed else 0

    command.__doc__ = description.split("\n", 1)[0]
    return study(command)


def repeated(module: str, settings: TimingSettings) -> StudyReport:
    """Run a study's module in ``settings.repeats`` processes, one after the other, and merge their reports.

    Raises:
        EdgeshiftError: a process fails.
    """
    reports: list[StudyReport] = []
    with artifact_folder(settings.cache) as folder:
        command = [sys.executable, "-m", module, "--json", "--repeats", "1", "--cache", str(folder)]
        command += ["--size", str(settings.size), "--rounds", str(settings.rounds)]
        for _ in range(settings.repeats):
            done = subprocess.run(command, stdout=subprocess.PIPE, check=False)  # noqa: S603
            if done.returncode:
                raise EdgeshiftError(f"a repeat of {module} failed with exit status {done.returncode}")
            reports.append(msgspec.json.decode(done.stdout, type=StudyReport))
    return merge(reports)
