"""A report of accuracy as texts: rows that Markdown and pages share."""

from __future__ import annotations

from edgeshift.benchmarks.accuracy.report import ArtifactResult, Report
from edgeshift.benchmarks.accuracy.score import ANSWERS
from edgeshift.benchmarks.statistics import Share

#: Of one row an artifact; the first share with its 95% interval.
COLUMNS = ("file", "model", "precision", *ANSWERS)
#: Of one row an artifact, against the first.
AGAINST = ("file", "clips", "answered otherwise", "now wrong", "now right", "McNemar p", "difference")


def artifact_rows(report: Report) -> list[tuple[str, ...]]:
    """In the order of ``COLUMNS``."""
    return [
        (
            one.file,
            one.model,
            one.precision,
            str(one.accuracy.get(ANSWERS[0], "-")),
            *(_percent(one.accuracy.get(name)) for name in ANSWERS[1:]),
        )
        for one in report.subjects
    ]


def against_rows(report: Report) -> list[tuple[str, ...]]:
    """In the order of ``AGAINST``."""
    return [
        (
            one.file,
            *(f"{count:,}" for count in (one.clips, one.changed, one.lost, one.won)),
            f"{one.p:.3g}",
            points(one.difference, one.low, one.high),
        )
        for one in report.comparisons
    ]


def data_facts(report: Report) -> list[tuple[str, str]]:
    """Name and value of what it was measured on."""
    clips = sum(row.clips for row in report.subjects[0].rows)
    return [
        ("data", report.data + (f", split {report.split}" if report.split else "")),
        ("clips", f"{clips:,} that count, of {len(report.subjects[0].rows)} labels"),
        *([("subset", ", ".join(report.subset))] if report.subset else []),
    ]


def remarks(subject: ArtifactResult) -> list[str]:
    """What there is to say of an artifact besides its row."""
    lines = [f"run by {subject.runtime}"]
    if not subject.trained:
        lines.append("untrained: its labels mean nothing")
    if subject.assumed:
        lines.append("it carries no rule of streams: one was assumed")
    if subject.first is not None:
        lines.append(f"{subject.first:g} frames until the right label leads (median of the clips where it does)")
    if subject.unreadable:
        count = len(subject.unreadable)
        lines.append(f"{count} clip{'s' * (count > 1)} could not be read and {'are' if count > 1 else 'is'} left out:")
        lines += [f"not read: {clip.file}: {clip.reason}" for clip in subject.unreadable]
    return lines


def points(difference: float, low: float, high: float) -> str:
    """A difference of shares in points, with its interval."""
    return f"{100 * difference:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"


def _percent(found: Share | None) -> str:
    return "-" if found is None or found.value is None else f"{found.value:.1%}"
