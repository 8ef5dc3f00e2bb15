"""The ways to write a step, side by side: as a document for programs and as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from edgeshift.benchmarks.studies.machine import Machine
from edgeshift.benchmarks.studies.repeats import Measured, machine_over, over

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

VERSION = 1


class Row(Measured, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The time of one form in one precision, over that of the network without shift.

    Attributes:
        operators: by kind. partitions: pieces that the CPU delegate takes.
        error: largest error of a logit as a share of their range (normalisation only).
    """

    group: str
    form: str
    precision: str
    operators: dict[str, int]
    partitions: int
    error: float | None = None


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything about one run."""

    size: int
    rounds: int
    repeats: int
    machine: Machine
    rows: tuple[Row, ...]
    benchmark: str = "moves"
    version: int = VERSION


def merge(comparisons: Sequence[Comparison]) -> Comparison:
    """The comparison of several repeats."""
    columns = zip(*(comparison.rows for comparison in comparisons), strict=True)
    return msgspec.structs.replace(
        comparisons[0],
        repeats=len(comparisons),
        machine=machine_over([comparison.machine for comparison in comparisons]),
        rows=tuple(over(column) for column in columns),
    )


def show(comparison: Comparison, console: Console) -> None:
    """One table a group."""
    from rich.table import Table

    machine = comparison.machine
    unshifted = next(row.operators for row in comparison.rows if row.error is not None)  # a network without shift
    console.print(
        f"[bold]moves[/bold], {comparison.size}x{comparison.size}, {comparison.rounds} rounds, "
        f"{comparison.repeats} repeats, 1 thread"
    )
    features, load = ", ".join(machine.features), machine.load
    console.print(f"{machine.processor} ({features}); load {load[0]:.2f} before, {load[1]:.2f} after")
    if not machine.quiet:
        console.print("[yellow]the machine was busy: run again when it is quiet[/yellow]")
    precisions = dict.fromkeys(row.precision for row in comparison.rows)
    for group in dict.fromkeys(row.group for row in comparison.rows):
        rows = [row for row in comparison.rows if row.group == group]
        table = Table(title=group, title_justify="left", title_style="bold")
        table.add_column("form", overflow="fold")
        for name in (*precisions, "pieces", "error"):
            table.add_column(name, justify="right")
        table.add_column("operators more or less than without shift", overflow="fold")
        for form in dict.fromkeys(row.form for row in rows):
            both = [row for row in rows if row.form == form]
            errors = ", ".join(f"{row.error:.0e}" for row in both if row.error is not None)
            table.add_row(
                form,
                *(f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})" for row in both),
                "/".join(dict.fromkeys(str(row.partitions) for row in both)),
                errors,
                difference(both[-1].operators, unshifted),
            )
        console.print(table)


def difference(operators: dict[str, int], base: dict[str, int]) -> str:
    """What a graph has more and less than another, such as "+20 SLICE, -2 PAD"."""
    counts = {kind: operators.get(kind, 0) - base.get(kind, 0) for kind in {**operators, **base}}
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:+} {kind}" for kind, count in ordered if count)
