"""``edgeshift report``: show reports as tables, or write them as one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeshift._system.progress import ProgressBars
from edgeshift.cli.effect import ALWAYS
from edgeshift.cli.options import AsJson, option
from edgeshift.cli.output import print_json, print_next, require_file_name
from edgeshift.cli.report_text import show_accuracy, show_latency

if TYPE_CHECKING:
    from edgeshift.benchmarks.reports.documents import Document


def run(
    files: Annotated[list[Path], typer.Argument(metavar="R.json")],
    out: Annotated[Path | None, option("Output", effect=ALWAYS, metavar="FILE.html|FILE.md")] = None,
    as_json: AsJson = False,
) -> None:
    """Show reports of latency and accuracy as tables, or write them as one page with plots.

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
    from edgeshift.benchmarks.reports.documents import read_document

    require_file_name(out, ".html", ".md")
    bars, documents = ProgressBars(), []
    with bars.stage("read", len(files)) as advance:
        for file in files:
            documents.append(read_document(file))
            advance()
    if out is not None:
        with bars.stage("draw"):
            _write(out, documents, files)
    if as_json:
        print_json([_figures(document) for document in documents])
    elif out is not None:
        print(f"written: {out}")
        print_next("edgeshift", "compare", files[0], "OTHER.json")
    else:
        for document in documents:
            if isinstance(document, LatencyReport):
                show_latency(document)
            else:
                show_accuracy(document)
        print_next("edgeshift", "report", *files, "--out", "page.html")


def _write(out: Path, documents: list[Document], files: list[Path]) -> None:
    from edgeshift._system.files import atomic_write
    from edgeshift.benchmarks.reports import make_markdown, make_page

    make = make_page if out.suffix.lower() == ".html" else make_markdown
    text = make(documents, files)
    with atomic_write(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _figures(document: Document) -> dict[str, Any]:
    """Return the figures that are computed from a report, without its samples."""
    from edgeshift.benchmarks.latency.result import Report as LatencyReport
    from edgeshift.benchmarks.latency.summary import summarize

    if isinstance(document, LatencyReport):
        return {"kind": "latency", "device": document.device, "subjects": summarize(document)}
    names = ("file", "sha256", "accuracy", "unreadable")
    subjects = [{name: getattr(subject, name) for name in names} for subject in document.subjects]
    return {"kind": "accuracy", "data": document.data, "split": document.split, "subjects": subjects}
