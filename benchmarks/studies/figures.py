"""Figures: ratios of two times that were taken in the same rounds of one process, with the goals they should reach.

Whether a goal is met is read from the median. The interval tells how far the median can be trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from edgeshift.benchmarks.statistics import Interval
from edgeshift.benchmarks.studies.interleave import Samples
from edgeshift.benchmarks.studies.machine import Machine

VERSION = 1
Better = Literal["lower", "higher"]


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One ratio and its goal.

    Attributes:
        value: the median over rounds, and over repeats.
        low, high: its 95% bootstrap interval; with repeats, from the lowest to the highest of their bounds.
        runs: the value of each repeat.
        group: the question that the figure answers.
        name: what is divided by what.
        goal: the value to reach, if there is one.
        better: the side of the goal that is good.
        met: whether the value reaches the goal; None: there is no goal.
    """

    value: float
    low: float
    high: float
    runs: tuple[float, ...] = ()
    group: str
    name: str
    goal: float | None = None
    better: Better = "lower"
    met: bool | None = None


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One run of a timing study.

    Attributes:
        benchmark: name of the study.
        size: height and width of the frames, pixels.
        rounds: rounds of timing in each process.
        repeats: number of processes.
        machine: what it ran on, and how busy that was.
        runtimes: what ran the graphs.
        figures: the ratios.
        notes: what a reader must know to understand the figures.
        milliseconds: {name: median of one call}. Ratios alone are compared; these only give the order of magnitude.
        threads: threads of every runtime.
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
        """The figures that do not reach their goal."""
        return tuple(figure for figure in self.figures if figure.met is False)


def figure(group: str, name: str, interval: Interval, goal: float | None = None, better: Better = "lower") -> Figure:
    """A figure of one process, compared with its goal."""
    value, low, high = (round(number, 5) for number in msgspec.structs.astuple(interval))
    return judged(
        Figure(group=group, name=name, goal=goal, better=better, value=value, low=low, high=high, runs=(value,))
    )


def judged(figure: Figure) -> Figure:
    """The figure with ``met`` set by its value and its goal."""
    if figure.goal is None:
        return figure
    met = figure.value <= figure.goal if figure.better == "lower" else figure.value >= figure.goal
    return msgspec.structs.replace(figure, met=met)


def merge(reports: Sequence[Report]) -> Report:
    """One report of several repeats of the same study."""
    first = reports[0]
    loads = [report.machine.load for report in reports]
    busiest = max(before for before, _ in loads), max(after for _, after in loads)
    return msgspec.structs.replace(
        first,
        repeats=len(reports),
        machine=msgspec.structs.replace(first.machine, load=busiest),
        figures=tuple(_merged(column) for column in zip(*(report.figures for report in reports), strict=True)),
        milliseconds={
            name: round(float(np.median([report.milliseconds[name] for report in reports])), 4)
            for name in first.milliseconds
        },
    )


def _merged(figures: Sequence[Figure]) -> Figure:
    values = [figure.value for figure in figures]
    return judged(
        msgspec.structs.replace(
            figures[0],
            value=round(float(np.median(values)), 5),
            low=min(figure.low for figure in figures),
            high=max(figure.high for figure in figures),
            runs=tuple(values),
        )
    )


def milliseconds(samples: Samples) -> dict[str, float]:
    """{name: median of one call, milliseconds}."""
    return {name: round(1000 * float(np.median(times)), 4) for name, times in samples.items()}


def show(report: Report) -> None:
    """Print a report as tables, one for each group."""
    from rich.console import Console

    console, machine = Console(), report.machine
    console.print(
        f"[bold]{report.benchmark}[/bold], {report.size}x{report.size}, {report.rounds} rounds, "
        f"{report.repeats} repeats, {report.threads} thread"
    )
    console.print(f"{machine.processor} ({', '.join(machine.features) or machine.system}), {machine.cores} cores")
    console.print(f"{'; '.join(report.runtimes)}; load {machine.load[0]:.2f} before, {machine.load[1]:.2f} after")
    if not machine.quiet:
        console.print("[yellow]other programs kept the machine busy: run again when it is quiet[/yellow]")
    for group in dict.fromkeys(figure.group for figure in report.figures):
        console.print(_table(group, [figure for figure in report.figures if figure.group == group]))
    for note in report.notes:
        console.print(f"- {note}")


def _table(group: str, figures: Sequence[Figure]) -> object:
    from rich.table import Table

    table = Table(title=group, title_justify="left", title_style="bold")
    table.add_column("ratio", overflow="fold")
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


def markdown(report: Report, groups: Sequence[str] = ()) -> str:
    """The figures as a Markdown table.

    Args:
        report: what was measured.
        groups: the groups to show; empty: all.
    """
    lines = ["| ratio | measured | goal | reached |", "|---|---|---|---|"]
    for row in report.figures:
        if not groups or row.group in groups:
            goal = "" if row.goal is None else f"at {'most' if row.better == 'lower' else 'least'} {row.goal:g}"
            met = {True: "yes", False: "no", None: ""}[row.met]
            lines.append(f"| {row.name} | {row.value:.3f} ({row.low:.3f} to {row.high:.3f}) | {goal} | {met} |")
    return "\n".join(lines) + "\n"
