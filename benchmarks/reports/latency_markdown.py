"""A report of latency as Markdown."""

from __future__ import annotations

from edgeshift.benchmarks.latency.result import Report
from edgeshift.benchmarks.latency.summary import summarize
from edgeshift.benchmarks.latency.table import (
    COLUMNS,
    PHASE_COLUMNS,
    artifact_rows,
    device_facts,
    phase_rows,
    remarks,
    settings_facts,
)
from edgeshift.benchmarks.reports.markdown import escape, table


def latency_markdown(report: Report) -> str:
    """Heading, device and settings, a table of artifacts, and for each what its time goes to and what to know of it."""
    summaries = summarize(report)
    facts = [*device_facts(report), *settings_facts(report.settings, report.edgeshift)]
    parts = [
        f"## Latency on {escape(report.facts.board or report.facts.processor)}",
        "\n".join(f"- {name}: {escape(value)}" for name, value in facts),
        table(COLUMNS, artifact_rows(summaries)),
    ]
    for summary in summaries:
        lines = "\n".join(f"- {escape(line)}" for line in (f"run by {summary.runtime}", *remarks(summary)))
        parts += [f"### {escape(summary.file)}", table(PHASE_COLUMNS, phase_rows(summary)), lines]
    return "\n\n".join(parts) + "\n"
