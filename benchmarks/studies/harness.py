"""The cost of measuring: a step in the timed loop of ``edgeshift bench``, divided by the same step in a bare loop.

    python -m edgeshift.benchmarks.studies.harness FILE... [--rounds N] [--json] [--strict]

The two loops run the same number of steps in turns, and the time of a whole loop is divided by its steps. Garbage is
collected once before each loop, and not again until it ends. The timed loop reads the clock twice and appends to two
lists at each step. The ratio should be at most 1.02.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import typer

from edgeshift.benchmarks.latency.loop import Item, no_collection, run_steps
from edgeshift.benchmarks.latency.steps import Stepper, timed_steps
from edgeshift.benchmarks.statistics import ratio
from edgeshift.benchmarks.studies.command import Json, Rounds, Strict, print_json, study
from edgeshift.benchmarks.studies.figures import Figure, StudyReport, figure, show, time_turns
from edgeshift.benchmarks.studies.interleave import Samples, Turn
from edgeshift.benchmarks.studies.repeats import ROUNDS
from edgeshift.runtimes import load

GOAL = 1.02
#: Steps of a turn: enough that starting the loop takes a negligible share of the time.
STEPS = 40


@study
def main(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Artifacts to measure with.")],
    rounds: Rounds = ROUNDS,
    as_json: Json = False,
    strict: Strict = False,
) -> int:
    """Measure the time that the timed loop of `edgeshift bench` adds to a step."""
    report = measure(files, rounds)
    print_json(report) if as_json else show(report)
    return 1 if strict and report.missed else 0


def measure(files: list[Path], rounds: int) -> StudyReport:
    """Time every artifact in both loops. Raise the errors of ``edgeshift.load``."""
    turns: dict[str, Turn] = {}
    models = [load(file) for file in files]
    for file, model in zip(files, models, strict=True):
        shape = (4, model.spec.frame.height, model.spec.frame.width, 3)
        frames = list(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
        turns[f"{file.name} harness"] = _timed_loop(*timed_steps(model.stream(), frames))
        turns[f"{file.name} bare"] = _bare_loop(*timed_steps(model.stream(), frames))

    def compute(samples: Samples) -> list[Figure]:
        pairs = [(name, samples[f"{name} harness"], samples[f"{name} bare"]) for name in (file.name for file in files)]
        return [figure("harness", name, ratio(timed, bare), GOAL) for name, timed, bare in pairs]

    size = models[0].spec.frame.height
    return time_turns("harness", size, rounds, turns, [model.runtime for model in models], compute)


def _timed_loop(stream: Stepper[Item], frames: Sequence[Item]) -> Turn:
    def turn() -> float:
        return run_steps(stream, frames, STEPS, 0.0).seconds / STEPS

    return turn


def _bare_loop(stream: Stepper[Item], frames: Sequence[Item]) -> Turn:
    def turn() -> float:
        step, count = stream.step, len(frames)
        with no_collection():  # as in the timed loop, because collecting garbage evicts the caches
            begin = perf_counter()
            for index in range(STEPS):
                step(frames[index % count])
            return (perf_counter() - begin) / STEPS

    return turn


if __name__ == "__main__":
    sys.exit(main())
