"""Print reports of latency and accuracy as tables, for several commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeshift.cli.output import print_facts, print_line, print_table

if TYPE_CHECKING:
    from edgeshift.benchmarks.accuracy.report import Report as AccuracyReport
    from edgeshift.benchmarks.latency.result import Report as LatencyReport
    from edgeshift.benchmarks.latency.summary import Summary
    from edgeshift.benchmarks.reports.changes import Group


def show_latency(report: LatencyReport, name: str | None = None) -> None:
    """Print device, settings and latency of every artifact of a report. ``name``: name of the report's file, if any."""
    from edgeshift.benchmarks.latency import table
    from edgeshift.benchmarks.latency.summary import summarize

    _show_source(report, name)
    print_facts("Device", table.device_facts(report))
    print_facts("Settings", table.settings_facts(report.settings, report.edgeshift))
    show_summaries("Latency", summarize(report))


def show_summaries(title: str, summaries: Sequence[Summary]) -> None:
    """Print one table of all artifacts, then the phases and remarks of each artifact."""
    from edgeshift.benchmarks.latency import table

    print_table(title, table.artifact_columns(summaries), table.artifact_rows(summaries))
    for summary in summaries:
        print_table(f"{summary.file}, {summary.runtime}", table.PHASE_COLUMNS, table.phase_rows(summary))
        for line in table.remarks(summary):
            print_line(f"  {line}")


def show_accuracy(report: AccuracyReport, name: str | None = None) -> None:
    """Print data and accuracy of every artifact of a report. ``name``: name of the report's file, if any."""
    from edgeshift.benchmarks.accuracy import table

    _show_source(report, name)
    print_facts("Data", table.data_facts(report))
    print_table("Accuracy", table.COLUMNS, table.artifact_rows(report))
    show_changes(report)
    print_facts("Remarks", [(subject.file, line) for subject in report.subjects for line in table.remarks(subject)])


def show_changes(report: AccuracyReport) -> None:
    """Print how the other artifacts of a report compare with its first one."""
    from edgeshift.benchmarks.accuracy import table

    if report.comparisons:
        title = f"Compared with {report.subjects[0].file} (consensus)"
        print_table(title, table.COMPARISON_COLUMNS, table.comparison_rows(report))


def show_group(group: Group) -> None:
    """Print the reports of one device, or of the same clips, side by side, and compare them with the first one."""
    from edgeshift.benchmarks.reports.changes import COMPARISON_COLUMNS, COMPARISON_TITLES, comparison_rows

    print_table(f"Side by side: {group.title}", *group.table)
    if rows := comparison_rows(group):
        print_table(COMPARISON_TITLES[group.kind], COMPARISON_COLUMNS[group.kind], rows)
    print_facts("Notes", [("", note) for note in group.notes])


def _show_source(report: LatencyReport | AccuracyReport, name: str | None) -> None:
    from edgeshift._system.clock import date_text

    if name is not None:
        print_facts("Report", [("file", name), ("date", date_text(report.date))])
