"""The page: one file that needs nothing else and may reach nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from edgeshift.benchmarks.accuracy.report import Report as AccuracyReport
from edgeshift.benchmarks.latency.result import Report as LatencyReport
from edgeshift.benchmarks.reports.accuracy_section import accuracy_section, accuracy_title
from edgeshift.benchmarks.reports.documents import Document
from edgeshift.benchmarks.reports.latency_section import latency_section, latency_title
from edgeshift.benchmarks.reports.markup import Markup, join, tag
from edgeshift.benchmarks.reports.overview import overview
from edgeshift.benchmarks.reports.style import STYLE

#: No script, no picture, no font, no connection: whatever a report may hold, a browser loads and sends nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def make_page(reports: Sequence[Document]) -> str:
    """HTML of one or more reports of latency and accuracy, in their order.

    Raises:
        RuntimeMissingError: no matplotlib.
    """
    latency = [report for report in reports if isinstance(report, LatencyReport)]
    accuracy = [report for report in reports if isinstance(report, AccuracyReport)]
    sections = [(f"report-{index}", report) for index, report in enumerate(reports, 1)]
    whole = overview(latency, accuracy)
    title = _title(reports[0]) if len(reports) == 1 else f"{len(reports)} reports of edgeshift"
    links = [("overview", "Overview")] if whole is not None else []
    links += [(name, _title(report)) for name, report in sections]
    body = tag(
        "body",
        tag("header", tag("h1", title), _contents(links) if len(links) > 1 else None),
        tag("main", whole, *(_section(report, name) for name, report in sections)),
        tag("footer", "Made with edgeshift report. Percentiles are of steps within a repeat, medians over repeats."),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _title(report: Document) -> str:
    return latency_title(report) if isinstance(report, LatencyReport) else accuracy_title(report)


def _section(report: Document, name: str) -> Markup:
    return latency_section(report, name) if isinstance(report, LatencyReport) else accuracy_section(report, name)


def _contents(links: Sequence[tuple[str, str]]) -> Markup:
    items = (tag("li", tag("a", words, href=f"#{name}")) for name, words in links)
    return tag("nav", tag("ul", join(*items)), aria_label="Contents")
