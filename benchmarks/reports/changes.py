"""Compare each report with the first report of the same device, or of the same clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from edgeshift.benchmarks.accuracy.report import Report as AccuracyReport
from edgeshift.benchmarks.accuracy.table import points
from edgeshift.benchmarks.latency.result import Report as LatencyReport
from edgeshift.benchmarks.latency.table import milliseconds
from edgeshift.benchmarks.reports.accuracy_compare import (
    Change,
    compare_accuracy,
    differing_accelerators,
    unreadable_clips,
)
from edgeshift.benchmarks.reports.comparability import REQUIRED
from edgeshift.benchmarks.reports.documents import Document
from edgeshift.benchmarks.reports.latency_compare import Pair, compare_latency, compared_pairs, failures
from edgeshift.benchmarks.reports.notes import all_of, by_note
from edgeshift.benchmarks.reports.state import State, before_and_after, report_state, side_by_side
from edgeshift.errors import EdgeshiftError

#: {kind of reports: headings of the table with one row per compared pair}.
COMPARISON_COLUMNS = {
    "latency": ("before", "after", "file", "before p50 ms", "after p50 ms", "ratio", "verdict"),
    "accuracy": (
        *("before", "after", "file", "clips", "before", "after", "difference", "now wrong", "now right"),
        *("McNemar p", "verdict"),
    ),
}
#: {kind of reports: title of that table}.
COMPARISON_TITLES = {
    "latency": "Latency end to end: after divided by before, with the 95% interval of this ratio",
    "accuracy": "Accuracy (consensus): after minus before, with the 95% interval of the difference",
}
#: The verdict of a pair that may not be compared.
NOT_JUDGED = "not judged"


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """A report that is compared with an earlier one.

    Attributes:
        before, after: names of the reports.
        pairs: pairs of artifacts. Their verdicts count only if there are no ``reasons``.
        reasons: why there are no verdicts.
        remarks: conditions that differ although they may, and limits of the comparison.
    """

    before: str
    after: str
    pairs: tuple[Pair, ...] | tuple[Change, ...]
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def judged(self) -> list[tuple[Pair | Change, str]]:
        """The pairs with their verdicts."""
        return [(pair, NOT_JUDGED if self.reasons else pair.verdict) for pair in self.pairs]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Two or more reports of latency of one device, or of accuracy on the same clips.

    Attributes:
        kind, title: "latency" or "accuracy", and the device or the data.
        states: what distinguishes the reports, in their order.
        comparisons: one for each report but the first, which the others are compared with.
    """

    kind: str
    title: str
    states: tuple[State, ...]
    comparisons: tuple[Compared, ...]

    @property
    def table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """The columns and rows of the table that shows the reports side by side."""
        return side_by_side(self.states, before_and_after([state.report for state in self.states]))

    @property
    def notes(self) -> list[str]:
        """The reasons and remarks of all comparisons, each once, with the names of the reports that it is about."""
        reports: dict[str, dict[str, None]] = {}
        for compared in self.comparisons:
            for note in (*compared.reasons, *compared.remarks):
                reports.setdefault(note, {compared.before: None})[compared.after] = None
        return [f"{all_of(names)}: {note}" for note, names in reports.items()]


def changes(reports: Sequence[tuple[str, Document]]) -> list[Group]:
    """Return the groups of two or more reports that have a device or clips in common.

    Args:
        reports: reports with their names, in the order of the page.
    """
    groups: dict[object, list[tuple[str, Any]]] = {}
    for name, report in reports:
        groups.setdefault(_key(report), []).append((name, report))
    return [_group(members) for members in groups.values() if len(members) > 1]


def comparison_rows(group: Group) -> list[tuple[str, ...]]:
    """Return one row per compared pair of artifacts, in the order of ``COMPARISON_COLUMNS``."""
    rows = []
    for compared in group.comparisons:
        for pair, verdict in compared.judged:
            file = pair.file if pair.before_file == pair.file else f"{pair.before_file} to {pair.file}"
            figures: tuple[str, ...]
            if isinstance(pair, Pair):
                figures = milliseconds(pair.before), milliseconds(pair.after), str(pair.end_to_end)
            else:
                figures = (
                    *(str(pair.clips), f"{pair.before:.1%}", f"{pair.after:.1%}"),
                    points(pair.difference, pair.low, pair.high),
                    *(str(pair.lost), str(pair.won), f"{pair.p:.3g}"),
                )
            rows.append((compared.before, compared.after, file, *figures, verdict))
    return rows


def _key(report: Document) -> object:
    if isinstance(report, LatencyReport):
        return report.device, report.facts.board, report.facts.processor
    return report.data_sha256, report.split


def _group(members: Sequence[tuple[str, Any]]) -> Group:
    (before, baseline), *others = members
    compared = []
    for name, report in others:
        try:
            pairs, reasons, remarks = (
                _latency(baseline, report) if isinstance(report, LatencyReport) else _accuracy(baseline, report)
            )
        except EdgeshiftError as error:
            pairs, reasons, remarks = (), [f"cannot be compared: {error}"], []
        compared.append(
            Compared(before=before, after=name, pairs=pairs, reasons=tuple(reasons), remarks=tuple(remarks))
        )
    latency = isinstance(baseline, LatencyReport)
    return Group(
        kind="latency" if latency else "accuracy",
        title=f"{baseline.facts.board or baseline.facts.processor} ({baseline.device})" if latency else baseline.data,
        states=tuple(report_state(report, name) for name, report in members),
        comparisons=tuple(compared),
    )


#: Pairs of compared artifacts, the reasons why they get no verdict, and further remarks.
Parts = tuple[tuple[Pair, ...] | tuple[Change, ...], list[str], list[str]]


def _latency(before: LatencyReport, after: LatencyReport) -> Parts:
    pairs, comparison = compared_pairs(before, after)[0], compare_latency(before, after, across=list(REQUIRED))
    reasons = [f"the runs differ in {difference}" for difference in comparison.across]
    for side, (name, report) in enumerate((("before", before), ("after", after))):
        files = {pair[side].file for pair in pairs}
        reasons += [f"{name} is not valid: {failure}" for failure in failures(report, files)]
    remarks = [f"only one report has {file}" for file in comparison.unpaired]
    wide = f"the interval exceeds the tolerance of {comparison.tolerance:.0%}"
    remarks += by_note([(pair.file, (*pair.notes, *([wide] if pair.wide else []))) for pair in comparison.pairs])
    return comparison.pairs, reasons, remarks


def _accuracy(before: AccuracyReport, after: AccuracyReport) -> Parts:
    comparison = compare_accuracy(before, after, across=["accelerator"])
    reasons = [*differing_accelerators(before, after), *unreadable_clips(before, after)]
    remarks = [f"only one report has {file}" for file in comparison.unpaired]
    remarks += by_note([(pair.file, pair.notes) for pair in comparison.pairs])
    return comparison.pairs, reasons, remarks
