"""The step times of several artifacts, of any runtimes, divided by the step time of the first artifact.

    python -m edgeshift.benchmarks.studies.step_ratios BASE FILE... [--rounds N] [--json]

Every artifact gets a stream of its own and the same frame. ``Timings.infer`` of a step is timed, with one thread for
each runtime, in turns in one process (``interleave``). A step of a clip artifact is one answer.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from edgeshift.benchmarks.latency.steps import timed_steps
from edgeshift.benchmarks.statistics import ratio
from edgeshift.benchmarks.studies.command import Json, Rounds, print_json, study
from edgeshift.benchmarks.studies.figures import Figure, StudyReport, figure, show, time_turns
from edgeshift.benchmarks.studies.interleave import Samples, Turn, infer, stepping
from edgeshift.benchmarks.studies.repeats import ROUNDS
from edgeshift.errors import EdgeshiftError
from edgeshift.runtimes import load


@study
def main(
    files: Annotated[
        list[Path], typer.Argument(metavar="BASE FILE...", help="Artifacts. Step times are divided by that of BASE.")
    ],
    rounds: Rounds = ROUNDS,
    as_json: Json = False,
) -> None:
    """Time a step of several artifacts in turns, and divide the times by that of the first artifact."""
    report = measure(files, rounds)
    print_json(report) if as_json else show(report)


def measure(files: list[Path], rounds: int) -> StudyReport:
    """Load the artifacts, time them in turns, and compute the ratios.

    Raises:
        EdgeshiftError: there are fewer than two files, two files have the same name, or their frame sizes differ.
    """
    names = [file.name for file in files]
    if len(files) < 2 or len(set(names)) < len(names):
        raise EdgeshiftError("give two artifacts or more with different file names: each is divided by the first one")
    models = [load(file) for file in files]
    sizes = {model.spec.model.size for model in models}
    if len(sizes) > 1:
        raise EdgeshiftError(
            f"the artifacts take frames of {' and '.join(map(str, sorted(sizes)))} pixels: give artifacts of one size"
        )
    size = models[0].spec.frame.height, models[0].spec.frame.width
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    turns: dict[str, Turn] = {}
    for name, model in zip(names, models, strict=True):
        stepper, items = timed_steps(model.stream(), [frame])
        turns[name] = stepping(stepper, items[0], infer)

    def compute(samples: Samples) -> list[Figure]:
        base, *others = names
        return [figure("step", f"{name} / {base}", ratio(samples[name], samples[base])) for name in others]

    return time_turns("step_ratios", sizes.pop(), rounds, turns, [model.runtime for model in models], compute)


if __name__ == "__main__":
    sys.exit(main())
