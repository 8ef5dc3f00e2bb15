"""A report of latency as part of a page."""

from __future__ import annotations

from edgeshift.benchmarks.latency.result import ArtifactResult, Report
from edgeshift.benchmarks.latency.summary import Summary, summarize
from edgeshift.benchmarks.latency.table import (
    COLUMNS,
    PHASE_COLUMNS,
    artifact_rows,
    bytes_text,
    device_facts,
    milliseconds,
    phase_rows,
    remarks,
    settings_facts,
)
from edgeshift.benchmarks.latency.validity import FLAGS
from edgeshift.benchmarks.reports.figure import inline
from edgeshift.benchmarks.reports.latency_plots import (
    draw_distribution,
    draw_minutes,
    draw_ranges,
    draw_timeline,
    has_heat,
)
from edgeshift.benchmarks.reports.markup import Markup, bullets, facts, join, table, tag

WORDS = {True: "yes", False: "no", None: "not known"}


def latency_title(report: Report) -> str:
    """What the section is called."""
    return f"Latency on {report.facts.board or report.facts.processor}, {report.settings.mode}"


def latency_section(report: Report, name: str) -> Markup:
    """Device, settings, validity, tables and plots. ``name`` is unique in the page."""
    summaries = summarize(report)
    return tag(
        "section",
        tag("h2", latency_title(report), id=f"{name}-heading"),
        _verdict(summaries),
        tag(
            "div",
            facts("Device", device_facts(report)),
            facts("Settings", settings_facts(report.settings, report.edgeshift)),
            class_="side",
        ),
        table("Artifacts (median over repeats; - where samples are too few)", COLUMNS, artifact_rows(summaries)),
        _ranges(report, name) if sum(bool(one.end_to_end) for s in report.subjects for one in s.repeats) > 1 else None,
        _validity(summaries),
        *(
            _artifact(report, subject, summary, f"{name}-{index}")
            for index, (subject, summary) in enumerate(zip(report.subjects, summaries, strict=True), 1)
        ),
        id=name,
        aria_labelledby=f"{name}-heading",
    )


def _verdict(summaries: tuple[Summary, ...]) -> Markup:
    wrong = [summary for summary in summaries if not summary.validity.valid]
    if not wrong and any(summary.unstable for summary in summaries):
        shaky = tag(
            "p", tag("span", "Unstable", class_="bad"), ": repeats differ too much; measure on a quieter machine."
        )
        return join(shaky, bullets([f"{one.file}: {words}" for one in summaries for words in one.warnings]))
    if not wrong:
        good = tag("p", tag("span", "Valid", class_="good"), ": nothing that is known speaks against these figures.")
        return join(good, bullets([f"{one.file}: {words}" for one in summaries for words in one.warnings]))
    lines = [f"{summary.file}: {reason}" for summary in summaries for reason in summary.warnings]
    return join(
        tag("p", tag("span", "Not valid", class_="bad"), ": do not compare or publish these figures."), bullets(lines)
    )


def _validity(summaries: tuple[Summary, ...]) -> Markup:
    rows = [
        (summary.file, *(WORDS[held] for held in summary.validity.flags.values()), "no" if summary.unstable else "yes")
        for summary in summaries
    ]
    columns = ("file", *(flag.replace("_", " ") for flag in FLAGS), "repeats agree")
    return tag("details", tag("summary", "Validity, flag by flag"), table("Validity", columns, rows))


def _ranges(report: Report, name: str) -> Markup:
    return inline(
        draw_ranges(report.subjects),
        f"{name}-ranges",
        "Where the steps lie",
        "; ".join(
            f"{summary.file}: p50 {milliseconds(total.p50)} ms"
            for summary in summarize(report)
            if (total := summary.phases["end_to_end"]).p50 is not None
        )
        or "too few steps for a figure",
        "A line for each repeat: from p5 to p95, thick from p25 to p75; the dot is the median.",
    )


def _artifact(report: Report, subject: ArtifactResult, summary: Summary, name: str) -> Markup:
    timed = any(repeat.end_to_end for repeat in subject.repeats)
    memory = subject.memory
    shape = "x".join(map(str, subject.input))
    known = [
        ("model", f"{subject.model} {subject.precision} for {subject.target}, input {shape}"),
        ("run by", summary.runtime),
        ("steps", f"{summary.steps:,}, of {_repeats(summary)}"),
        ("file", f"{bytes_text(subject.bytes)}, sha256 {subject.sha256}"),
    ]
    if memory is not None:
        parts = {"before": memory.before, "loaded": memory.loaded, "at most": memory.peak, "let go": memory.closed}
        known.append(("memory", ", ".join(f"{words} {bytes_text(count)}" for words, count in parts.items())))
    return tag(
        "article",
        tag("h3", subject.file),
        tag(
            "div",
            table("What the time goes to", PHASE_COLUMNS, phase_rows(summary)),
            facts("What it is", known),
            class_="side",
        ),
        bullets(remarks(summary)),
        tag("div", *(_plots(report, subject, summary, name) if timed else ()), class_="side"),
    )


def _plots(report: Report, subject: ArtifactResult, summary: Summary, name: str) -> list[Markup]:
    total = summary.phases["end_to_end"]
    known = [(words, value) for words, value in (("p50", total.p50), ("p90", total.p90)) if value is not None]
    said = ", ".join(f"{words} {milliseconds(value)} ms" for words, value in known) or "too few steps for a figure"
    plots = [
        inline(
            draw_distribution(subject),
            f"{name}-distribution",
            "How long a step takes",
            f"{subject.file}: {said}",
            "The slowest 2% of the steps are beyond the right edge.",
        )
    ]
    if any(repeat.minutes for repeat in subject.repeats):
        found = summary.sustained
        slow = "" if found is None else f": the last minute's p90 is {found.slowdown:.2f} times the first's"
        return plots + [
            inline(
                draw_minutes(repeat),
                f"{name}-minutes-{index}",
                "Minute by minute" + (f", repeat {index}" if len(subject.repeats) > 1 else ""),
                f"{subject.file}{slow}",
                "Time of a step; below, the hottest sensor and the fastest core, where they are known.",
            )
            for index, repeat in enumerate(subject.repeats, 1)
            if repeat.minutes
        ]
    heat = "; below, the hottest sensor before and after" if has_heat(subject) else ""
    due = ", the dashed line is when the next frame is due" if report.settings.mode == "paced" else ""
    plots.append(
        inline(
            draw_timeline(subject, report.settings),
            f"{name}-timeline",
            "Steps as they came",
            f"{subject.file}, {_repeats(summary)} one after the other: {said}",
            f"Median, and p10 to p90, of neighbouring steps{due}{heat}.",
        )
    )
    return plots


def _repeats(summary: Summary) -> str:
    return "1 repeat" if summary.repeats == 1 else f"{summary.repeats} repeats"
