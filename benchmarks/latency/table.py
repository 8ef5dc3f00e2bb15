"""Figures as texts: the rows of tables that the command line, Markdown and pages share. Nothing is printed here."""

from __future__ import annotations

from collections.abc import Sequence

from edgeshift.benchmarks.latency.result import Report, Settings
from edgeshift.benchmarks.latency.summary import PHASES, Summary
from edgeshift.stream.percentiles import PERCENTILES

#: Of one row an artifact.
COLUMNS = (
    "file",
    "size",
    "infer p50 ms",
    "p90 ms",
    "end to end p50 ms",
    "p90 ms",
    "p99 ms",
    "steps/s",
    "spread",
    "memory",
    "valid",
)
#: Of one row a phase.
PHASE_COLUMNS = ("phase", *(f"{name} ms" for name in PERCENTILES))
Row = tuple[str, ...]


def artifact_rows(summaries: Sequence[Summary]) -> list[Row]:
    """A row an artifact, in the order of ``COLUMNS``."""
    return [_artifact(summary) for summary in summaries]


def phase_rows(summary: Summary) -> list[Row]:
    """What an artifact's time goes to, in the order of ``PHASE_COLUMNS``; load and first have one time a process."""
    once = [("load", summary.load), ("first", summary.first)]
    rows: list[Row] = [(name, "-" if value is None else milliseconds(value * 1e6), "-", "-") for name, value in once]
    for name in PHASES:
        phase = summary.phases[name]
        values = [phase.p50, phase.p90, phase.p99]
        rows.append((name.replace("_", " "), *("-" if value is None else milliseconds(value) for value in values)))
    return rows


def device_facts(report: Report) -> list[tuple[str, str]]:
    """Name and value of what it ran on."""
    facts = report.facts
    most = sorted({f"{clock[1]:g}" for clock in facts.clock.values()}, key=float)
    heat = [f"{zone} {degrees:.0f} C" for zone, degrees in facts.temperatures.items()]
    known = [
        ("device", report.device),
        ("board", facts.board),
        ("processor", facts.processor + (f" ({', '.join(facts.features)})" if facts.features else "")),
        ("cores", f"{facts.cores}" + (f", at most {' and '.join(most)} MHz" if most else "")),
        ("memory", None if facts.memory is None else bytes_text(facts.memory)),
        ("system", facts.system),
        ("governor", ", ".join(facts.governors) or "not known"),
        ("power mode", facts.power_mode),
        ("temperature", ", ".join(heat) or "not known"),
    ]
    return [(name, value) for name, value in known if value is not None]


def settings_facts(settings: Settings, version: str) -> list[tuple[str, str]]:
    """Name and value of what was asked for; ``version`` of edgeshift."""
    cores = "not pinned" if settings.cores is None else f"pinned to {', '.join(map(str, settings.cores))}"
    modes = {
        "paced": f"paced, {settings.fps or 0:g} frames a second",
        "sustained": f"sustained, {settings.minutes or 1} minutes",
    }
    return [
        (
            "mode",
            modes.get(settings.mode, f"{settings.mode}, {settings.steps} steps and {settings.seconds:g} s or more"),
        ),
        ("repeats", f"{settings.repeats}, each a fresh process"),
        ("threads", f"{settings.threads}, {cores}"),
        ("clocks", "locked for the run" if settings.locked else "as the device sets them"),
        ("frames", f"{frame_size(settings)}, {settings.frames}"),
        ("begins below", f"{settings.ceiling:g} C"),
        *([("options", options_text(settings.options))] if settings.options else []),
        ("edgeshift", version),
    ]


def remarks(summary: Summary) -> list[str]:
    """What there is to say of an artifact besides its row: what speaks against it, and what its mode is about."""
    lines = [*summary.warnings]
    if summary.told:
        told = ", ".join(f"{name} {milliseconds(value)} ms" for name, value in summary.told.items())
        lines.append(f"told by {summary.runtime}, not measured by edgeshift: {told}")
    if summary.paced is not None:
        paced = summary.paced
        lines.append(f"{paced.missed:,} of {paced.offered:,} frames missed ({paced.share:.2%})")
    if summary.sustained is not None:
        found = summary.sustained
        heat = "throttling not known" if found.throttled is None else ", ".join(found.throttled) or "no throttling"
        lines.append(
            f"p90 {milliseconds(found.first)} ms in the first minute, {milliseconds(found.last)} ms in minute "
            f"{found.minutes} ({found.slowdown:.2f}x); {heat}"
        )
    energy = summary.energy
    if energy.raw is not None:
        net = "" if energy.net is None else f", {1e3 * energy.net:.3g} mJ net of idle"
        lines.append(f"{1e3 * energy.raw:.3g} mJ a frame{net} ({energy.source})")
    else:
        lines.append(f"energy: {energy.reason}")
    return [*lines, *(f"not known: {words}" for words in summary.validity.unknown)]


def validity_text(summary: Summary) -> str:
    """One word, or two."""
    return ("valid" if summary.validity.valid else "not valid") + (", unstable" if summary.unstable else "")


def milliseconds(microseconds: float) -> str:
    """Three digits that count: 12.3, 4.56, 0.0789."""
    value = microseconds / 1000
    if value < 0.1:
        return f"{value:.3g}"
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3}f}"


def minute_text(minute: int, p50: float | None, p90: float | None) -> str:
    """A minute of a sustained run, from 0, as it ends; its figures are seconds."""
    shown = ("-" if value is None else f"{milliseconds(value * 1e6)} ms" for value in (p50, p90))
    return f"minute {minute + 1}: p50 {next(shown)}, p90 {next(shown)}"


def bytes_text(count: int) -> str:
    """Bytes for people: 2.79 MB."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count} B"


def options_text(options: dict[str, str]) -> str:
    """Options of a runtime as one would write them."""
    return ", ".join(f"{name}={value}" for name, value in sorted(options.items()))


def _artifact(summary: Summary) -> Row:
    infer, total = summary.phases["infer"], summary.phases["end_to_end"]
    times = (infer.p50, infer.p90, total.p50, total.p90, total.p99)
    return (
        summary.file,
        bytes_text(summary.bytes),
        *("-" if value is None else milliseconds(value) for value in times),
        "-" if summary.steps_per_second is None else f"{summary.steps_per_second:.1f}",
        "-" if summary.spread is None else f"{summary.spread:.1%}",
        "-" if summary.peak_memory is None else bytes_text(summary.peak_memory),
        validity_text(summary),
    )


def frame_size(settings: Settings) -> str:
    """Of frames as they are handed in."""
    return f"{settings.width}x{settings.height}" if settings.width else "as the network takes them"
