"""Where the time of a .tflite goes, operator by operator.

    python -m edgeshift.benchmarks.studies.operators FILE.tflite [--runs N] [--json]

The times come from LiteRT (``profiler``) as whole microseconds, cut off, so that half a microsecond an operator is
missing on average: they give shares, not a latency.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from edgeshift.benchmarks.studies.options import run
from edgeshift.benchmarks.studies.profiler import Profiler
from edgeshift.errors import EdgeshiftError

#: XNNPACK's names, and what they are in a network of ours. The first pattern that fits.
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
    """One operator as it ran: the runtime's name for it, what it is to us, and microseconds (a mean over runs)."""

    name: str
    kind: str
    microseconds: float


class Profile(msgspec.Struct, frozen=True):
    """A graph by its operators.

    Attributes:
        kinds: {kind: (how many, their share of the time)}, largest share first.
        operators: as they ran.
    """

    kinds: dict[str, tuple[int, float]]
    operators: tuple[Operator, ...]
    runs: int
    benchmark: str = "operators"
    version: int = VERSION


def main(arguments: list[str] | None = None) -> int:
    """Profile a file and print it."""
    parser = argparse.ArgumentParser(description="Where the time of a .tflite goes, operator by operator.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"to average over (default: {RUNS})")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    settings = parser.parse_args(arguments)
    if settings.runs < 1:
        parser.error(f"--runs must be 1 or more, not {settings.runs}")

    def work() -> int:
        operators = profile(settings.file, settings.runs)
        result = Profile(by_kind(operators), tuple(operators), settings.runs)
        if settings.json:
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(result), indent=1).decode() + "\n")
        else:
            show(result)
        return 0

    return run(work)


def show(result: Profile) -> None:
    """The shares as a table, and the slowest operators."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title=f"share of the time by kind, {result.runs} runs", title_justify="left")
    for name in ("kind", "operators", "share"):
        table.add_column(name, justify="left" if name == "kind" else "right")
    for kind, (count, share) in result.kinds.items():
        table.add_row(kind, str(count), f"{share:.1%}")
    console.print(table)
    whole = sum(operator.microseconds for operator in result.operators)
    console.print("slowest:")
    order = sorted(enumerate(result.operators), key=lambda item: -item[1].microseconds)
    for index, operator in order[:SLOWEST]:
        console.print(f"  #{index} {operator.name}: {operator.microseconds / whole:.1%}", highlight=False)


def profile(path: Path, runs: int = RUNS, warmup: int = 20) -> list[Operator]:
    """Run a graph on one thread, its inputs zero, and time its operators.

    Args:
        path: a .tflite.
        runs: to average over. warmup: runs before them.

    Returns:
        The operators in the order they ran. Fewer than the file has: the runtime merges and drops some.

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
    """What an operator of this name is: one of ``KINDS``, or "other"."""
    return next((kind for pattern, kind in KINDS if re.search(pattern, name)), "other")


def by_kind(operators: Sequence[Operator]) -> dict[str, tuple[int, float]]:
    """{kind: (how many, their share of the time)}, largest first. What prepares the frame is a kind of its own."""
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
