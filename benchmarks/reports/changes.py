"""The section of a page that compares each report with the first report of the same device, or of the same clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeshift.benchmarks.accuracy.report import Report as AccuracyReport
from edgeshift.benchmarks.latency.result import Report as LatencyReport
from edgeshift.benchmarks.reports.accuracy_compare import Change, compare_accuracy, unreadable_clips
from edgeshift.benchmarks.reports.comparability import REQUIRED
from edgeshift.benchmarks.reports.documents import Document
from edgeshift.benchmarks.reports.latency_compare import Pair, compare_latency, compared_pairs, failures
from edgeshift.errors import EdgeshiftError

#: Pairs of compared artifacts, the reasons why they get no verdict, and further remarks.
Compared = tuple[Sequence[Pair | Change], list[str], list[str]]


def changes(reports: Sequence[tuple[str, Document]]) -> dict[str, Any] | None:
    """Return the variables of ``templates/changes.html``; None: no two reports have a device or clips in common.

    Args:
        reports: reports with their names, in the order of the page.
    """
    first: dict[object, tuple[str, Any]] = {}
    rows: dict[str, list[tuple[str, str, Pair | Change, str]]] = {"latency": [], "accuracy": []}
    notes: list[str] = []
    for name, report in reports:
        key: object
        if isinstance(report, LatencyReport):
            kind, key = "latency", (report.device, report.facts.board, report.facts.processor)
        else:
            kind, key = "accuracy", (report.data_sha256, report.split)
        before, baseline = first.setdefault(key, (name, report))
        if before == name:
            continue
        compared: Compared
        try:
            compared = _latency(baseline, report) if isinstance(report, LatencyReport) else _accuracy(baseline, report)
        except EdgeshiftError as error:
            compared = (), [f"cannot be compared: {error}"], []
        pairs, reasons, remarks = compared
        rows[kind] += [(before, name, pair, "not judged" if reasons else pair.verdict) for pair in pairs]
        notes += [f"{before} and {name}: {note}" for note in (*reasons, *remarks)]
    return {**rows, "notes": notes} if notes or any(rows.values()) else None


def _latency(before: LatencyReport, after: LatencyReport) -> Compared:
    pairs, comparison = compared_pairs(before, after)[0], compare_latency(before, after, across=list(REQUIRED))
    reasons = [f"the runs differ in {difference}" for difference in comparison.across]
    for side, (name, report) in enumerate((("before", before), ("after", after))):
        files = {pair[side].file for pair in pairs}
        reasons += [f"{name} is not valid: {failure}" for failure in failures(report, files)]
    remarks = [f"only one report has {file}" for file in comparison.unpaired]
    for (first, second), pair in zip(pairs, comparison.pairs, strict=True):
        remarks += [f"{pair.file}: {note}" for note in pair.notes]
        if first.sha256 == second.sha256:
            remarks.append(f"{pair.file}: equal SHA-256 in both reports: the runs differ, not the artifact")
        if pair.wide:
            remarks.append(f"{pair.file}: the interval exceeds the tolerance of {comparison.tolerance:.0%}")
    return comparison.pairs, reasons, remarks


def _accuracy(before: AccuracyReport, after: AccuracyReport) -> Compared:
    comparison = compare_accuracy(before, after)
    remarks = [f"only one report has {file}" for file in comparison.unpaired]
    return comparison.pairs, unreadable_clips(before, after), remarks
