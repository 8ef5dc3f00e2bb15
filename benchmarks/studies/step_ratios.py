"""The time of a step of several artifacts, whatever runtime runs them, divided by the first one's.

    python -m edgeshift.benchmarks.studies.step_ratios BASE FILE... [--rounds N] [--json]

Every artifact gets a stream of its own and the same frame. Timed is ``Timings.infer`` of a step, on one thread each, in
turns in one process (``interleave``).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from edgeshift.benchmarks.statistics import ratio
from edgeshift.benchmarks.studies.command import Json, Rounds, study
from edgeshift.benchmarks.studies.figures import Report, figure, milliseconds
from edgeshift.benchmarks.studies.interleave import Turn, interleave
from edgeshift.benchmarks.studies.machine import load_average, this_machine
from edgeshift.benchmarks.studies.overhead import infer, stepping
from edgeshift.benchmarks.studies.repeats import ROUNDS, print_report
from edgeshift.errors import EdgeshiftError
from edgeshift.runtimes import load
from edgeshift.stream import Stream


@study
def main(
    files: Annotated[
        list[Path], typer.Argument(metavar="BASE FILE...", help="Artifacts; all are divided by the first.")
    ],
    rounds: Rounds = ROUNDS,
    as_json: Json = False,
) -> None:
    """Time a step of several artifacts in turns, and divide each by the first."""
    print_report(measure(files, rounds), as_json=as_json)


def measure(files: list[Path], rounds: int) -> Report:
    """Load the artifacts, time them in turns, and compute the ratios.

    Raises:
        EdgeshiftError: fewer than two files, two files of one name, or frames of different sizes.
    """
    names = [file.name for file in files]
    if len(files) < 2 or len(set(names)) < len(names):
        raise EdgeshiftError("give two artifacts or more with different file names: all are divided by the first")
    models = [load(file) for file in files]
    sizes = {model.spec.model.size for model in models}
    if len(sizes) > 1:
        raise EdgeshiftError(
            f"the artifacts take frames of {' and '.join(map(str, sorted(sizes)))} pixels: give artifacts of one size"
        )
    before = load_average()
    samples = interleave({name: _turn(model.stream()) for name, model in zip(names, models, strict=True)}, rounds)
    base = samples[names[0]]
    return Report(
        benchmark="step_ratios",
        size=sizes.pop(),
        rounds=rounds,
        repeats=1,
        machine=this_machine(before, load_average()),
        runtimes=tuple(dict.fromkeys(model.runtime for model in models)),
        figures=tuple(figure("step", f"{name} / {names[0]}", ratio(samples[name], base)) for name in names[1:]),
        milliseconds=milliseconds(samples),
    )


def _turn(stream: Stream) -> Turn:
    """A turn of steps with a frame of noise that already has the network's size."""
    size = stream.spec.frame.height, stream.spec.frame.width
    return stepping(stream, np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8), infer)


if __name__ == "__main__":
    sys.exit(main())
