"""Size against speed against accuracy, over all reports of a page."""

from __future__ import annotations

from collections.abc import Sequence

from edgeshift.benchmarks.accuracy.report import Report as AccuracyReport
from edgeshift.benchmarks.latency.result import Report as LatencyReport
from edgeshift.benchmarks.latency.summary import Summary, summarize
from edgeshift.benchmarks.latency.table import bytes_text, milliseconds
from edgeshift.benchmarks.reports.accuracy_plots import Worth, draw_worth
from edgeshift.benchmarks.reports.figure import inline
from edgeshift.benchmarks.reports.markup import Markup, table, tag
from edgeshift.benchmarks.statistics import Share

COLUMNS = ("no.", "file", "device", "p50 ms", "p90 ms", "size", "clips right")
Found = tuple[Summary, str, int]


def overview(latency: Sequence[LatencyReport], accuracy: Sequence[AccuracyReport]) -> Markup | None:
    """The section; None: fewer than two artifacts with a figure. Accuracy belongs to a file by its hash."""
    named = _devices(latency)
    devices = list(dict.fromkeys(named))
    found: list[Found] = [
        (summary, device, devices.index(device))
        for report, device in zip(latency, named, strict=True)
        for summary in summarize(report)
        if summary.phases["end_to_end"].p50 is not None
    ]
    if len(found) < 2:
        return None
    on, shares = _accuracies(accuracy, {summary.sha256 for summary, *_ in found})
    points, rows = [], []
    for number, (summary, device, place) in enumerate(found, 1):
        share, total = shares.get(summary.sha256), summary.phases["end_to_end"]
        assert total.p50 is not None
        points.append(
            Worth(
                number=number,
                device=place,
                milliseconds=total.p50 / 1000,
                bytes=summary.bytes,
                accuracy=_interval(share),
            )
        )
        rows.append(
            (
                str(number),
                summary.file,
                device,
                milliseconds(total.p50),
                "-" if total.p90 is None else milliseconds(total.p90),
                bytes_text(summary.bytes),
                "-" if share is None else str(share),
            )
        )
    accurate = any(point.accuracy for point in points)
    said = "; ".join(f"{row[1]} on {row[2]}: {row[3]} ms, {row[5]}, {row[6]}" for row in rows)
    return tag(
        "section",
        tag("h2", "Size, speed, accuracy" if accurate else "Size and speed", id="overview-heading"),
        inline(
            draw_worth(points),
            "overview-worth",
            "Speed against " + ("accuracy" if accurate else "size"),
            said,
            "Further left is faster, further up is "
            + ("more often right; a larger dot is a larger file." if accurate else "larger.")
            + (f" Right are clips of {on}." if accurate else "")
            + " Numbers are those of the table"
            + ("; a colour for each device." if len(devices) > 1 else "."),
        ),
        table("Each artifact on each device", COLUMNS, rows),
        id="overview",
        aria_labelledby="overview-heading",
    )


def _devices(reports: Sequence[LatencyReport]) -> list[str]:
    """What each was measured on; two ways to boards of one kind are told apart by how they were asked for."""
    boards = [report.facts.board or report.facts.processor for report in reports]
    ways = {board: {r.device for b, r in zip(boards, reports, strict=True) if b == board} for board in boards}
    return [
        f"{board} ({report.device})" if len(ways[board]) > 1 else board
        for board, report in zip(boards, reports, strict=True)
    ]


def _accuracies(reports: Sequence[AccuracyReport], wanted: set[str]) -> tuple[str, dict[str, Share | None]]:
    """The data set on which most of the files were measured, and the share of each: sets have no axis in common."""
    sets: dict[tuple[str, str], dict[str, Share | None]] = {}
    for report in reports:
        found = sets.setdefault((report.data + (f", {report.split}" if report.split else ""), report.data_sha256), {})
        found.update({one.sha256: one.accuracy.get("consensus") for one in report.subjects if one.sha256 in wanted})
    if not sets:
        return "", {}
    (name, _), shares = max(sets.items(), key=lambda one: len(one[1]))
    return name, shares


def _interval(share: Share | None) -> tuple[float, float, float] | None:
    if share is None or share.value is None or share.low is None or share.high is None:
        return None
    return share.value, share.low, share.high
