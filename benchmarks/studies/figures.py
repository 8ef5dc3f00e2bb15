"""Figures with their goals, as a document for programs and as a table for people.

A figure is a ratio of two times taken in the same rounds of one process. Whether a goal is met is read from the
median; the interval says how far to trust that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from edgeshift.benchmarks.statistics import Interval
from edgeshift.benchmarks.studies.interleave import Samples
from edgeshift.benchmarks.studies.machine import Machine
from edgeshift.benchmarks.studies.repeats import Measured, machine_over, over

if TYPE_CHECKING:
    from rich.console import Console

VERSION = 1
Better = Literal["lower", "higher"]


class Figure(Measured, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One ratio, and what is asked of it.

    Attributes:
        group: what question it belongs to. name: what over what.
        goal: the value to reach, if there is one. better: which side of it is good.
        met: whether the value reaches it; None without a goal.
    """

    group: str
    name: str
    goal: float | None = None
    better: Better = "lower"
    met: bool | None = None


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything about one run.

    Attributes:
        size: pixels a side. rounds: that were timed, in each of how many repeats. threads: of every runtime.
        runtimes: what ran the graphs, and what they were compared with.
        notes: what one must know to read the figures.
        milliseconds: {name: median of one call}, for orientation: only ratios are compared.
    """

    benchmark: str
    size: int
    rounds: int
    repeats: int
    machine: Machine
    runtimes: tuple[str, ...]
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()
    milliseconds: dict[str, float] = {}
    threads: int = 1
    version: int = VERSION

    @property
    def missed(self) -> tuple[Figure, ...]:
        """The figures whose goal is not reached."""
        return tuple(figure for figure in self.figures if figure.met is False)


def figure(group: str, name: str, interval: Interval, goal: float | None = None, better: Better = "lower") -> Figure:
    """A figure from its interval, judged."""
    value, low, high = rounded(interval)
    return judged(
        Figure(group=group, name=name, goal=goal, better=better, value=value, low=low, high=high, runs=(value,))
    )


def judged(given: Figure) -> Figure:
    """The figure with ``met`` as its value and its goal have it."""
    if given.goal is None:
        return given
    met = given.value <= given.goal if given.better == "lower" else given.value >= given.goal
    return msgspec.structs.replace(given, met=met)


def merge(reports: Sequence[Report]) -> Report:
    """The report of several repeats."""
    first = reports[0]
    columns = zip(*(report.figures for report in reports), strict=True)
    return msgspec.structs.replace(
        first,
        repeats=len(reports),
        machine=machine_over([report.machine for report in reports]),
        figures=tuple(judged(over(column)) for column in columns),
        milliseconds={
            name: round(float(np.median([report.milliseconds[name] for report in reports])), 4)
            for name in first.milliseconds
        },
    )


def rounded(interval: Interval) -> Interval:
    """To what is worth writing down."""
    return Interval(*(round(value, 5) for value in interval))


def milliseconds(samples: Samples) -> dict[str, float]:
    """{name: median of one call}."""
    return {name: round(1000 * float(np.median(times)), 4) for name, times in samples.items()}


def encode(report: Report) -> str:
    """The report as one JSON document."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1).decode()


def show(report: Report, console: Console) -> None:
    """The report as tables, one a group."""
    machine = report.machine
    console.print(
        f"[bold]{report.benchmark}[/bold], {report.size}x{report.size}, {report.rounds} rounds, "
        f"{report.repeats} repeats, {report.threads} thread"
    )
    console.print(f"{machine.processor} ({', '.join(machine.features) or machine.system}), {machine.cores} cores")
    console.print(f"{'; '.join(report.runtimes)}; load {machine.load[0]:.2f} before, {machine.load[1]:.2f} after")
    if not machine.quiet:
        console.print("[yellow]the machine was busy: run again when it is quiet[/yellow]")
    for group in dict.fromkeys(figure.group for figure in report.figures):
        console.print(_table(group, [figure for figure in report.figures if figure.group == group]))
    for note in report.notes:
        console.print(f"- {note}")


def _table(group: str, figures: Sequence[Figure]) -> object:
    from rich.table import Table

    table = Table(title=group, title_justify="left", title_style="bold")
    table.add_column("what over what", overflow="fold")
    for name in ("median", "interval", "goal", ""):
        table.add_column(name, justify="right", no_wrap=True)
    words = {True: "[green]met[/green]", False: "[red]missed[/red]", None: ""}
    for row in figures:
        sign = "<=" if row.better == "lower" else ">="
        table.add_row(
            row.name,
            f"{row.value:.3f}",
            f"{row.low:.3f} to {row.high:.3f}",
            "" if row.goal is None else f"{sign} {row.goal:g}",
            words[row.met],
        )
    return table
