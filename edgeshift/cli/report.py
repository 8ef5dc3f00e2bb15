"""``edgeshift report``: show reports as tables, or write them as one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeshift._system.output_file import reserve
from edgeshift._system.progress import ProgressBars
from edgeshift.cli.effect import ALWAYS
from edgeshift.cli.options import AsJson, option
from edgeshift.cli.output import print_json, print_line, print_next, require_file_name
from edgeshift.cli.report_text import show_accuracy, show_group, show_latency

if TYPE_CHECKING:
    from edgeshift.benchmarks.reports.changes import Group
    from edgeshift.benchmarks.reports.documents import Document


def run(
    files: Annotated[list[Path], typer.Argument(metavar="R.json")],
    out: Annotated[Path | None, option("Output", effect=ALWAYS, metavar="FILE.html|FILE.md")] = None,
    as_json: AsJson = False,
) -> None:
    """Show reports of latency and accuracy as tables, or write them as one page with plots.

    Reports of one device, or of the same clips, are also shown side by side: their dates, the state of the device, and
    each report compared with the first one, with ratios and verdicts.

    The page is a single file that loads nothing from elsewhere and runs no scripts. It shows latency and accuracy of an
    artifact together if both reports have the same hash of its file.

    Args:
        files: Reports written by edgeshift bench --out and eval --out.
        out: Write an HTML page with plots, or Markdown, and print no tables.

    Examples:
      edgeshift report pi.json
      edgeshift report pi.json phone.json accuracy.json --out page.html
      edgeshift report pi.json --out latency.md
    """
    from edgeshift.benchmarks.latency.result import Report as LatencyReport
    from edgeshift.benchmarks.reports.changes import changes
    from edgeshift.benchmarks.reports.documents import read_document, report_names

    require_file_name(out, ".html", ".md")
    bars, documents = ProgressBars(), []
    with reserve(out):
        with bars.stage("read", len(files)) as advance:
            for file in files:
                documents.append(read_document(file))
                advance()
        if out is not None:
            with bars.stage("draw"):
                _write(out, documents, files)
    named = list(zip(report_names(files, len(files)), documents, strict=True))
    if as_json:
        groups = changes(named)
        print_json([_figures(name, document, groups) for name, document in named])
    elif out is not None:
        print_line(f"written: {out}")
        print_next("edgeshift", "compare", *(files if len(files) == 2 else (files[0], "OTHER.json")))
    else:
        for name, document in named:
            if isinstance(document, LatencyReport):
                show_latency(document, name)
            else:
                show_accuracy(document, name)
        for group in changes(named):
            show_group(group)
        print_next("edgeshift", "report", *files, "--out", "page.html")


def _write(out: Path, documents: list[Document], files: list[Path]) -> None:
    from edgeshift._system.files import atomic_write
    from edgeshift.benchmarks.reports import make_markdown, make_page

    make = make_page if out.suffix.lower() == ".html" else make_markdown
    text = make(documents, files)
    with atomic_write(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _figures(name: str, document: Document, groups: Sequence[Group]) -> dict[str, Any]:
    """Return the figures that are computed from a report, without its samples, and its comparison with an earlier one.

    Args:
        name: name of the report.
        document: the report.
        groups: all reports that are compared.
    """
    import msgspec

    from edgeshift.benchmarks.reports.state import report_state

    compared = [entry for group in groups for entry in group.comparisons if entry.after == name]
    comparisons = [
        {
            "before": entry.before,
            "pairs": [{**msgspec.to_builtins(pair), "verdict": verdict} for pair, verdict in entry.judged],
            "reasons": entry.reasons,
            "remarks": entry.remarks,
        }
        for entry in compared
    ]
    return {**_results(document), "state": report_state(document, name), "comparisons": comparisons}


def _results(document: Document) -> dict[str, Any]:
    from edgeshift.benchmarks.latency.result import Report as LatencyReport
    from edgeshift.benchmarks.latency.summary import summarize

    if isinstance(document, LatencyReport):
        return {"kind": "latency", "device": document.device, "subjects": summarize(document)}
    names = ("file", "sha256", "notes", "runtime", "accuracy", "unreadable")
    subjects = [
        {**{name: getattr(subject, name) for name in names}, "ran_on": subject.placement}
        for subject in document.subjects
    ]
    return {"kind": "accuracy", "data": document.data, "split": document.split, "subjects": subjects}
