"""Plots of a report of latency. Each drawing has a unique name.

Times are milliseconds of a step end to end. A step of a clip artifact is one answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshift.benchmarks.latency.result import ArtifactResult, Repeat, Report, SensorReading, Settings
from edgeshift.benchmarks.latency.summary import deadline
from edgeshift.benchmarks.latency.table import frames_text
from edgeshift.benchmarks.reports.figure import BAD, INK, MUTED, SERIES, Drawing, canvas, shorten

#: Most points of a line, and number of bins of a histogram.
POINTS, BINS = 100, 48
#: Quantiles at the left and right edge of a histogram.
EDGES = (0.002, 0.98)
#: Ratio of the slowest to the fastest median above which the axis is logarithmic.
LOGARITHMIC = 4.0
MAX_NAMED = 5  # most repeats that a legend names
CELSIUS = "\N{DEGREE SIGN}C"
Milliseconds = npt.NDArray[np.float64]


def latency_drawings(report: Report, name: str) -> dict[str, Any]:
    """Return the plots of a report, as ``templates/latency.html`` shows them.

    Raises:
        RuntimeMissingError: matplotlib is not installed.
    """
    repeats = sum(bool(repeat.end_to_end) for artifact in report.subjects for repeat in artifact.repeats)
    return {
        "ranges": draw_ranges(report.subjects, f"{name}-ranges") if repeats > 1 else None,
        "artifacts": [
            _artifact_drawings(artifact, report.settings, f"{name}-{number}")
            for number, artifact in enumerate(report.subjects, 1)
        ],
    }


def draw_ranges(artifacts: Sequence[ArtifactResult], name: str) -> Drawing:
    """Draw one line per repeat: thin from p5 to p95, thick from p25 to p75, with a dot at the median."""
    timed = [(_name(artifact), times) for artifact in artifacts if (times := _times(artifact))]
    with canvas(0.75 + 0.3 * len(timed) + 0.13 * sum(len(times) for _, times in timed)) as figure:
        (axes,) = figure.axes()
        y, medians = 0.0, []
        for file, times in timed:
            axes.text(0, y, shorten(file, 44), transform=axes.get_yaxis_transform(), va="center")
            for samples in times:
                y += 0.45
                p5, p25, p50, p75, p95 = np.quantile(samples, (0.05, 0.25, 0.5, 0.75, 0.95))
                axes.plot((p5, p95), (y, y), color=SERIES[0], linewidth=1.2, alpha=0.7)
                axes.plot((p25, p75), (y, y), color=SERIES[0], linewidth=4, solid_capstyle="butt", alpha=0.7)
                axes.plot([p50], [y], "o", color=INK, markersize=3.5)
                medians.append(p50)
            y += 1.0
        axes.set_ylim(y - 0.5, -0.6)
        axes.set_yticks([])
        if medians and max(medians) > LOGARITHMIC * min(medians) > 0:
            _use_logarithmic_axis(axes)
        else:
            axes.margins(x=0.06)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("latency end to end, ms")
        return figure.drawing(name)


def draw_distribution(artifact: ArtifactResult, name: str) -> Drawing:
    """Draw the outline of a histogram for each repeat, with p50 and p90 of all steps."""
    times = _times(artifact)
    pooled = np.concatenate(times)
    low, high = np.quantile(pooled, EDGES)
    if high <= low:
        low, high = low * 0.99, high * 1.01 + 1e-6
    bins = np.linspace(low, high, BINS + 1)
    with canvas(2.3) as figure:
        (axes,) = figure.axes()
        for index, samples in enumerate(times):
            counts, _ = np.histogram(samples, bins)
            label = f"repeat {index + 1}" if len(times) <= MAX_NAMED else None
            axes.stairs(
                100 * counts / len(samples), bins, color=SERIES[index % len(SERIES)], label=label, linewidth=1.3
            )
        p50, p90 = np.quantile(pooled, (0.5, 0.9))
        # At different heights the names of near lines do not touch. Each is on the side of its line with more space.
        for value, text, top in ((p50, "p50", 0.99), (p90, "p90", 0.88)):
            axes.axvline(value, color=MUTED, linewidth=1, linestyle="--")
            text, side = (f" {text}", "left") if value - low < high - value else (f"{text} ", "right")
            axes.text(value, top, text, transform=axes.get_xaxis_transform(), ha=side, va="top", color=MUTED)
        axes.set_xlim(low, high)
        axes.set_ylim(0, axes.get_ylim()[1] * 1.15)
        axes.set_ylabel("% of steps" if artifact.hop is None else "% of answers")
        axes.set_xlabel("latency end to end, ms")
        if 1 < len(times) <= MAX_NAMED:
            figure.legend(len(times))
        return figure.drawing(name)


def draw_timeline(artifact: ArtifactResult, settings: Settings, name: str) -> Drawing:
    """Draw latency over time, the repeats one after the other, and the temperature below it if it is known."""
    with_temperature = any(repeat.before.temperatures or repeat.after.temperatures for repeat in artifact.repeats)
    with canvas(2.8 if with_temperature else 2.0) as figure:
        axes = figure.axes(5, 2) if with_temperature else figure.axes()
        start, ticks, highest = 0.0, [], 0.0
        for index, repeat in enumerate(artifact.repeats):
            x, p10, p50, p90 = _bands(np.array(repeat.end_to_end) / 1000)
            axes[0].fill_between(start + x, p10, p90, color=SERIES[0], alpha=0.3, linewidth=0)
            axes[0].plot(start + x, p50, color=SERIES[0])
            highest = max(highest, float(np.max(p90)))
            if with_temperature:
                _plot_temperature(axes[1], (start, start + 1), (repeat.before, repeat.after), settings.max_temperature)
            ticks.append((start + 0.5, f"repeat {index + 1}" if len(artifact.repeats) <= 4 else str(index + 1)))
            start += 1.08
        due = deadline(settings)
        if due is not None and due / 1000 < 4 * highest:
            axes[0].axhline(due / 1000, color=BAD, linewidth=1, linestyle="--")
        axes[0].set_ylim(0, None)
        axes[0].set_ylabel("latency, ms")
        axes[-1].set_xticks([x for x, _ in ticks], [label for _, label in ticks])
        for part in axes:
            part.tick_params(axis="x", length=0)
            part.grid(visible=False, axis="x")
        return figure.drawing(name)


def draw_minutes(repeat: Repeat, name: str) -> Drawing:
    """Draw p50 and p90 of each minute of a sustained run, with temperature and clock below if they are known."""
    readings = [minute.reading for minute in repeat.minutes]
    with_temperature = any(reading.temperatures for reading in readings)
    clocks = [max(reading.clock.values()) if reading.clock else None for reading in readings]
    heights = (5, *([2] if with_temperature else []), *([2] if any(clocks) else []))
    with canvas(1.4 + 0.75 * len(heights)) as figure:
        axes = figure.axes(*heights)
        x = [minute.minute for minute in repeat.minutes]
        marker = "o" if len(x) < 40 else None
        for colour, percentile in ((SERIES[0], "p50"), (SERIES[1], "p90")):
            seconds = [getattr(minute, percentile) for minute in repeat.minutes]
            values = [np.nan if value is None else 1000 * value for value in seconds]
            axes[0].plot(x, values, color=colour, marker=marker, markersize=2.5, label=percentile)
        axes[0].set_ylim(0, None)
        axes[0].set_ylabel("latency, ms")
        figure.legend(2)
        if with_temperature:
            axes[1].plot(x, list(map(_hottest, readings)), color=SERIES[4])
            axes[1].set_ylabel(CELSIUS)
        if any(clocks):
            axes[-1].plot(x, [clock or np.nan for clock in clocks], color=SERIES[2])
            axes[-1].set_ylabel("MHz")
        axes[-1].set_xlabel("minute")
        figure.figure.align_ylabels(axes)
        return figure.drawing(name)


def _artifact_drawings(artifact: ArtifactResult, settings: Settings, name: str) -> dict[str, Any]:
    timed = any(repeat.end_to_end for repeat in artifact.repeats)
    minutes = {
        number: draw_minutes(repeat, f"{name}-minutes-{number}")
        for number, repeat in enumerate(artifact.repeats, 1)
        if timed and repeat.minutes
    }
    return {
        "distribution": draw_distribution(artifact, f"{name}-distribution") if timed else None,
        "timeline": draw_timeline(artifact, settings, f"{name}-timeline") if timed and not minutes else None,
        "minutes": minutes,
    }


def _name(artifact: ArtifactResult) -> str:
    """Return the label of an artifact in a plot of several: a clip artifact's latency is that of an answer."""
    if artifact.hop is None:
        return artifact.file
    return f"{shorten(artifact.file, 24)}, answer per {frames_text(artifact.hop)}"


