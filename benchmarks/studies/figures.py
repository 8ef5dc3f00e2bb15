"""Ratios of two times that were measured in the same rounds of one process, and the goals that they should reach.

A goal is met if the median meets it. The interval shows how certain the median is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np

from edgeshift._system.progress import ProgressBars
from edgeshift.benchmarks.statistics import Interval
from edgeshift.benchmarks.studies.command import markdown_table, print_if_busy, print_table
from edgeshift.benchmarks.studies.interleave import Samples, Turn, interleave
from edgeshift.benchmarks.studies.machine import Machine, load_average, this_machine

VERSION = 1
Better = Literal["lower", "higher"]
COLUMNS = ("ratio", "measured", "goal", "reached")


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One ratio and its goal.

    Attributes:
        value: the median over rounds; with repeats, the median of their medians.
        low, high: ends of its 95% bootstrap interval; with repeats, the lowest and highest end of their intervals.
        runs: the value of each repeat.
        group: heading of the table that shows the figure, such as "shift".
        name: the two times that are divided, such as "TSM / TSN, int8 step".
        goal: the value to reach; None: there is no goal.
        better: whether a lower or a higher value is better.
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


class StudyReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One run of a timing study.

    Attributes:
        benchmark: name of the study.
        size: height and width of the frames, pixels.
        rounds: rounds of timing in each process.
        repeats: number of processes.
        machine: the machine, and how busy it was.
        runtimes: the runtimes that executed the graphs.
        figures: the ratios.
        notes: remarks that a reader needs to understand the figures.
        milliseconds: {name: median of one call}. Only ratios are compared; these times show the order of magnitude.
        threads: number of threads of every runtime.
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


def time_turns(
    benchmark: str,
    size: int,
    rounds: int,
    turns: Mapping[str, Turn],
    runtimes: Iterable[str],
    compute: Callable[[Samples], Iterable[Figure]],
    notes: Callable[[Samples], Iterable[str]] = lambda samples: (),
) -> StudyReport:
    """Run all turns, and return the report of this process.

    Args:
        benchmark, size, rounds: as in ``StudyReport``.
        turns: {name of a candidate: its turn}.
        runtimes: the runtimes that execute the graphs; a name may occur twice.
        compute: computes the figures from the samples.
        notes: computes the notes from the samples.
    """
    before = load_average()
    with ProgressBars(live=False).stage("timing", rounds) as advance:
        samples = interleave(turns, rounds, advance=advance)
    machine, names = this_machine(before, load_average()), tuple(dict.fromkeys(runtimes))
    figures, remarks = tuple(compute(samples)), tuple(notes(samples))
    return StudyReport(benchmark, size, rounds, 1, machine, names, figures, remarks, milliseconds(samples))


def figure(group: str, name: str, interval: Interval, goal: float | None = None, better: Better = "lower") -> Figure:
    """Return a figure of one process, compared with its goal."""
    value, low, high = (round(number, 5) for number in msgspec.structs.astuple(interval))
    return judged(
        Figure(group=group, name=name, goal=goal, better=better, value=value, low=low, high=high, runs=(value,))
    )


def judged(figure: Figure) -> Figure:
    """Return the figure with ``met`` set according to its value and its goal."""
    if figure.goal is None:
        return figure
    met = figure.value <= figure.goal if figure.better == "lower" else figure.value >= figure.goal
    return msgspec.structs.replace(figure, met=met)


def merge(reports: Sequence[StudyReport]) -> StudyReport:
    """Return one report of several repeats of the same study."""
    first = reports[0]
    before, after = (max(loads) for loads in zip(*(report.machine.load for report in reports), strict=True))
    return msgspec.structs.replace(
        first,
        repeats=len(reports),
        machine=msgspec.structs.replace(first.machine, load=(before, after)),
        figures=tuple(_merged(repeats) for repeats in zip(*(report.figures for report in reports), strict=True)),
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
    """Return {name: median of one call, milliseconds}."""
    return {name: round(1000 * float(np.median(times)), 4) for name, times in samples.items()}


def show(report: StudyReport) -> None:
    """Print a report as tables, one for each group."""
    machine, (before, after) = report.machine, report.machine.load
    print(
        f"{report.benchmark}, {report.size}x{report.size}, {report.rounds} rounds, {report.repeats} repeats, 1 thread"
    )
    print(f"{machine.processor} ({', '.join(machine.features) or machine.system}), {machine.cores} cores")
    print(f"{'; '.join(report.runtimes)}; load {before:.2f} before, {after:.2f} after")
    print_if_busy(machine.quiet)
    for group in dict.fromkeys(figure.group for figure in report.figures):
        print_table(COLUMNS, [figure_cells(figure) for figure in report.figures if figure.group == group], group)
    print("".join(f"- {note}\n" for note in report.notes), end="")


def markdown(report: StudyReport) -> str:
    """Return the figures as a Markdown table."""
    return markdown_table(COLUMNS, map(figure_cells, report.figures))


def figure_cells(figure: Figure) -> tuple[str, ...]:
    """Return the row of a figure in a table with ``COLUMNS``."""
    goal = "" if figure.goal is None else f"at {'most' if figure.better == 'lower' else 'least'} {figure.goal:g}"
    met = {True: "yes", False: "no", None: ""}[figure.met]
    return figure.name, str(Interval(figure.value, figure.low, figure.high)), goal, met
