"""A latency report as text: the rows of tables that the command line, Markdown and pages share."""

from __future__ import annotations

from collections.abc import Sequence

from edgeshift.artifact.file import FAILED
from edgeshift.benchmarks.latency.result import ArtifactInfo, Report, Settings
from edgeshift.benchmarks.latency.summary import PHASES, Summary
from edgeshift.stream.percentiles import PERCENTILES
from edgeshift.stream.placement import accelerators, texts

#: Headings of the table with one row per artifact. Its steps are frames.
COLUMNS = (
    *("file", "ran on", "size", "infer p50 ms", "p90 ms", "end to end p50 ms", "p90 ms", "p99 ms"),
    *("steps/s", "spread", "memory", "valid"),
)
#: The headings if there is a clip artifact, whose steps are answers.
CLIP_COLUMNS = (*COLUMNS[:8], "per frame p50 ms", "answers/s", *COLUMNS[9:])
#: Headings of the table with one row per phase.
PHASE_COLUMNS = ("phase", *(f"{name} ms" for name in PERCENTILES))
Row = tuple[str, ...]


def artifact_columns(summaries: Sequence[Summary]) -> Row:
    """Return the headings of the table with one row per artifact."""
    return CLIP_COLUMNS if _has_clips(summaries) else COLUMNS


def artifact_rows(summaries: Sequence[Summary]) -> list[Row]:
    """Return one row per artifact, in the order of ``artifact_columns``."""
    rows, with_clips = [], _has_clips(summaries)
    for summary in summaries:
        infer, total = summary.phases["infer"], summary.phases["end_to_end"]
        row = (
            summary.file,
            accelerators(summary.ran_on),
            bytes_text(summary.bytes),
            *map(milliseconds, (infer.p50, infer.p90, total.p50, total.p90, total.p99)),
            *((milliseconds(summary.per_frame),) if with_clips else ()),
            "-" if summary.steps_per_second is None else f"{summary.steps_per_second:.1f}",
            "-" if summary.spread is None else f"{summary.spread:.1%}",
            "-" if summary.peak_memory is None else bytes_text(summary.peak_memory),
            validity_text(summary),
        )
        rows.append(row)
    return rows


def phase_rows(summary: Summary) -> list[Row]:
    """Return one row per phase, in the order of ``PHASE_COLUMNS``. "load" and "first" occur once in each process.

    For a clip artifact, the phases are those of an answer, and a last row has its latency per incoming frame.
    """
    once = (("load", summary.load), ("first", summary.first))
    rows: list[Row] = [(name, milliseconds(None if value is None else value * 1e6), "-", "-") for name, value in once]
    for name in PHASES:
        phase = summary.phases[name]
        rows.append((name.replace("_", " "), *map(milliseconds, (phase.p50, phase.p90, phase.p99))))
    if summary.hop is not None and summary.per_frame is not None:
        rows.append(("end to end per frame", milliseconds(summary.per_frame), "-", "-"))
    return rows


def device_facts(report: Report) -> list[tuple[str, str]]:
    """Return names and values that describe the device."""
    facts = report.facts
    maxima = sorted({f"{clock[1]:g}" for clock in facts.clock.values()}, key=float)
    temperatures = [f"{sensor} {degrees:.0f} C" for sensor, degrees in facts.temperatures.items()]
    known = [
        ("device", report.device),
        ("board", facts.board),
        ("processor", facts.processor + (f" ({', '.join(facts.features)})" if facts.features else "")),
        ("cores", f"{facts.cores}" + (f", at most {' and '.join(maxima)} MHz" if maxima else "")),
        ("memory", None if facts.memory is None else bytes_text(facts.memory)),
        ("system", facts.system),
        ("governor", ", ".join(facts.governors) or "not known"),
        ("power mode", facts.power_mode),
        ("power source", facts.power_source),
        ("load average", None if facts.load is None else f"{facts.load:.2f} before the first repeat"),
        ("temperature", ", ".join(temperatures) or "not known"),
    ]
    return [(name, value) for name, value in known if value is not None]


def settings_facts(settings: Settings, version: str) -> list[tuple[str, str]]:
    """Return names and values that describe how a run measured, with which ``version`` of edgeshift."""
    cores = "not pinned" if settings.cores is None else f"pinned to cores {', '.join(map(str, settings.cores))}"
    length = f"at least {settings.steps} steps and {settings.seconds:g} s"
    lengths = {"paced": f"{settings.fps or 0:g} frames per second", "sustained": f"{settings.minutes or 1} minutes"}
    return [
        ("mode", f"{settings.mode}, {lengths.get(settings.mode, length)}"),
        ("repeats", f"{settings.repeats}, each a fresh process"),
        ("threads", f"{settings.threads}, {cores}"),
        ("clocks", "locked during the run" if settings.locked else "not locked"),
        ("frames", f"{frame_size(settings)}, {settings.frames}"),
        ("repeats start", f"when no sensor is above {settings.max_temperature:g} C"),
        *([("options", options_text(settings.options))] if settings.options else []),
        ("edgeshift", version),
    ]


