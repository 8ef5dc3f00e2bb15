"""The time of a .tflite file, operator by operator.

    python -m edgeshift.benchmarks.studies.operators FILE.tflite [--runs N] [--json]

LiteRT reports whole microseconds and cuts off the rest (``profiler``), so that half a microsecond is missing from each
operator on average. The times give shares, not a latency.
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

#: (pattern of XNNPACK's operator names, kind of operator in our networks). The first pattern that matches counts.
KINDS = (
    (r"DWConv", "depthwise convolution"),
    (r"Fully Connected", "pointwise convolution"),
    (r"IGEMM|Convolution", "first convolution"),
    (r"Slice|Copy|Concat|Pad|Transpose", "copies"),
    (r"Add|Subtract|Multiply", "elementwise"),
    (r"Mean|Pool", "mean"),
)
VERSION = 1
RUNS, SLOWEST = 200, 8


class Operator(msgspec.Struct, frozen=True):
    """One operator that ran: the runtime's name, its kind, and its mean microseconds."""

    name: str
    kind: str
    microseconds: float


class Profile(msgspec.Struct, frozen=True):
    """The operators of a graph.

    Attributes:
        kinds: {kind: (number of operators, their share of the time)}, the largest share first.
        operators: the operators in the order in which they ran.
        runs: runs over which the times are averaged.
    """

    kinds: dict[str, tuple[int, float]]
    operators: tuple[Operator, ...]
    runs: int
    benchmark: str = "operators"
    version: int = VERSION


@study
def main(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .tflite file.")],
    runs: Annotated[int, typer.Option(min=1, help="Runs over which the times are averaged.")] = RUNS,
    as_json: Json = False,
) -> None:
    """Show where the time of a .tflite file goes, operator by operator."""
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


def profile(path: Path, runs: int = RUNS, warmup: int = 20) -> list[Operator]:
    """Run a graph on one thread with inputs of zeros and time its operators.

    Args:
        path: a .tflite file.
        runs: runs over which the times are averaged.
        warmup: runs before them.

    Returns:
        The operators in the order in which they ran. The file can have more, because the runtime merges and drops some.

    Raises:
        RuntimeMissingError: LiteRT is not installed.
        EdgeshiftError: a LiteRT without these functions, or a file it cannot run.
    """
    with Profiler(path) as profiler:
        for _ in range(warmup):
            profiler.run()
        collected = [profiler.profiled() for _ in range(runs)]
    names = [name for name, _ in collected[0]]
    if not names or any([name for name, _ in events] != names for events in collected):
        raise EdgeshiftError(f"{path}: LiteRT reports no operators, or not the same ones each time")
    times = np.array([[time for _, time in events] for events in collected], float).mean(0)
    return [Operator(name, kind_of(name), float(time)) for name, time in zip(names, times, strict=True)]


def kind_of(name: str) -> str:
    """The kind of an operator by its name: one of ``KINDS``, or "other"."""
    return next((kind for pattern, kind in KINDS if re.search(pattern, name)), "other")


def by_kind(operators: Sequence[Operator]) -> dict[str, tuple[int, float]]:
    """{kind: (number of operators, their share of the time)}, the largest share first.

    Operators before the first convolution, which prepare the frame, are a kind of their own.
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
