"""The time of a .tflite file by operator.

    python -m edgeshift.benchmarks.studies.operators FILE.tflite [--runs N] [--json]

LiteRT's profiler rounds times down to whole microseconds, so each time is half a microsecond too short on average.
Use the times as shares, not as a latency.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from edgeshift.benchmarks.studies.command import Json, print_json, print_table, study
from edgeshift.benchmarks.studies.profiler import Profiler
from edgeshift.errors import EdgeshiftError

#: (pattern of XNNPACK's operator names, kind of operator in these networks). The first pattern that matches counts.
KINDS = (
    (r"DWConv", "depthwise convolution"),
    (r"Fully Connected", "pointwise convolution"),
    (r"IGEMM|Convolution", "first convolution"),
    (r"Slice|Copy|Concat|Pad|Transpose", "copies"),
    (r"Add|Subtract|Multiply", "elementwise"),
    (r"Mean|Pool", "mean"),
)
VERSION = 1
RUNS, WARMUP, SLOWEST = 200, 20, 8


class Operator(msgspec.Struct, frozen=True):
    """An operator: its name in the runtime, its kind, and its mean time in microseconds."""

    name: str
    kind: str
    microseconds: float


class Profile(msgspec.Struct, frozen=True):
    """The operators of a graph.

    Attributes:
        kinds: {kind: (number of operators, their share of the time)}, the largest share first.
        operators: the operators in the order of execution.
        runs: number of runs over which the times are averaged.
    """

    kinds: dict[str, tuple[int, float]]
    operators: tuple[Operator, ...]
    runs: int
    benchmark: str = "operators"
    version: int = VERSION


@study
def main(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .tflite file.")],
    runs: Annotated[int, typer.Option(min=1, help="Number of runs over which the times are averaged.")] = RUNS,
    as_json: Json = False,
) -> None:
    """Show the share of the time that each kind of operator takes in a .tflite file."""
    operators = profile(file, runs)
    result = Profile(by_kind(operators), tuple(operators), runs)
    print_json(result) if as_json else show(result)


def show(result: Profile) -> None:
    """Print the share of each kind, and the slowest operators."""
    rows = [(kind, str(count), f"{share:.1%}") for kind, (count, share) in result.kinds.items()]
    print_table(("kind", "operators", "share"), rows, f"share of the time by kind, {result.runs} runs")
    whole = sum(operator.microseconds for operator in result.operators)
    typer.echo("slowest operators:")
    order = sorted(enumerate(result.operators), key=lambda item: -item[1].microseconds)
    for index, operator in order[:SLOWEST]:
        typer.echo(f"  #{index} {operator.name}: {operator.microseconds / whole:.1%}")


def profile(path: Path, runs: int = RUNS) -> list[Operator]:
    """Run a graph on one thread with inputs of zeros and time its operators.

    Args:
        path: a .tflite file.
        runs: number of runs over which the times are averaged.

    Returns:
        The operators in the order of execution. The file can have more, because the runtime merges and removes some.

    Raises:
        RuntimeMissingError: LiteRT is not installed.
        EdgeshiftError: LiteRT has no profiler, or cannot run the file.
    """
    with Profiler(path) as profiler:
        for _ in range(WARMUP):
            profiler.run()
        collected = [profiler.profiled() for _ in range(runs)]
    names = [name for name, _ in collected[0]]
    if not names or any([name for name, _ in events] != names for events in collected):
        raise EdgeshiftError(f"{path}: LiteRT reports no operators, or different operators in different runs")
    times = np.array([[time for _, time in events] for events in collected], float).mean(0)
    return [Operator(name, kind_of(name), float(time)) for name, time in zip(names, times, strict=True)]


def kind_of(name: str) -> str:
    """Return the kind of an operator by its name: one of ``KINDS``, or "other"."""
    return next((kind for pattern, kind in KINDS if re.search(pattern, name)), "other")


def by_kind(operators: Sequence[Operator]) -> dict[str, tuple[int, float]]:
    """Return {kind: (number of operators, their share of the time)}, the largest share first.

    Operators before the first convolution, which prepare the frame, are a separate kind.
    """
    totals: dict[str, tuple[int, float]] = {}
    started = False
    whole = sum(operator.microseconds for operator in operators)
    for operator in operators:
        started = started or "convolution" in operator.kind
        kind = operator.kind if started else "before the first convolution"
        count, share = totals.get(kind, (0, 0.0))
        totals[kind] = (count + 1, share + operator.microseconds / whole)
    return dict(sorted(totals.items(), key=lambda item: -item[1][1]))


if __name__ == "__main__":
    sys.exit(main())
