"""What measuring costs: a step inside the timed loop of ``edgeshift bench`` over the same step in a bare one.

    python -m edgeshift.benchmarks.studies.harness FILE... [--rounds N] [--json] [--strict]

Both loops run the same steps of one stream in turns: seconds of the whole loop over its steps. Before either, garbage
is collected once, and then no more, as before every measurement. What the harness adds is two readings of a clock and
three appends a step. Asked is 1.02 or less.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

from edgeshift.benchmarks.latency.loop import no_collection, run_steps
from edgeshift.benchmarks.statistics import ratio
from edgeshift.benchmarks.studies.figures import Report, figure, milliseconds
from edgeshift.benchmarks.studies.interleave import Turn, interleave
from edgeshift.benchmarks.studies.machine import load_average, this_machine
from edgeshift.benchmarks.studies.options import ROUNDS, run
from edgeshift.benchmarks.studies.reporting import tell
from edgeshift.runtimes import load
from edgeshift.stream import Stream
from edgeshift.video.fit import Frame

GOAL = 1.02
#: Steps of a turn: enough that starting the loop is nothing.
STEPS = 40


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the timed loop of `edgeshift bench` adds to a step.")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"to time (default: {ROUNDS})")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    parser.add_argument("--strict", action="store_true", help="exit status 1 if the goal is missed")
    given = parser.parse_args(arguments)
    if given.rounds < 1:
        parser.error(f"--rounds must be 1 or more, not {given.rounds}")

    def work() -> int:
        report = measure(given.files, given.rounds)
        tell(report, as_json=given.json)
        return 1 if given.strict and report.missed else 0

    return run(work)


def measure(files: list[Path], rounds: int) -> Report:
    """Time every file in both loops. Errors as of ``edgeshift.load``."""
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
        with no_collection():  # as the harness does before it begins: it empties the caches
            begin = perf_counter()
            for index in range(STEPS):
                step(frames[index % count])
            return (perf_counter() - begin) / STEPS

    return turn


if __name__ == "__main__":
    sys.exit(main())
