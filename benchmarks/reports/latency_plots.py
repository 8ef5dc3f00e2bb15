"""Plots of a report of latency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshift.benchmarks.latency.result import ArtifactResult, Reading, Repeat, Settings
from edgeshift.benchmarks.latency.summary import deadline
from edgeshift.benchmarks.reports.figure import BAD, INK, MUTED, SERIES, drawing

#: Points of a line, however many steps a repeat has; bins of a distribution.
POINTS, BINS = 100, 48
#: Shares of the steps that a distribution shows; the rest is beyond its edges.
EDGES = (0.002, 0.98)
#: From the slowest to the fastest artifact, above which the axis is logarithmic.
FAR = 4.0
Steps = npt.NDArray[np.float64]


def draw_ranges(subjects: Sequence[ArtifactResult]) -> str:
    """Where the steps of each artifact lie, a line for each of its repeats: SVG."""
    known = [(subject, _times(subject)) for subject in subjects if any(one.end_to_end for one in subject.repeats)]
    rows = sum(len(times) for _, times in known)
    with drawing(0.75 + 0.3 * len(known) + 0.13 * rows) as canvas:
        (axes,) = canvas.axes()
        at, middles = 0.0, []
        for subject, times in known:
            axes.annotate(
                _short(subject.file),
                (0, at),
                xycoords=("axes fraction", "data"),
                va="center",
                color=INK,
                annotation_clip=False,
            )
            for samples in times:
                at += 0.45
                low, first, middle, third, high = np.quantile(samples, (0.05, 0.25, 0.5, 0.75, 0.95))
                axes.plot((low, high), (at, at), color=SERIES[0], linewidth=1.2, alpha=0.7)
                axes.plot((first, third), (at, at), color=SERIES[0], linewidth=4, solid_capstyle="butt", alpha=0.7)
                axes.plot([middle], [at], "o", color=INK, markersize=3.5)
                middles.append(middle)
            at += 1.0
        axes.set_ylim(at - 0.5, -0.6)
        axes.set_yticks([])
        if middles and max(middles) > FAR * min(middles) > 0:
            _logarithmic(axes)
        else:
            axes.margins(x=0.06)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("milliseconds, end to end")
    return canvas.svg


def draw_distribution(subject: ArtifactResult) -> str:
    """How often a step takes how long, an outline for each repeat: SVG."""
    times = _times(subject)
    every = np.concatenate(times)
    low, high = np.quantile(every, EDGES)
    if high <= low:
        low, high = low * 0.99, high * 1.01 + 1e-6
    bins = np.linspace(low, high, BINS + 1)
    with drawing(2.3) as canvas:
        (axes,) = canvas.axes()
        for index, samples in enumerate(times):
            counts, _ = np.histogram(samples, bins)
            colour = SERIES[index % len(SERIES)]
            label = f"repeat {index + 1}" if len(times) <= 5 else None
            axes.stairs(100 * counts / len(samples), bins, color=colour, label=label, linewidth=1.3)
        middle, ninety = np.quantile(every, (0.5, 0.9))
        for value, name, side in ((middle, "p50 ", "right"), (ninety, " p90", "left")):
            axes.axvline(value, color=MUTED, linewidth=1, linestyle="--")
            axes.text(value, 0.99, name, transform=axes.get_xaxis_transform(), ha=side, va="top", color=MUTED)
        axes.set_xlim(low, high)
        axes.set_ylim(0, axes.get_ylim()[1] * 1.15)
        axes.set_ylabel("% of steps")
        axes.set_xlabel("milliseconds, end to end")
        if 1 < len(times) <= 5:
            canvas.legend(len(times))
    return canvas.svg


def draw_timeline(subject: ArtifactResult, settings: Settings) -> str:
    """Steps in the order in which they came, all repeats one after the other, and heat where it is known: SVG."""
    heat = has_heat(subject)
    with drawing(2.8 if heat else 2.0) as canvas:
        axes = canvas.axes(2, (5, 2)) if heat else canvas.axes()
        at, ticks, highest = 0.0, [], 0.0
        for index, repeat in enumerate(subject.repeats):
            places, low, middle, high = _bands(np.array(repeat.end_to_end) / 1000)
            places = at + places
            axes[0].fill_between(places, low, high, color=SERIES[0], alpha=0.3, linewidth=0)
            axes[0].plot(places, middle, color=SERIES[0])
            highest = max(highest, float(np.max(high)))
            if heat:
                _plot_heat(axes[1], (at, at + 1), (repeat.before, repeat.after), settings.ceiling)
            ticks.append((at + 0.5, f"repeat {index + 1}" if len(subject.repeats) <= 4 else str(index + 1)))
            at += 1.08
        due = deadline(settings)
        if due is not None and due / 1000 < 4 * highest:
            axes[0].axhline(due / 1000, color=BAD, linewidth=1, linestyle="--")
        axes[0].set_ylim(0, None)
        axes[0].set_ylabel("milliseconds")
        axes[-1].set_xticks([place for place, _ in ticks], [words for _, words in ticks])
        for one in axes:
            one.tick_params(axis="x", length=0)
            one.grid(visible=False, axis="x")
    return canvas.svg


def draw_minutes(repeat: Repeat) -> str:
    """A sustained run, a point a minute: SVG."""
    minutes = repeat.minutes
    readings = [minute.reading for minute in minutes]
    heat = any(reading.temperatures for reading in readings)
    clocks = [max(reading.clock.values()) if reading.clock else None for reading in readings]
    panels = [5, *([2] if heat else []), *([2] if any(clocks) else [])]
    with drawing(1.4 + 0.75 * len(panels)) as canvas:
        axes = canvas.axes(len(panels), tuple(panels))
        places = [minute.minute for minute in minutes]
        mark = "o" if len(places) < 40 else None
        for colour, name in ((SERIES[0], "p50"), (SERIES[1], "p90")):
            known = [getattr(minute, name) for minute in minutes]
            values = [np.nan if value is None else 1000 * value for value in known]
            axes[0].plot(places, values, color=colour, marker=mark, markersize=2.5, label=name)
        axes[0].set_ylim(0, None)
        axes[0].set_ylabel("milliseconds")
        canvas.legend(2)
        if heat:
            degrees = [max(reading.temperatures.values(), default=np.nan) for reading in readings]
            axes[1].plot(places, degrees, color=SERIES[4])
            axes[1].set_ylabel("\N{DEGREE SIGN}C")
        if any(clocks):
            axes[-1].plot(places, [clock or np.nan for clock in clocks], color=SERIES[2])
            axes[-1].set_ylabel("MHz")
        axes[-1].set_xlabel("minute")
        canvas.figure.align_ylabels(axes)
    return canvas.svg


def has_heat(subject: ArtifactResult) -> bool:
    """Whether the timeline shows temperatures."""
    return any(one.before.temperatures or one.after.temperatures for one in subject.repeats)


def _times(subject: ArtifactResult) -> list[Steps]:
    """Milliseconds of the steps of each repeat that has any."""
    return [np.array(repeat.end_to_end) / 1000 for repeat in subject.repeats if repeat.end_to_end]


def _bands(samples: Steps) -> tuple[Steps, Steps, Steps, Steps]:
    """Places from 0 to 1, and p10, p50 and p90 of the steps about there."""
    if not len(samples):
        nothing = np.full(1, np.nan)
        return np.zeros(1), np.zeros(1), nothing, np.zeros(1)
    parts = np.array_split(samples, min(POINTS, len(samples)))
    low, middle, high = np.array([np.quantile(part, (0.1, 0.5, 0.9)) for part in parts]).T
    return np.linspace(0, 1, len(parts)), low, middle, high


def _plot_heat(axes: Any, places: tuple[float, float], readings: tuple[Reading, Reading], ceiling: float) -> None:
    degrees = [max(reading.temperatures.values(), default=np.nan) for reading in readings]
    axes.plot(places, degrees, color=SERIES[4], marker="o", markersize=3)
    axes.margins(y=0.4)
    if max(degrees) > ceiling - 10:
        axes.axhline(ceiling, color=BAD, linewidth=1, linestyle="--")
    axes.set_ylabel("\N{DEGREE SIGN}C")


def _logarithmic(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _short(text: str, limit: int = 44) -> str:
    return text if len(text) <= limit else f"{text[: limit - 14]}...{text[-11:]}"