def _times(artifact: ArtifactResult) -> list[Milliseconds]:
    return [np.array(repeat.end_to_end) / 1000 for repeat in artifact.repeats if repeat.end_to_end]


def _bands(samples: Milliseconds) -> tuple[Milliseconds, Milliseconds, Milliseconds, Milliseconds]:
    """Return positions from 0 to 1 in a repeat, and p10, p50 and p90 of the steps around each."""
    if not len(samples):
        return np.zeros(1), np.zeros(1), np.full(1, np.nan), np.zeros(1)
    parts = np.array_split(samples, min(POINTS, len(samples)))
    p10, p50, p90 = np.array([np.quantile(part, (0.1, 0.5, 0.9)) for part in parts]).T
    return np.linspace(0, 1, len(parts)), p10, p50, p90


def _hottest(reading: SensorReading) -> float:
    return max(reading.temperatures.values(), default=np.nan)


def _plot_temperature(
    axes: Any, x: tuple[float, float], readings: tuple[SensorReading, SensorReading], max_temperature: float
) -> None:
    degrees = list(map(_hottest, readings))
    axes.plot(x, degrees, color=SERIES[4], marker="o", markersize=3)
    axes.margins(y=0.4)
    if max(degrees) > max_temperature - 10:
        axes.axhline(max_temperature, color=BAD, linewidth=1, linestyle="--")
    axes.set_ylabel(CELSIUS)


def _use_logarithmic_axis(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
