"""Plots of a report of accuracy, and of what an artifact is worth altogether."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edgeshift.benchmarks.accuracy.report import ArtifactResult
from edgeshift.benchmarks.reports.figure import GRID, INK, MUTED, SERIES, drawing

#: Characters of a label in a plot; labels above which cells have no figures.
LABEL, MANY = 16, 24


class Worth(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact on a device: milliseconds of p50 end to end, bytes, and accuracy with its interval, where known."""

    number: int
    device: int
    milliseconds: float
    bytes: int
    accuracy: tuple[float, float, float] | None


def confusion_width(labels: int) -> float:
    """Inches that a confusion matrix needs."""
    return max(4.6, 1.7 + 0.24 * labels)


def draw_confusion(subject: ArtifactResult) -> str:
    """Clips by what they show and what was answered, the darker the more of a row: SVG."""
    from matplotlib.patches import Rectangle

    labels = [_short(row.label) for row in subject.rows]
    count = len(labels)
    side = confusion_width(count)
    with drawing(side * 0.92, side) as canvas:
        (axes,) = canvas.axes()
        for row, cells in enumerate(subject.matrix):
            total = max(1, sum(cells))
            for column, clips in enumerate(cells):
                if not clips:
                    continue
                part = clips / total  # never so dark that the figure in it could not be read
                axes.add_patch(
                    Rectangle(
                        (column - 0.5, row - 0.5), 1, 1, facecolor=SERIES[0], alpha=0.06 + 0.52 * part, linewidth=0
                    )
                )
                if count <= MANY:
                    size = 9.5 if count <= 10 else 7.5
                    axes.text(column, row, str(clips), ha="center", va="center", color=INK, fontsize=size)
        axes.set_xlim(-0.5, count - 0.5)
        axes.set_ylim(count - 0.5, -0.5)
        axes.set_aspect("equal")
        axes.grid(visible=False)
        size = 9.5 if count <= 12 else 8.0
        axes.set_xticks(range(count), labels, rotation=90, fontsize=size)
        axes.set_yticks(range(count), labels, fontsize=size)
        axes.tick_params(length=0)
        for place in range(count + 1):
            axes.axhline(place - 0.5, color=GRID, linewidth=0.5)
            axes.axvline(place - 0.5, color=GRID, linewidth=0.5)
        axes.set_xlabel("answered")
        axes.set_ylabel("shown")
    return canvas.svg


def draw_running(subjects: Sequence[ArtifactResult]) -> str:
    """How many clips are right after so many frames, a line for each artifact: SVG."""
    with drawing(2.1 + 0.17 * len(subjects)) as canvas:
        (axes,) = canvas.axes()
        for index, subject in enumerate(subjects):
            points = [(name, share.value) for name, share in subject.running.items() if share.value is not None]
            axes.plot(
                range(len(points)),
                [100 * value for _, value in points],
                color=SERIES[index % len(SERIES)],
                marker="o",
                markersize=3,
                label=_short(subject.file, 34),
            )
            axes.set_xticks(range(len(points)), [name for name, _ in points])
        axes.set_ylim(0, 102)
        axes.set_xlabel("frames")
        axes.set_ylabel("% of clips right")
        if len(subjects) > 1:
            canvas.legend(1)
    return canvas.svg


def draw_worth(points: Sequence[Worth]) -> str:
    """Speed across, accuracy (or size, where no accuracy is known) up, size as area: SVG."""
    accurate = any(point.accuracy for point in points)
    largest = max(point.bytes for point in points) or 1
    with drawing(2.9) as canvas:
        (axes,) = canvas.axes()
        for point in points:
            if accurate and point.accuracy is None:
                continue
            colour = SERIES[point.device % len(SERIES)]
            height = 100 * point.accuracy[0] if point.accuracy else point.bytes / 1e6
            if point.accuracy:
                reach = [
                    [100 * (point.accuracy[0] - point.accuracy[1])],
                    [100 * (point.accuracy[2] - point.accuracy[0])],
                ]
                axes.errorbar([point.milliseconds], [height], yerr=reach, color=colour, linewidth=1, alpha=0.6)
            area = 60 + 500 * point.bytes / largest
            axes.scatter([point.milliseconds], [height], s=area, color=colour, alpha=0.55, linewidths=0)
            axes.text(
                point.milliseconds, height, str(point.number), ha="center", va="center", color=INK, fontweight="bold"
            )
        axes.set_xlabel("milliseconds, p50 end to end")
        axes.set_ylabel("% of clips right" if accurate else "MB")
        axes.margins(0.15)
        # From zero: two that are as fast as each other are seen to be.
        axes.set_xlim(0, 1.12 * max(point.milliseconds for point in points))
        if accurate:
            axes.set_ylim(None, min(axes.get_ylim()[1], 104))
        else:
            axes.set_ylim(0, 1.2 * largest / 1e6)
        axes.xaxis.label.set_color(MUTED)
    return canvas.svg


def _short(text: str, limit: int = LABEL) -> str:
    # The end is kept: labels of a kind differ there.
    return text if len(text) <= limit else f"{text[: limit - 7]}..{text[-5:]}"
