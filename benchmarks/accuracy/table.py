"""An accuracy report as text: the rows of tables that the command line, Markdown and pages share."""

from __future__ import annotations

from collections.abc import Sequence

from edgeshift.artifact.file import FAILED
from edgeshift.benchmarks.accuracy.report import ArtifactResult, Report
from edgeshift.benchmarks.accuracy.score import PREDICTIONS
from edgeshift.benchmarks.statistics import Share

#: Headings of the table with one row per artifact. The accuracy by consensus is shown with its 95% interval.
COLUMNS = ("file", "ran on", "model", "precision", *PREDICTIONS)
#: Headings of the table that compares artifacts with the first one.
COMPARISON_COLUMNS = ("file", "clips", "prediction changed", "now wrong", "now right", "McNemar p", "difference")


def artifact_rows(report: Report) -> list[tuple[str, ...]]:
    """Return one row per artifact, in the order of ``COLUMNS``."""
    return [
        (
            *(artifact.file, artifact.placement.accelerator, artifact.model, artifact.precision),
            str(artifact.accuracy.get(PREDICTIONS[0], "-")),
            *(_percent(artifact.accuracy.get(name)) for name in PREDICTIONS[1:]),
        )
        for artifact in report.subjects
    ]


def comparison_rows(report: Report) -> list[tuple[str, ...]]:
    """Return one row per comparison, in the order of ``COMPARISON_COLUMNS``."""
    return [
        (
            pair.file,
            *(f"{count:,}" for count in (pair.clips, pair.changed, pair.lost, pair.won)),
            f"{pair.p:.3g}",
            points(pair.difference, pair.low, pair.high),
        )
        for pair in report.comparisons
    ]


def data_facts(report: Report) -> list[tuple[str, str]]:
    """Return names and values that describe the data set."""
    clips = sum(row.clips for row in report.subjects[0].rows)
    return [
        ("data", report.data + (f", split {report.split}" if report.split else "")),
        ("clips", f"{clips:,} with one of {len(report.subjects[0].rows)} labels of the model"),
        *([("subset", ", ".join(report.subset))] if report.subset else []),
    ]


def remarks(artifact: ArtifactResult) -> list[str]:
    """Return the remarks below the table: the runtime, and reasons to be careful with the figures."""
    lines = [f"runtime: {artifact.runtime}", f"ran on {artifact.placement.text}"]
    lines += [*(f"{FAILED}: {problem}" for problem in artifact.problems), *artifact.notes]
    if not artifact.trained:
        lines.append("the weights are untrained, so the accuracy means nothing")
    if artifact.assumed:
        lines.append("the artifact has no event rule; the default rule was used")
    if artifact.first is not None:
        after = f"{artifact.first:g} {artifact.unit}s"
        lines.append(f"the true label first leads after {after} (median of clips in which it leads)")
    if count := len(artifact.unreadable):
        lines.append(f"unreadable clips, which are excluded: {count}")
        lines += [f"unreadable: {clip.file}: {clip.reason}" for clip in artifact.unreadable]
    return lines


def units(artifacts: Sequence[ArtifactResult]) -> str:
    """Return what the artifacts give logits for: "frames", "answers" of clip artifacts, or both."""
    return " or ".join(f"{unit}s" for unit in sorted({artifact.unit for artifact in artifacts}, reverse=True))


def points(difference: float, low: float, high: float) -> str:
    """Return the text of a difference of two shares, in percentage points with its interval."""
    return f"{100 * difference:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"


def _percent(share: Share | None) -> str:
    return "-" if share is None or share.value is None else f"{share.value:.1%}"
