"""What a step costs in one artifact, over what it costs in another, whatever runs them.

    python -m edgeshift.benchmarks.studies.files BASE FILE... [--rounds N] [--json]

Every file is a stream of its own and is given the same frame; a time is ``Timings.infer`` of a step. All are timed in
turns in one process (``interleave``), one thread each, and every ratio is over the first file.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from edgeshift.benchmarks.statistics import ratio
from edgeshift.benchmarks.studies.figures import Report, figure, milliseconds
from edgeshift.benchmarks.studies.interleave import Turn, interleave
from edgeshift.benchmarks.studies.machine import load_average, this_machine
from edgeshift.benchmarks.studies.options import ROUNDS, run
from edgeshift.benchmarks.studies.overhead import infer, stepping
from edgeshift.benchmarks.studies.reporting import tell
from edgeshift.errors import EdgeshiftError
from edgeshift.runtimes import load
from edgeshift.stream import Stream


def main(arguments: list[str] | None = None) -> int:
    """Time files and print the ratios."""
    parser = argparse.ArgumentParser(description="What a step costs in one artifact, over what it costs in another.")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="the first is what the others are over")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"to time (default: {ROUNDS})")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    settings = parser.parse_args(arguments)
    if settings.rounds < 1:
        parser.error(f"--rounds must be 1 or more, not {settings.rounds}")

    def work() -> int:
        report = measure(settings.files, settings.rounds)
        tell(report, as_json=settings.json)
        return 0

    return run(work)


def measure(files: list[Path], rounds: int) -> Report:
    """Load the files, time them in turns, and form the ratios.

    Raises:
        EdgeshiftError: fewer than two files, two of one name, or frames of different sizes.
    """
    names = [file.name for file in files]
    if len(files) < 2 or len(set(names)) < len(names):
        raise EdgeshiftError("give two files or more, of different names: the first is what the others are over")
    models = [load(file) for file in files]
    sizes = {model.spec.model.size for model in models}
    if len(sizes) > 1:
        raise EdgeshiftError(f"the files take frames of {' and '.join(map(str, sorted(sizes)))} pixels: not comparable")
    before = load_average()
    samples = interleave({name: _turn(model.stream()) for name, model in zip(names, models, strict=True)}, rounds)
    base = samples[names[0]]
    return Report(
        benchmark="files",
        size=sizes.pop(),
        rounds=rounds,
        repeats=1,
        machine=this_machine(before, load_average()),
        runtimes=tuple(dict.fromkeys(model.runtime for model in models)),
        figures=tuple(figure("step", f"{name} / {names[0]}", ratio(samples[name], base)) for name in names[1:]),
        milliseconds=milliseconds(samples),
    )


def _turn(stream: Stream) -> Turn:
    """Steps with a frame of noise that needs no fitting."""
    size = stream.spec.frame.height, stream.spec.frame.width
    return stepping(stream, np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8), infer)


if __name__ == "__main__":
    sys.exit(main())
