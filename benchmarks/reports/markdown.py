"""Reports as Markdown, for a pull request or a README. Text of reports is untrusted and escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgeshift._system.clock import date_text
from edgeshift.benchmarks.accuracy import table as accuracy_table
from edgeshift.benchmarks.accuracy.report import Report as AccuracyReport
from edgeshift.benchmarks.latency import table as latency_table
from edgeshift.benchmarks.latency.result import Report as LatencyReport
from edgeshift.benchmarks.latency.summary import summarize
from edgeshift.benchmarks.reports.changes import COMPARISON_COLUMNS, Group, changes, comparison_rows
from edgeshift.benchmarks.reports.documents import Document, report_names, report_title

#: Characters with a meaning in Markdown or HTML.
SPECIAL = re.compile(r"([\\`*_\[\]<>|~&$@]|^[#+-]|:(?=//))")


def make_markdown(reports: Sequence[Document], files: Sequence[Path] | None = None) -> str:
    """Return the reports as Markdown, one section each; ``files`` are the paths that they were read from, if any."""
    named = list(zip(report_names(files, len(reports)), reports, strict=True))
    sections = [_group(group) for group in changes(named)]
    sections += [
        _latency(report, name) if isinstance(report, LatencyReport) else _accuracy(report, name)
        for name, report in named
    ]
    return "\n".join(sections)


def escape(text: str) -> str:
    """Return the text on one line, with all characters escaped that Markdown would take for markup."""
    plain = re.sub(r"(?i)(www)\.", r"\1 .", " ".join(text.split()))  # GitHub turns bare host names into links
    return plain if plain == "-" else SPECIAL.sub(r"\\\1", plain)


def numeric_columns(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[bool]:
    """Return for each column whether all its cells begin like a number, so that it is aligned right."""
    return [bool(rows) and all(str(row[at])[:1] in {*"-+0123456789"} for row in rows) for at in range(len(columns))]


def _latency(report: LatencyReport, name: str) -> str:
    summaries = summarize(report)
    facts = (
        ("date", date_text(report.date)),
        *latency_table.device_facts(report),
        *latency_table.settings_facts(report.settings, report.edgeshift),
    )
    parts = [
        f"## {escape(report_title(report, name))}",
        _list(f"{fact}: {value}" for fact, value in facts),
        _table(latency_table.artifact_columns(summaries), latency_table.artifact_rows(summaries)),
    ]
    for summary in summaries:
        parts += [
            f"### {escape(summary.file)}",
            _table(latency_table.PHASE_COLUMNS, latency_table.phase_rows(summary)),
            _list((f"runtime: {summary.runtime}", *latency_table.remarks(summary))),
        ]
    return "\n\n".join(parts) + "\n"


def _accuracy(report: AccuracyReport, name: str) -> str:
    facts = (("date", date_text(report.date)), *accuracy_table.data_facts(report))
    parts = [
        f"## {escape(report_title(report, name))}",
        _list(f"{fact}: {value}" for fact, value in facts),
        _table(accuracy_table.COLUMNS, accuracy_table.artifact_rows(report)),
        _list(f"{artifact.file}: {line}" for artifact in report.subjects for line in accuracy_table.remarks(artifact)),
    ]
    if report.comparisons:
        parts += [
            f"### Compared with {escape(report.subjects[0].file)}",
            _table(accuracy_table.COMPARISON_COLUMNS, accuracy_table.comparison_rows(report)),
        ]
    return "\n\n".join(parts) + "\n"


def _group(group: Group) -> str:
    """Return the reports of one device, or of the same clips, side by side, and compared with the first one."""
    columns, rows = group.table
    parts = [f"## Before and after: {escape(group.title)}", _table([escape(column) for column in columns], rows)]
    if compared := comparison_rows(group):
        parts.append(_table(COMPARISON_COLUMNS[group.kind], compared))
    if group.notes:
        parts.append(_list(group.notes))
    return "\n\n".join(parts) + "\n"


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    alignment = ["---:" if numeric else "---" for numeric in numeric_columns(columns, rows)]
    cells = [[escape(str(value)) for value in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in (columns, alignment, *cells))


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escape(line)}" for line in lines)
