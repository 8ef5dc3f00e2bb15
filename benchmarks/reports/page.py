"""Make one HTML file of reports, which loads nothing and runs no script. Text and style are in ``templates``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeshift.benchmarks.accuracy import table as accuracy_table
from edgeshift.benchmarks.accuracy.report import Report as AccuracyReport
from edgeshift.benchmarks.latency import table as latency_table
from edgeshift.benchmarks.latency.result import Report as LatencyReport
from edgeshift.benchmarks.latency.summary import summarize
from edgeshift.benchmarks.latency.validity import FLAGS
from edgeshift.benchmarks.reports.accuracy_plots import accuracy_drawings
from edgeshift.benchmarks.reports.changes import COMPARISON_COLUMNS, COMPARISON_TITLES, changes, comparison_rows
from edgeshift.benchmarks.reports.confusion import frequent_errors
from edgeshift.benchmarks.reports.documents import Document, report_names, report_title
from edgeshift.benchmarks.reports.figure import COLOURS
from edgeshift.benchmarks.reports.latency_plots import latency_drawings
from edgeshift.benchmarks.reports.markdown import numeric_columns
from edgeshift.benchmarks.reports.overview import Summarized, overview
from edgeshift.benchmarks.reports.state import report_state
from edgeshift.errors import missing

if TYPE_CHECKING:
    from jinja2 import Environment

#: Characters that neither HTML nor XML can hold.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def make_page(reports: Sequence[Document], files: Sequence[Path] | None = None) -> str:
    """Return a page of one or more reports of latency and accuracy, in their order.

    Args:
        reports: the reports, as ``read_document`` returns them.
        files: the paths that they were read from, which name the reports; None: the reports are numbered.

    Raises:
        RuntimeMissingError: matplotlib or Jinja2 is not installed.
    """
    environment = _environment()
    named = list(zip(report_names(files, len(reports)), reports, strict=True))
    latency: list[Summarized] = []
    sections: list[dict[str, Any]] = []
    for number, (name, report) in enumerate(named, 1):
        section: dict[str, Any] = {"name": f"report-{number}", "title": report_title(report, name), "report": report}
        section["state"] = report_state(report, name)
        if isinstance(report, LatencyReport):
            section |= {"summaries": summarize(report), "plots": latency_drawings(report, section["name"])}
            latency.append((name, report, section["summaries"]))
        else:
            section["plots"] = accuracy_drawings(report, section["name"])
        sections.append(section)
    page = environment.get_template("page.html").render(
        colours=COLOURS,
        title=sections[0]["title"] if len(sections) == 1 else f"Reports: {', '.join(name for name, _ in named)}",
        overview=overview(latency, [report for report in reports if isinstance(report, AccuracyReport)]),
        changes=changes(named),
        sections=sections,
    )
    return FORBIDDEN.sub("?", page)


def _environment() -> Environment:
    """Return the environment of the templates, which escapes every value and refuses names that are not defined."""
    try:
        import jinja2
    except ImportError as error:
        raise missing("Jinja2", "report", "a page of reports") from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        extensions=["jinja2.ext.do"],
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "numeric_columns": numeric_columns,
        "frequent_errors": frequent_errors,
        "milliseconds": latency_table.milliseconds,
        "bytes": latency_table.bytes_text,
    }
    environment.globals |= {"latency": latency_table, "accuracy": accuracy_table, "FLAGS": FLAGS}
    environment.globals |= {"comparison_rows": comparison_rows}
    environment.globals |= {"COMPARISON_TITLES": COMPARISON_TITLES, "COMPARISON_COLUMNS": COMPARISON_COLUMNS}
    return environment