def remarks(summary: Summary) -> list[str]:
    """Return the remarks below the tables: warnings, figures of the mode, energy, and flags that are unknown."""
    lines = [f"ran on {texts(summary.ran_on)}", *(f"{FAILED}: {problem}" for problem in summary.problems)]
    lines += [*summary.notes, *summary.warnings]
    if (clip := _clip_text(summary)) is not None:
        lines.append(clip)
    if summary.sound:
        without = "steps without a new sound" if summary.hop is None else "answers with a black picture of a sound"
        lines.append(
            f"the network has a sound segment, and no sound was given: the times are those of {without}; "
            "python -m edgeshift.benchmarks.studies.sound_step measures steps with one"
        )
    if summary.competing is not None and summary.validity.undisturbed is not False:  # the warning has the figure
        lines.append(f"other processes used at most {summary.competing:.0%} of the CPU time in a repeat")
    if summary.reported:
        figures = ", ".join(f"{name} {milliseconds(value)} ms" for name, value in summary.reported.items())
        lines.append(f"reported by {summary.runtime}, not measured by edgeshift: {figures}")
    if (paced := summary.paced) is not None:
        lines.append(f"{paced.missed:,} of {paced.offered:,} frames missed ({paced.share:.2%})")
    if (run := summary.sustained) is not None:
        known = run.throttled is not None
        throttling = ", ".join(run.throttled or ()) or ("no throttling" if known else "throttling not known")
        lines.append(
            f"p90 {milliseconds(run.first)} ms in the first minute, {milliseconds(run.last)} ms in minute "
            f"{run.minutes} ({run.slowdown:.2f}x); {throttling}"
        )
    energy = summary.energy
    if energy.raw is not None:
        net = "" if energy.net is None else f", {1e3 * energy.net:.3g} mJ without idle power"
        per = "frame" if summary.hop is None else f"answer, each for {frames_text(summary.hop)}"
        lines.append(f"{1e3 * energy.raw:.3g} mJ per {per}{net} ({energy.source})")
    else:
        lines.append(f"energy: {energy.reason}")
    return [*lines, *(f"not known: {reason}" for reason in summary.validity.unknown)]


def validity_text(summary: Summary) -> str:
    """Return "valid" or "not valid", followed by ", unstable" if the repeats differ too much."""
    return ("valid" if summary.validity.valid else "not valid") + (", unstable" if summary.unstable else "")


def milliseconds(microseconds: float | None) -> str:
    """Return microseconds as milliseconds with three significant digits: 12.3, 4.56, 0.0789; "-" for None."""
    if microseconds is None:
        return "-"
    value = microseconds / 1000
    if value < 0.1:
        return f"{value:.3g}"
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3}f}"


def minute_text(minute: int, p50: float | None, p90: float | None) -> str:
    """Return the line that is printed when a minute of a sustained run ends.

    Args:
        minute: number of the minute, from 0.
        p50, p90: latency of a step end to end, seconds; None: too few steps.
    """
    texts = ["-" if value is None else f"{milliseconds(value * 1e6)} ms" for value in (p50, p90)]
    return f"minute {minute + 1}: p50 {texts[0]}, p90 {texts[1]}"


def frames_text(count: int) -> str:
    """Return a number of frames with its unit: "1 frame", "4 frames"."""
    return f"{count} frame{'' if count == 1 else 's'}"


def clip_text(artifact: ArtifactInfo) -> str:
    """Return what the graph of a clip artifact takes: "8 frames", or "8 frames and a sound"."""
    return f"{frames_text(artifact.input[0] - artifact.sound)}{' and a sound' if artifact.sound else ''}"


def bytes_text(count: int) -> str:
    """Return a number of bytes with a unit: 2.79 MB."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count} B"


def options_text(options: dict[str, str]) -> str:
    """Return options of a runtime as the command line takes them."""
    return ", ".join(f"{name}={value}" for name, value in sorted(options.items()))


def frame_size(settings: Settings) -> str:
    """Return the size of the frames before they are fitted."""
    return f"{settings.width}x{settings.height}" if settings.width else "the network's size"


def _has_clips(summaries: Sequence[Summary]) -> bool:
    return any(summary.hop is not None for summary in summaries)


def _clip_text(summary: Summary) -> str | None:
    """Return what was timed for a clip artifact; None: the artifact takes one frame at a time."""
    if summary.hop is None:
        return None
    clip, hop, answer = clip_text(summary), frames_text(summary.hop), summary.phases["end_to_end"].p50
    if summary.reported:
        return f"a clip artifact: one run of the graph takes a clip of {clip}, once every {hop}"
    if summary.paced is not None:
        return (
            f"a clip artifact, which answers every {hop} for the last {clip}: the latency of an answer is that of its "
            "last frame, from when the frame comes"
        )
    return (
        f"a clip artifact: a step is one answer, which fits {hop} and runs the clip of {clip} once: "
        f"{milliseconds(answer)} ms per answer, {milliseconds(summary.per_frame)} ms per frame"
    )
