"""The first section of a page: a plot and a table of the size, latency and accuracy of every artifact."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from edgeshift.benchmarks.accuracy.report import Report as AccuracyReport
from edgeshift.benchmarks.latency.result import Report as LatencyReport
from edgeshift.benchmarks.latency.summary import Summary
from edgeshift.benchmarks.reports.figure import INK, MUTED, SERIES, Drawing, canvas
from edgeshift.benchmarks.statistics import Share
from edgeshift.stream.placement import accelerators

#: The name of a report of latency, the report, and the summary of each of its artifacts.
Summarized = tuple[str, LatencyReport, Sequence[Summary]]
#: What was measured: the hash of a file, and the accelerators that ran it.
Subject = tuple[str, str]
#: Dots nearer than this share of an axis overlap.
OVERLAP = 0.06


class Point(NamedTuple):
    """An artifact on a device, with its median latency in milliseconds and its accuracy, if that was measured.

    The name of the device also has the accelerator, unless it is the processor.
    """

    report: str
    device: str
    colour: str
    summary: Summary
    p50: float
    accuracy: Share | None


def overview(latency: Sequence[Summarized], accuracy: Sequence[AccuracyReport]) -> dict[str, Any] | None:
    """Return the variables of ``templates/overview.html``; None: fewer than two artifacts have a median.

    The accuracy of an artifact is found by the hash of its file and by the accelerator, because an accelerator may
    compute other logits.

    Raises:
        RuntimeMissingError: matplotlib is not installed.
    """
    measured = [
        (name, _device(report, summary), summary) for name, report, summaries in latency for summary in summaries
    ]
    devices = dict.fromkeys(device for _, device, _ in measured)
    colours = {device: SERIES[index % len(SERIES)] for index, device in enumerate(devices)}
    data, shares = _accuracies(accuracy, {_subject(summary) for _, _, summary in measured})
    points = [
        Point(name, device, colours[device], summary, p50 / 1000, shares.get(_subject(summary)))
        for name, device, summary in measured
        if (p50 := summary.phases["end_to_end"].p50) is not None
    ]
    if len(points) < 2:
        return None
    with_accuracy = any(point.accuracy for point in points)
    return {
        "title": "Size, latency and accuracy" if with_accuracy else "Size and latency",
        "data": data,
        "with_accuracy": with_accuracy,
        "several_devices": len(colours) > 1,
        "with_clips": any(point.summary.hop is not None for point in points),
        "plot": _draw_tradeoff(points, "overview-tradeoff"),
        "points": points,
    }


def _device(report: LatencyReport, summary: Summary) -> str:
    """Return the name of the device, with the accelerator if it is not the processor."""
    name, ran_on = f"{report.facts.board or report.facts.processor} ({report.device})", accelerators(summary.ran_on)
    return name if ran_on in ("cpu", "-") else f"{name}, {ran_on}"


def _subject(summary: Summary) -> Subject:
    return summary.sha256, accelerators(summary.ran_on)


def _accuracies(reports: Sequence[AccuracyReport], subjects: Collection[Subject]) -> tuple[str, dict[Subject, Share]]:
    """Return the data set on which most of the subjects were measured, and {subject: consensus accuracy} on it.

    Accuracies on different data sets cannot share an axis, so the others are left out.
    """
    by_data: dict[tuple[str, str], dict[Subject, Share]] = {}
    for report in reports:
        data = report.data + (f", split {report.split}" if report.split else "")
        shares = by_data.setdefault((data, report.data_sha256), {})
        for artifact in report.subjects:
            share = artifact.accuracy.get("consensus")
            subject = artifact.sha256, artifact.placement.accelerator
            if share is not None and share.value is not None and subject in subjects:
                shares[subject] = share
    if not by_data:
        return "", {}
    (data, _), shares = max(by_data.items(), key=lambda entry: len(entry[1]))
    return data, shares


def _draw_tradeoff(points: Sequence[Point], name: str) -> Drawing:
    """Draw accuracy over latency, or size over latency if no accuracy is known. The area of a dot is the size."""
    with_accuracy = any(point.accuracy for point in points)
    largest = max(point.summary.bytes for point in points) or 1
    drawn: list[tuple[int, float, float]] = []
    with canvas(2.9) as figure:
        (axes,) = figure.axes()
        for number, (_, _, colour, summary, p50, accuracy) in enumerate(points, 1):
            if with_accuracy:
                if accuracy is None or accuracy.value is None or accuracy.low is None or accuracy.high is None:
                    continue
                y = 100 * accuracy.value
                error = [[y - 100 * accuracy.low], [100 * accuracy.high - y]]
                axes.errorbar([p50], [y], yerr=error, color=colour, linewidth=1, alpha=0.6)
            else:
                y = summary.bytes / 1e6
            area = 60 + 500 * summary.bytes / largest
            axes.scatter([p50], [y], s=area, color=colour, alpha=0.55, linewidths=0)
            drawn.append((number, p50, y))
        axes.set_xlabel("latency end to end, p50 ms")
        axes.set_ylabel("accuracy, %" if with_accuracy else "size, MB")
        axes.margins(0.15)
        # The axis begins at zero, so that two artifacts of equal latency look equal.
        axes.set_xlim(0, 1.12 * max(point.p50 for point in points))
        if with_accuracy:
            axes.set_ylim(None, min(axes.get_ylim()[1], 104))
        else:
            axes.set_ylim(0, 1.2 * largest / 1e6)
        for numbers, x, y in _labels(drawn, axes.get_xlim()[1], axes.get_ylim()[1] - axes.get_ylim()[0]):
            axes.text(x, y, numbers, ha="center", va="center", color=INK, fontweight="bold")
        axes.xaxis.label.set_color(MUTED)
        return figure.drawing(name)


def _labels(dots: Sequence[tuple[int, float, float]], width: float, height: float) -> list[tuple[str, float, float]]:
    """Return the text and the place of the label of each dot, given as number, x and y.

    Dots that overlap have one label with all their numbers, such as "1, 3, 4", at their mean.

    Args:
        dots: number, x and y of each dot.
        width: range of the x axis.
        height: range of the y axis.
    """
    groups: list[list[tuple[int, float, float]]] = []
    for dot in dots:
        near = (
            group
            for group in groups
            if abs(group[0][1] - dot[1]) < OVERLAP * width and abs(group[0][2] - dot[2]) < OVERLAP * height
        )
        group = next(near, None)
        if group is None:
            groups.append([dot])
        else:
            group.append(dot)
    return [
        (", ".join(str(number) for number, _, _ in group), fmean(x for _, x, _ in group), fmean(y for *_, y in group))
        for group in groups
    ]
