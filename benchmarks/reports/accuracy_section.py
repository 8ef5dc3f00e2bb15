"""A report of accuracy as part of a page."""

from __future__ import annotations

from edgeshift.benchmarks.accuracy.report import ArtifactResult, Report
from edgeshift.benchmarks.accuracy.table import AGAINST, COLUMNS, against_rows, artifact_rows, data_facts, remarks
from edgeshift.benchmarks.reports.accuracy_plots import confusion_width, draw_confusion, draw_running
from edgeshift.benchmarks.reports.figure import WIDTH, inline
from edgeshift.benchmarks.reports.markup import Markup, bullets, facts, table, tag

#: Labels up to which confusion matrices stand side by side.
SMALL = 12


def accuracy_title(report: Report) -> str:
    """What the section is called."""
    return f"Accuracy on {report.data}" + (f", {report.split}" if report.split else "")


def accuracy_section(report: Report, name: str) -> Markup:
    """Data, tables, and a confusion matrix for each artifact. ``name`` is unique in the page."""
    first = report.subjects[0].file
    against = table(f"Against {first} (consensus)", AGAINST, against_rows(report)) if report.comparisons else None
    return tag(
        "section",
        tag("h2", accuracy_title(report), id=f"{name}-heading"),
        facts("Data", data_facts(report)),
        table("Clips answered right, with the 95% interval of the share", COLUMNS, artifact_rows(report)),
        against,
        _running(report, name)
        if any(one.value is not None for s in report.subjects for one in s.running.values())
        else None,
        tag(
            "div",
            *(_artifact(subject, f"{name}-{index}") for index, subject in enumerate(report.subjects, 1)),
            class_="side" if len(report.subjects[0].rows) <= SMALL else None,
        ),
        id=name,
        aria_labelledby=f"{name}-heading",
    )


def _running(report: Report, name: str) -> Markup:
    ends = [(subject.file, subject.running.get("end")) for subject in report.subjects]
    return inline(
        draw_running(report.subjects),
        f"{name}-running",
        "How soon it is right",
        "; ".join(f"{file}: {share} at the end" for file, share in ends if share is not None),
        "Clips whose mean of logits so far is right, after so many frames and at the end.",
    )


def _artifact(subject: ArtifactResult, name: str) -> Markup:
    return tag("article", tag("h3", subject.file), bullets(remarks(subject)), *_matrix(subject, name))


def _matrix(subject: ArtifactResult, name: str) -> list[Markup]:
    labels = [row.label for row in subject.rows]
    if not any(map(any, subject.matrix)):
        return []
    wrong = [
        (clips, shown, answered)
        for shown, row in zip(labels, subject.matrix, strict=True)
        for answered, clips in zip(labels, row, strict=True)
        if clips and shown != answered
    ]
    worst = sorted(wrong, key=lambda one: (-one[0], one[1], one[2]))[:3]
    said = (
        "; ".join(f"{shown} taken for {answered}: {clips}" for clips, shown, answered in worst) or "every clip is right"
    )
    rows = [(shown, *map(str, row)) for shown, row in zip(labels, subject.matrix, strict=True)]
    figure = inline(
        draw_confusion(subject),
        f"{name}-matrix",
        "What was answered",
        f"{subject.file}, most often wrong: {said}",
        f"Most often wrong: {said}.",
    )
    if confusion_width(len(labels)) > 1.3 * WIDTH:
        figure = Markup(figure.replace("<figure>", '<figure class="wide" role="group" tabindex="0">', 1))
    return [
        figure,
        tag(
            "details", tag("summary", "The same as a table"), table("Clips: shown, answered", ("shown", *labels), rows)
        ),
    ]
