"""Events in untrimmed video: the share of gestures that are announced, the delay, and the rate of false alarms.

    python -m edgeshift.benchmarks.studies.events F [--minutes N] [--seed S] [--json]

Streams of one minute are drawn (``edgeshift.gestures``) from seeds that no training uses. Each starts from a zero state
and is fed frame by frame at the model's frame spacing. The event rule of the file announces labels, and
``edgeshift.events.score.match_events`` decides which announcements are right. Drawn hands differ from filmed hands, so
the figures only compare models on the kind of video that they were trained on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.description import RuleSpec
from edgeshift.benchmarks.accuracy.candidate import open_candidate
from edgeshift.benchmarks.statistics import Share, share
from edgeshift.benchmarks.studies.command import Json, print_json, print_table, study
from edgeshift.errors import EdgeshiftError
from edgeshift.events.score import EventScore, match_events
from edgeshift.events.spotter import Detection, describe_rule, unit_of
from edgeshift.gestures import SPACING, STROKES, DrawnStream, Event, Stroke, draw_stream
from edgeshift.stream import Prediction, Stream
from edgeshift.stream.percentiles import percentile

VERSION = 1
#: Length of one stream, seconds.
SECONDS = 60.0
#: Seed of the first stream, number of streams of each value of ``--seed``, and number of these values. Training uses
#: seeds from 0 upwards and from 1 << 32 upwards.
FIRST_SEED, STREAMS_PER_SEED, SEEDS = 900_000_000, 10_000, 300_000


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Counts of one label: right announcements, missed gestures, and false alarms."""

    label: str
    right: int
    missed: int
    false: int


class EventReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One run of the study.

    Attributes:
        file, sha256: name and hash of the measured file.
        model, artifact_precision, runtime, trained, frame_spacing: facts from the description of the file.
        rule: the event rule.
        assumed: whether the file has no event rule, so that the default rule was used.
        hop: the hop of a clip artifact; None: the file is for streams.
        streams: number of streams, each ``SECONDS`` long.
        seed: the value of ``--seed``.
        precision: the share of announcements that are right.
        recall: the share of gestures that were announced.
        f1: the harmonic mean of both.
        false_per_minute: false alarms per minute.
        delay: {"p50" or "p90": seconds from the end of the stroke to the announcement}; None: too few announcements.
        labels: the counts of each label.
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
    hop: int | None = None
    streams: int
    seed: int
    precision: Share
    recall: Share
    f1: float
    false_per_minute: float
    delay: dict[str, float | None]
    labels: tuple[Label, ...]


@study
def main(
    file: Annotated[Path, typer.Argument(metavar="F", help="An artifact, or a checkpoint (.safetensors).")],
    minutes: Annotated[int, typer.Option(help="Number of streams of one minute to draw.")] = 10,
    seed: Annotated[int, typer.Option(help="Which streams are drawn; each seed gives others.")] = 0,
    as_json: Json = False,
) -> None:
    """Count the gestures that a model announces in drawn untrimmed video."""
    report = measure(file, minutes, seed)
    print_json(report) if as_json else show(report)


