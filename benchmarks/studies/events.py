"""Events in untrimmed video: how many gestures a stream announces, how late, and how often it cries wolf.

    python -m edgeshift.benchmarks.studies.events F [--minutes N] [--seed S] [--json]

Streams of a minute are drawn (``edgeshift.gestures``) from seeds that no training uses, and fed frame by frame, from
a zero state each, at the spacing the network was trained with; the rule is the one the file carries. What is right is
said at ``edgeshift.events.score.match_events``. Drawn hands are not filmed ones: this says how a model does on what it
was trained for, and compares models.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgeshift.artifact.description import RuleSpec
from edgeshift.benchmarks.accuracy import open_subject
from edgeshift.benchmarks.statistics import Share, share
from edgeshift.benchmarks.studies.notice import Notice
from edgeshift.benchmarks.studies.options import run
from edgeshift.errors import EdgeshiftError
from edgeshift.events.score import EventScore, match_events
from edgeshift.events.spotter import Detection, describe_rule
from edgeshift.gestures import SPACING, STROKES, DrawnStream, Event, draw_stream
from edgeshift.stream import Stream

if TYPE_CHECKING:
    from rich.console import Console

VERSION = 1
#: Seconds of one stream.
SECONDS = 60.0
#: The first seed, and how many each ``--seed`` has to itself. Training draws from 0 and from 1 << 32 upwards.
FIRST, EACH, SEEDS = 900_000_000, 10_000, 300_000
#: Delays that a percentile needs before it says anything (MLPerf's early-stopping rule).
ENOUGH = {50: 20, 90: 64}


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One gesture: how often it was announced rightly, not at all, and where there was none."""

    label: str
    right: int
    missed: int
    false: int


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything about one run.

    Attributes:
        file: its name. sha256: of it. rule: that decided. assumed: the file carries none.
        streams: that were drawn, of ``SECONDS``. seed: as asked for.
        precision: right announcements of all. recall: announced events of all.
        false_per_minute: announcements of nothing.
        delay: {"p50": seconds after the stroke's end, "p90"}; None where there are too few to say.
    """

    benchmark: str = "events"
    version: int = VERSION
    file: str
    sha256: str
    model: str
    artifact_precision: str
    runtime: str
    trained: bool
    frame_spacing: float
    rule: RuleSpec
    assumed: bool
    streams: int
    seed: int
    precision: Share
    recall: Share
    f1: float
    false_per_minute: float
    delay: dict[str, float | None]
    labels: tuple[Label, ...]


def main(arguments: list[str] | None = None) -> int:
    """Run it and print it."""
    parser = argparse.ArgumentParser(description="Events in drawn untrimmed video.")
    parser.add_argument("file", type=Path, metavar="F", help="an artifact, or a checkpoint (.safetensors)")
    parser.add_argument("--minutes", type=int, default=10, help="streams of a minute to draw (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="another one draws other streams (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    settings = parser.parse_args(arguments)

    def work() -> int:
        report = measure(settings.file, settings.minutes, settings.seed)
        if settings.json:
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(report), indent=1).decode() + "\n")
        else:
            from rich.console import Console

            show(report, Console())
        return 0

    return run(work)


def measure(path: Path, minutes: int, seed: int = 0) -> Report:
    """Draw, stream and count.

    Args:
        path: an artifact or a checkpoint whose labels are gestures that edgeshift draws.
        minutes: streams, 1 to 10,000. seed: 0 or more.

    Raises:
        EdgeshiftError: numbers out of range, or a model with none of those gestures.
    """
    if not (1 <= minutes <= EACH and 0 <= seed < SEEDS):
        raise EdgeshiftError(f"cannot draw {minutes} minutes, seed {seed}: give 1 to {EACH:,} and 0 to {SEEDS - 1:,}")
    subject = open_subject(path)
    spec, rule = subject.model.spec, subject.rule
    strokes = {label: stroke for label, stroke in STROKES.items() if label in spec.labels}
    if not strokes:
        raise EdgeshiftError(f"{path}: none of its labels is a gesture that edgeshift draws: {', '.join(STROKES)}")
    spacing = spec.frame_spacing or SPACING
    stream, notice = subject.model.stream(), Notice()
    scores = dict.fromkeys(strokes, EventScore())
    with notice.stage("streams", minutes) as advance:
        for index in range(minutes):
            drawn = draw_stream(
                FIRST + seed * EACH + index,
                seconds=SECONDS,
                spacing=spacing,
                size=max(spec.frame.height, spec.frame.width),
                strokes=strokes,
            )
            for label, score in by_label(watch(stream, drawn, rule), drawn.events, SECONDS).items():
                scores[label] = scores.get(label, EventScore()) + score
            advance()
    total = sum(scores.values(), EventScore())
    return Report(
        file=path.name,
        sha256=subject.sha256,
        model=spec.model.name,
        artifact_precision=spec.precision,
        runtime=subject.model.runtime,
        trained=spec.weights.trained,
        frame_spacing=spacing,
        rule=rule,
        assumed=spec.rule is None,
        streams=minutes,
        seed=seed,
        precision=share(total.right, total.right + total.false),
        recall=share(total.right, total.right + total.missed),
        f1=round(total.f1, 4),
        false_per_minute=round(60 * total.false / (minutes * SECONDS), 4),
        delay={f"p{p}": _delay(total, p, enough) for p, enough in ENOUGH.items()},
        labels=tuple(Label(label=k, right=v.right, missed=v.missed, false=v.false) for k, v in scores.items()),
    )


def watch(stream: Stream, drawn: DrawnStream, rule: RuleSpec) -> list[Detection]:
    """What is announced in a drawn stream, from a zero state. Its frames are those that are due: all are fed."""
    stream.reset()
    spotter = stream.spotter(rule)
    fed = (
        spotter.feed(stream.step(frame).logits, float(time))
        for frame, time in zip(drawn.frames, drawn.times, strict=True)
    )
    return [one for one in fed if one is not None]


def by_label(spotted: Sequence[Detection], events: Sequence[Event], seconds: float) -> dict[str, EventScore]:
    """{label: its score}. Labels do not answer for each other, so they are matched one by one."""
    labels = dict.fromkeys([*(event.label for event in events), *(one.label for one in spotted)])
    return {
        label: match_events(
            [one for one in spotted if one.label == label],
            [event for event in events if event.label == label],
            seconds,
        )
        for label in labels
    }


def show(report: Report, console: Console) -> None:
    """The report as a table."""
    from rich.table import Table
    from rich.text import Text

    console.print(f"[bold]{report.benchmark}[/bold], {report.streams} drawn streams of a minute, seed {report.seed}")
    console.print(Text(f"{report.file}: {report.model} {report.artifact_precision}, {report.runtime}"))
    if not report.trained:
        console.print("[yellow]untrained: its labels mean nothing[/yellow]")
    words = describe_rule(report.rule, [row.label for row in report.labels])
    console.print(Text(f"rule: {words}" + (" (assumed: the file carries none)" if report.assumed else "")))
    table = Table("label", "right", "missed", "false alarms")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in report.labels:
        table.add_row(Text(row.label), str(row.right), str(row.missed), str(row.false))
    console.print(table)
    console.print(f"precision  {report.precision}")
    console.print(f"recall     {report.recall}")
    console.print(f"F1         {report.f1:.3f}")
    console.print(f"false alarms a minute: {report.false_per_minute:.2f}")
    delays = (f"{name} {'-' if value is None else f'{value:.2f} s'}" for name, value in report.delay.items())
    console.print(f"delay after the stroke's end: {', '.join(delays)}")


def _delay(score: EventScore, percent: int, enough: int) -> float | None:
    delay = score.delay(percent)
    return None if delay is None or len(score.delays) < enough else round(delay, 4)


if __name__ == "__main__":
    sys.exit(main())
