"""A report of latency as Markdown, for a pull request or a README. Text of reports is untrusted and escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence

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

#: What Markdown or HTML would take for more than text.
SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~&$@:-])")


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


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; numbers stand right."""
    right = [bool(rows) and all(str(row[at])[:1] in "-0123456789" for row in rows) for at in range(len(columns))]
    lines = [columns, ["---:" if side else "---" for side in right]]
    body = [[escape(str(value)) for value in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in (*lines, *body))


def escape(text: str) -> str:
    """Text that stays text, on one line."""
    plain = re.sub(r"(?i)(www)\.", r"\1 .", " ".join(text.split()))  # GitHub makes links of bare names
    # Figures and plain names stay readable in the source.
    return plain if re.fullmatch(r"[\w .,%/-]*", plain) and "_" not in plain else SPECIAL.sub(r"\\\1", plain)