def measure(path: Path, minutes: int, seed: int = 0) -> EventReport:
    """Draw streams, feed them to the model and count its announcements.

    Args:
        path: an artifact or a checkpoint with labels of gestures that edgeshift can draw.
        minutes: number of streams, 1 to 10,000.
        seed: 0 or more.

    Raises:
        EdgeshiftError: a number is out of range, or the model has none of those labels.
    """
    if not (1 <= minutes <= STREAMS_PER_SEED and 0 <= seed < SEEDS):
        limits = f"1 to {STREAMS_PER_SEED:,} minutes and a seed from 0 to {SEEDS - 1:,}"
        raise EdgeshiftError(f"cannot draw {minutes} minutes with seed {seed}: give {limits}")
    candidate = open_candidate(path)
    spec, rule = candidate.model.spec, candidate.rule
    strokes = strokes_of(path, spec.labels)
    spacing = spec.frame_spacing or SPACING
    stream, size = candidate.model.stream(), max(spec.frame.height, spec.frame.width)
    scores = dict.fromkeys(strokes, EventScore())
    with ProgressBars(live=False).stage("streams", minutes) as advance:
        for index in range(minutes):
            stream_seed = FIRST_SEED + seed * STREAMS_PER_SEED + index
            drawn = draw_stream(stream_seed, seconds=SECONDS, spacing=spacing, size=size, strokes=strokes)
            for label, score in score_by_label(detect(stream, drawn, rule), drawn.events, SECONDS).items():
                scores[label] = scores.get(label, EventScore()) + score
            advance()
    total = sum(scores.values(), EventScore())
    delays = {name: percentile(total.delays, name) for name in ("p50", "p90")}
    return EventReport(
        file=path.name,
        sha256=candidate.sha256,
        model=spec.model.name,
        artifact_precision=spec.precision,
        runtime=candidate.model.runtime,
        trained=spec.weights.trained,
        frame_spacing=spacing,
        rule=rule,
        assumed=spec.rule is None,
        hop=spec.hop,
        streams=minutes,
        seed=seed,
        precision=share(total.right, total.right + total.false),
        recall=share(total.right, total.right + total.missed),
        f1=round(total.f1, 4),
        false_per_minute=round(60 * total.false / (minutes * SECONDS), 4),
        delay={name: None if value is None else round(value, 4) for name, value in delays.items()},
        labels=tuple(Label(label=k, right=v.right, missed=v.missed, false=v.false) for k, v in scores.items()),
    )


def strokes_of(path: Path, labels: Sequence[str]) -> dict[str, Stroke]:
    """Return the gestures that can be drawn among the labels of the network in a file.

    Raises:
        EdgeshiftError: there are none.
    """
    strokes = {label: stroke for label, stroke in STROKES.items() if label in labels}
    if not strokes:
        raise EdgeshiftError(f"{path}: none of its labels is a gesture that edgeshift can draw: {', '.join(STROKES)}")
    return strokes


def detect(stream: Stream, drawn: DrawnStream, rule: RuleSpec) -> list[Detection]:
    """Return the detections in a drawn stream, from a zero state. Every frame is due, so every frame is fed."""
    stream.reset()
    spotter, frames = stream.spotter(rule), zip(drawn.frames, drawn.times, strict=True)
    detections = []
    for frame, time in frames:
        # A clip artifact answers at each hop only. Before its first clip is complete, there is no prediction.
        prediction: Prediction | None = stream.step(frame)
        if prediction is not None and prediction.fresh:
            detections.append(spotter.feed(prediction.logits, float(time)))
    return [detection for detection in detections if detection is not None]


def score_by_label(detections: Sequence[Detection], events: Sequence[Event], seconds: float) -> dict[str, EventScore]:
    """Return {label: score}. Detections are compared with the events of their own label only."""
    scores = {}
    for label in dict.fromkeys([event.label for event in events] + [detection.label for detection in detections]):
        detections_of_label = [detection for detection in detections if detection.label == label]
        scores[label] = match_events(detections_of_label, [event for event in events if event.label == label], seconds)
    return scores


def show(report: EventReport) -> None:
    """Print the report."""
    typer.echo(f"{report.streams} drawn streams of one minute, seed {report.seed}")
    typer.echo(f"{report.file}: {report.model} {report.artifact_precision}, {report.runtime}")
    if not report.trained:
        typer.echo("the weights are untrained, so the results mean nothing")
    rule = describe_rule(report.rule, [row.label for row in report.labels], unit_of(report.hop))
    typer.echo(f"event rule: {rule}" + (" (the default rule, because the file has none)" if report.assumed else ""))
    rows = [(row.label, str(row.right), str(row.missed), str(row.false)) for row in report.labels]
    print_table(("label", "right", "missed", "false alarms"), rows)
    typer.echo(f"precision  {report.precision}")
    typer.echo(f"recall     {report.recall}")
    typer.echo(f"F1         {report.f1:.3f}")
    typer.echo(f"false alarms per minute: {report.false_per_minute:.2f}")
    delays = (f"{name} {'-' if value is None else f'{value:.2f} s'}" for name, value in report.delay.items())
    typer.echo(f"delay after the end of the stroke: {', '.join(delays)}")


if __name__ == "__main__":
    sys.exit(main())
