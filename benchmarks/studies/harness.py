"""The cost of measuring: a step in the timed loop of ``edgeshift bench``, divided by the same step in a bare loop.

    python -m edgeshift.benchmarks.studies.harness FILE... [--rounds N] [--json] [--strict]

Both loops run the same steps of one stream in turns, and the time of the whole loop is divided by its steps. Before
either loop garbage is collected once, and not again until it ends. The timed loop reads the clock twice and appends to
three lists at each step. The ratio should be at most 1.02.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import typer

from edgeshift.benchmarks.latency.loop import no_collection, run_steps
from edgeshift.benchmarks.statistics import ratio
from edgeshift.benchmarks.studies.command import Json, Rounds, Strict, study
from edgeshift.benchmarks.studies.figures import Report, figure, milliseconds
from edgeshift.benchmarks.studies.interleave import Turn, interleave
from edgeshift.benchmarks.studies.machine import load_average, this_machine
from edgeshift.benchmarks.studies.repeats import ROUNDS, print_report
from edgeshift.runtimes import load
from edgeshift.stream import Stream
from edgeshift.video.fit import Frame

GOAL = 1.02
#: Steps of a turn: enough that starting the loop does not count.
STEPS = 40


@study
def main(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Artifacts to measure with.")],
    rounds: Rounds = ROUNDS,
    as_json: Json = False,
    strict: Strict = False,
) -> int:
    """Measure what the timed loop of `edgeshift bench` adds to a step."""
    report = measure(files, rounds)
    print_report(report, as_json=as_json)
    return 1 if strict and report.missed else 0


def measure(files: list[Path], rounds: int) -> Report:
    """Time every artifact in both loops.

    Raises:
        EdgeshiftError: an artifact that cannot be loaded, as ``edgeshift.load`` raises.
    """
    before = load_average()
    turns: dict[str, Turn] = {}
    models = [load(file) for file in files]
    for file, model in zip(files, models, strict=True):
        size = (model.spec.frame.height, model.spec.frame.width, 3)
        frames = list(np.random.default_rng(0).integers(0, 256, (4, *size), np.uint8))
        turns[f"{file.name} harness"] = _harness(model.stream(), frames)
        turns[f"{file.name} bare"] = _bare(model.stream(), frames)
    samples = interleave(turns, rounds)
    return Report(
        benchmark="harness",
        size=models[0].spec.frame.height,
        rounds=rounds,
        repeats=1,
        machine=this_machine(before, load_average()),
        runtimes=tuple(dict.fromkeys(model.runtime for model in models)),
        figures=tuple(
            figure("harness", file.name, ratio(samples[f"{file.name} harness"], samples[f"{file.name} bare"]), GOAL)
            for file in files
        ),
        milliseconds=milliseconds(samples),
    )


def _harness(stream: Stream, frames: list[Frame]) -> Turn:
    def turn() -> float:
        return run_steps(stream, frames, STEPS, 0.0).seconds / STEPS

    return turn


def _bare(stream: Stream, frames: list[Frame]) -> Turn:
    def turn() -> float:
        step, count = stream.step, len(frames)
        with no_collection():  # like the timed loop: collecting evicts the caches
            begin = perf_counter()
            for index in range(STEPS):
                step(frames[index % count])
            return (perf_counter() - begin) / STEPS

    return turn


if __name__ == "__main__":
    sys.exit(main())
