"""Plots of a report of accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeshift.benchmarks.accuracy.report import ArtifactResult, Report
from edgeshift.benchmarks.accuracy.table import units
from edgeshift.benchmarks.reports.confusion import draw_confusion
from edgeshift.benchmarks.reports.figure import SERIES, Drawing, canvas, shorten


def accuracy_drawings(report: Report, name: str) -> dict[str, Any]:
    """Return the plots of a report, as ``templates/accuracy.html`` shows them; ``name`` is unique in the page.

    Raises:
        RuntimeMissingError: matplotlib is not installed.
    """
    has_running = any(share.value is not None for artifact in report.subjects for share in artifact.running.values())
    return {
        "running": draw_running(report.subjects, f"{name}-running") if has_running else None,
        "matrices": [
            draw_confusion(artifact.matrix, [row.label for row in artifact.rows], f"{name}-{number}-matrix")
            if any(map(any, artifact.matrix))
            else None
            for number, artifact in enumerate(report.subjects, 1)
        ],
    }


def draw_running(artifacts: Sequence[ArtifactResult], name: str) -> Drawing:
    """Draw the accuracy after the first frames, or answers, of a clip, one line per artifact."""
    with canvas(2.1 + 0.17 * len(artifacts)) as figure:
        (axes,) = figure.axes()
        for index, artifact in enumerate(artifacts):
            points = [(frames, share.value) for frames, share in artifact.running.items() if share.value is not None]
            x, y, colour = range(len(points)), [100 * value for _, value in points], SERIES[index % len(SERIES)]
            axes.plot(x, y, color=colour, marker="o", markersize=3, label=shorten(artifact.file, 34))
            axes.set_xticks(x, [frames for frames, _ in points])
        axes.set_ylim(0, 102)
        axes.set_xlabel(f"{units(artifacts)} of the clip")
        axes.set_ylabel("accuracy, %")
        if len(artifacts) > 1:
            figure.legend(1)
        return figure.drawing(name)
