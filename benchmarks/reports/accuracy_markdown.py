"""A report of accuracy as Markdown."""

from __future__ import annotations

from edgeshift.benchmarks.accuracy.report import Report
from edgeshift.benchmarks.accuracy.table import AGAINST, COLUMNS, against_rows, artifact_rows, data_facts, remarks
from edgeshift.benchmarks.reports.markdown import escape, table


def accuracy_markdown(report: Report) -> str:
    """Heading and data, a table of artifacts, and how the others compare with the first."""
    parts = [
        f"## Accuracy on {escape(report.data)}",
        "\n".join(f"- {name}: {escape(value)}" for name, value in data_facts(report)),
        table(COLUMNS, artifact_rows(report)),
        "\n".join(f"- {escape(f'{one.file}: {line}')}" for one in report.subjects for line in remarks(one)),
    ]
    if report.comparisons:
        parts += [f"### Against {escape(report.subjects[0].file)}", table(AGAINST, against_rows(report))]
    return "\n\n".join(parts) + "\n"
