"""``edgeshift report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgeshift._system.progress import ProgressBars
from edgeshift.cli.output import print_facts, print_json, print_next, print_table
from edgeshift.errors import EdgeshiftError

if TYPE_CHECKING:
    from edgeshift.benchmarks.reports.documents import Document

FILE = click.Path(path_type=Path)
FORMS = (".html", ".md")


@click.command("report")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="R.json...")
@click.option("--out", type=FILE, metavar="F.html|F.md", help="Write a page, or Markdown, instead of printing tables.")
@click.option("--json", "as_json", is_flag=True, help="The figures as one JSON document on stdout.")
def run(files: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Show reports of latency (bench --out) and accuracy (eval --out): tables here, or one page with plots.

    The page is a single file that loads nothing and runs nothing. Speed and accuracy of an artifact are brought
    together by the hash of its file.

    \b
    Examples:
      edgeshift report pi.json
      edgeshift report pi.json phone.json accuracy.json --out page.html
      edgeshift report pi.json --out latency.md
    """
    if out is not None and (out.suffix.lower() not in FORMS or out.is_dir()):
        raise EdgeshiftError(f"{out}: give a file named *.html or *.md")
    from edgeshift.benchmarks.reports.documents import read_document

    bars = ProgressBars()
    with bars.stage("read", len(files)) as advance:
        documents = []
        for file in files:
            documents.append(read_document(file))
            advance()
    if out is not None:
        with bars.stage("draw"):
            _write(out, documents)
    if as_json:
        print_json([_figures(document) for document in documents])
        return
    if out is not None:
        print(f"written: {out}")
    else:
        for document in documents:
            _show(document)
    if out is None:
        print_next("edgeshift", "report", *files, "--out", "page.html")
    else:
        print_next("edgeshift", "compare", files[0], "OTHER.json")


def _write(out: Path, documents: list[Document]) -> None:
    from edgeshift._system.files import atomic_write

    if out.suffix.lower() == ".html":
        from edgeshift.benchmarks.reports import make_page

        text = make_page(documents)
    else:
        text = "\n".join(map(_markdown, documents))
    with atomic_write(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _markdown(document: Document) -> str:
    from edgeshift.benchmarks.latency.result import Report
    from edgeshift.benchmarks.reports.accuracy_markdown import accuracy_markdown
    from edgeshift.benchmarks.reports.latency_markdown import latency_markdown

    return latency_markdown(document) if isinstance(document, Report) else accuracy_markdown(document)


def _figures(document: Document) -> Any:
    """What is derived from a report; the samples are in its file."""
    from edgeshift.benchmarks.latency.result import Report
    from edgeshift.benchmarks.latency.summary import summarize

    if isinstance(document, Report):
        return {"kind": "latency", "device": document.device, "subjects": msgspec.to_builtins(summarize(document))}
    subjects = [
        {
            "file": one.file,
            "sha256": one.sha256,
            "accuracy": msgspec.to_builtins(one.accuracy),
            "unreadable": msgspec.to_builtins(one.unreadable),
        }
        for one in document.subjects
    ]
    return {"kind": "accuracy", "data": document.data, "split": document.split, "subjects": subjects}


def _show(document: Document) -> None:
    from edgeshift.benchmarks.accuracy import table as accuracy
    from edgeshift.benchmarks.latency import table as latency
    from edgeshift.benchmarks.latency.result import Report
    from edgeshift.benchmarks.latency.summary import summarize

    if isinstance(document, Report):
        found = summarize(document)
        print_facts("Device", latency.device_facts(document))
        print_facts("Settings", latency.settings_facts(document.settings, document.edgeshift))
        print_table("Latency", latency.COLUMNS, latency.artifact_rows(found))
        lines = [(summary.file, line) for summary in found for line in latency.remarks(summary)]
    else:
        print_facts("Data", accuracy.data_facts(document))
        print_table("Accuracy", accuracy.COLUMNS, accuracy.artifact_rows(document))
        if document.comparisons:
            print_table(f"Against {document.subjects[0].file}", accuracy.AGAINST, accuracy.against_rows(document))
        lines = [(subject.file, line) for subject in document.subjects for line in accuracy.remarks(subject)]
    print_facts("To know", lines)
