"""Events of a network with a sound segment on drawn streams: gestures with sounds, dropouts, and sounds to ignore.

    python -m edgeshift.benchmarks.studies.sound_events F [--minutes N] [--seed S] [--json]

Streams of one minute are drawn (``edgeshift.gestures.heard_stream``) from seeds that no training uses, and run frame by
frame with their sound. Four things are measured:

    events          the share of the announcements that are right, and of the events that are announced. An event is a
                    gesture with or without a sound, or a sound alone; its label must be right in both.
    gestures        the share of the gestures that the answer half a second after their end names, whatever the sound:
                    with the whole sound, and with dropouts of 0.1 to 2 s in a tenth of the time. A dropout is lost
                    samples or zeros, in turns.
    false sounds    in a quiet room with these dropouts: announcements that name a sound.
    ignored         announcements per minute that name a sound while only knocks, voices or music are heard.

Drawn hands and sounds differ from real ones, so the figures only compare models on what they were trained on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt
import typer

from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.description import NONE, RuleSpec
from edgeshift.artifact.pair_label import gesture_and_sound, pair_events, pair_labels
from edgeshift.benchmarks.accuracy.candidate import Candidate, open_candidate
from edgeshift.benchmarks.statistics import Share, share
from edgeshift.benchmarks.studies.command import Json, print_json, print_table, sound_stream, study
from edgeshift.errors import EdgeshiftError
from edgeshift.events.score import EventScore, match_events
from edgeshift.events.spotter import Detection, Spotter, describe_rule
from edgeshift.gestures import SPACING, STROKES
from edgeshift.gestures.heard_stream import HeardStream, draw_heard_stream
from edgeshift.sound.analysis import Samples
from edgeshift.sound.drawn import QUIET, SOUNDS, draw_soundtrack
from edgeshift.stream import Prediction
from edgeshift.stream.sound_stream import SoundStream

#: Seed of the first stream, and number of streams of each value of ``--seed``.
FIRST_SEED, STREAMS_PER_SEED = 950_000_000, 10_000
#: Sounds that are no events.
OTHERS = ("knock", "voice", "music")
#: Share of the time without sound, and shortest and longest dropout, seconds.
LOST, DROPOUT = 0.1, (0.1, 2.0)
#: Seconds from the end of a gesture to the answer that is asked for its name.
AFTER = 0.5


class SoundEventReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One run of the study. Its parts are described at the top of this file.

    Attributes:
        file, sha256, artifact_precision, runtime: the measured file.
        rule: the event rule.
        minutes, seed: the streams.
        precision, recall: of the events.
        gestures, gestures_with_dropouts: share of the gestures that are named.
        heard, heard_with_dropouts: share of the answers that contain a sound.
        false_sounds: announcements that name a sound in a quiet room with dropouts.
        ignored: {sound: announcements per minute that name a sound while this one is heard}.
    """

    file: str
    sha256: str
    artifact_precision: str
    runtime: str
    rule: RuleSpec
    minutes: int
    seed: int
    precision: Share
    recall: Share
    gestures: Share
    gestures_with_dropouts: Share
    heard: Share
    heard_with_dropouts: Share
    false_sounds: int
    ignored: dict[str, float]


class Lost(msgspec.Struct, frozen=True):
    """A dropout: its first and last moment in seconds, and whether the samples are zeros or missing."""

    begin: float
    end: float
    zeros: bool


class Played(msgspec.Struct, frozen=True):
    """What a model answered to a stream: the predictions, their times, and the announcements."""

    times: npt.NDArray[np.float64]
    predictions: list[Prediction]
    detections: list[Detection]

    @property
    def heard(self) -> int:
        """Number of the answers that contain a sound."""
        return sum(prediction.heard == "heard" for prediction in self.predictions)


@study
def main(
    file: Annotated[Path, typer.Argument(metavar="F", help="An artifact or a checkpoint with a sound segment.")],
    minutes: Annotated[int, typer.Option(min=1, max=STREAMS_PER_SEED // 10, help="Streams of one minute.")] = 30,
    seed: Annotated[int, typer.Option(min=0, max=1000, help="Which streams are drawn.")] = 0,
    as_json: Json = False,
) -> None:
    """Count the events that a network with a sound segment announces, with dropouts and with sounds to ignore."""
    report = measure(file, minutes, seed)
    print_json(report) if as_json else show(report)


def measure(path: Path, minutes: int, seed: int = 0) -> SoundEventReport:
    """Draw streams, run them, and count.

    Args:
        path: an artifact or a checkpoint whose labels are drawn gestures and sounds, with a label for no gesture.
        minutes: number of streams.
        seed: 0 to 1,000.

    Raises:
        EdgeshiftError: the network has no sound segment, or not such labels.
    """
    candidate = open_candidate(path)
    stream, names = sound_stream(candidate.path, candidate.model, paced=False), _names(candidate)
    gestures, sounds = names
    spec, settings = candidate.model.spec, candidate.model.spec.model.sound
    assert settings is not None
    spacing = spec.frame_spacing or SPACING
    first = FIRST_SEED + seed * STREAMS_PER_SEED
    others = [name for name in OTHERS if name not in sounds]
    score, false_sounds = EventScore(), 0
    named, heard = {False: 0, True: 0}, {False: 0, True: 0}
    gestures_total = answers = 0
    ignored = dict.fromkeys(others, 0)
    with ProgressBars(live=False).stage("streams", 2 * minutes) as advance:
        for index in range(minutes):
            drawn = draw_heard_stream(
                first + index,
                gestures=gestures,
                sounds=sounds,
                others=others,
                span=settings.frames * spacing,
                spacing=spacing,
                size=spec.frame.width,
            )
            lost = list(dropouts(first + index, len(drawn.samples) / drawn.rate))
            whole = play(stream, candidate.rule, drawn, drawn.samples)
            broken = play(stream, candidate.rule, drawn, drawn.samples, lost)
            score += match_events(whole.detections, pair_events(drawn.events), float(whole.times[-1]))
            for dropped, played in ((False, whole), (True, broken)):
                named[dropped] += _named(played, drawn, spec.labels)
                heard[dropped] += played.heard
            answers += len(whole.predictions)
            gestures_total += len(drawn.video.events)
            advance()
            # The same frames, in a quiet room and beside sounds that are no events.
            seconds = len(drawn.samples) / drawn.rate
            room = draw_soundtrack(first + 5000 + index, [], seconds=seconds, rate=drawn.rate).samples
            quiet = play(stream, candidate.rule, drawn, room, lost)
            false_sounds += _with_sound(quiet.detections, sounds)
            name = others[index % len(others)]
            noise = draw_soundtrack(first + 7000 + index, seconds=seconds, rate=drawn.rate, names=[name]).samples
            ignored[name] += _with_sound(play(stream, candidate.rule, drawn, noise).detections, sounds)
            advance()
    turns = {name: len(range(at, minutes, len(others))) for at, name in enumerate(others)}
    return SoundEventReport(
        file=path.name,
        sha256=candidate.sha256,
        artifact_precision=spec.precision,
        runtime=candidate.model.runtime,
        rule=candidate.rule,
        minutes=minutes,
        seed=seed,
        precision=share(score.right, score.right + score.false),
        recall=share(score.right, score.right + score.missed),
        gestures=share(named[False], gestures_total),
        gestures_with_dropouts=share(named[True], gestures_total),
        heard=share(heard[False], answers),
        heard_with_dropouts=share(heard[True], answers),
        false_sounds=false_sounds,
        ignored={name: round(count / turns[name], 3) for name, count in ignored.items() if turns[name]},
    )


def play(
    stream: SoundStream, rule: RuleSpec, drawn: HeardStream, samples: Samples, lost: Sequence[Lost] = ()
) -> Played:
    """Run the frames of a stream with a sound, from a zero state.

    Args:
        stream: a stream of the model.
        rule: the event rule.
        drawn: the frames.
        samples: the sound from the beginning of the video, at ``drawn.rate``.
        lost: the dropouts.
    """
    stream.reset()
    spotter: Spotter = stream.spotter(rule)
    predictions, detections, given = [], [], 0
    for frame, time in zip(drawn.video.frames, drawn.video.times.tolist(), strict=True):
        until = max(int(time * drawn.rate), given)
        for begin, end, kept in _parts(given, until, lost, drawn.rate):
            if kept is not None:
                stream.hear(samples[begin:end] * np.float32(kept), begin / drawn.rate, drawn.rate)
        given = until
        prediction = stream.step(frame)
        predictions.append(prediction)
        detections.append(spotter.feed(prediction.logits, time))
    return Played(drawn.video.times, predictions, [detection for detection in detections if detection is not None])


def dropouts(seed: int, seconds: float) -> Iterator[Lost]:
    """Yield dropouts that take ``LOST`` of the time, spread at random. Lost samples and zeros take turns."""
    random = np.random.default_rng([seed, 8])
    at, zeros = 0.0, False
    while True:
        length = float(random.uniform(*DROPOUT))
        # The mean length of a pause gives the share of the time that is lost.
        at += float(random.uniform(0, 2)) * length * (1 - LOST) / LOST
        if at + length > seconds:
            return
        yield Lost(at, at + length, zeros)
        at, zeros = at + length, not zeros


def _parts(begin: int, end: int, lost: Sequence[Lost], rate: int) -> Iterator[tuple[int, int, int | None]]:
    """Yield (first sample, end, factor) of the parts of a piece: factor 1, 0 for zeros, None for lost samples."""
    at = begin
    for gap in lost:
        first, last = max(int(gap.begin * rate), begin), min(int(gap.end * rate), end)
        if first >= last:
            continue
        if first > at:
            yield at, first, 1
        yield first, last, 0 if gap.zeros else None
        at = last
    if at < end:
        yield at, end, 1


def _named(played: Played, drawn: HeardStream, labels: Sequence[str]) -> int:
    """Return the number of gestures that the answer ``AFTER`` seconds after their end names."""
    right = 0
    for event in drawn.video.events:
        index = min(int(np.searchsorted(played.times, event.end + AFTER)), len(played.times) - 1)
        logits = played.predictions[index].logits.astype(np.float64)
        sums: dict[str, float] = {}
        for label, power in zip(labels, np.exp(logits - logits.max()), strict=True):
            gesture = _gesture(label)
            sums[gesture] = sums.get(gesture, 0.0) + float(power)
        right += max(sums, key=lambda name: sums[name]) == event.label
    return right


def _gesture(label: str) -> str:
    """Return the gesture of a label; ``none`` for that of a sound alone."""
    gesture, _ = gesture_and_sound(label, None)
    return NONE if gesture in SOUNDS else gesture


def _with_sound(detections: Sequence[Detection], sounds: Sequence[str]) -> int:
    """Return the number of detections whose label names a sound."""
    return sum(any(part in sounds for part in gesture_and_sound(detection.label, None)) for detection in detections)


def _names(candidate: Candidate) -> tuple[list[str], list[str]]:
    """Return the gestures and the sounds of the labels."""
    labels = candidate.model.spec.labels
    gestures = [label for label in labels if label in STROKES]
    sounds = [label for label in labels if label in SOUNDS]
    expected = pair_labels((*gestures, NONE), (*sounds, QUIET))
    if set(labels) != set(expected) or not gestures or not sounds:
        raise EdgeshiftError(
            f"{candidate.path}: its labels are not all pairs of drawn gestures, none, and drawn sounds; train with "
            "edgeshift train --sound --gestures none,left,..."
        )
    return gestures, sounds


def show(report: SoundEventReport) -> None:
    """Print the report."""
    typer.echo(f"{report.file}: {report.artifact_precision}, {report.runtime}; {report.minutes} drawn minutes")
    typer.echo(f"event rule: {describe_rule(report.rule, (NONE,))}")
    print_table(
        ("what", "value"),
        [
            ("precision of events", str(report.precision)),
            ("recall of events", str(report.recall)),
            ("gestures named, whole sound", str(report.gestures)),
            ("gestures named, dropouts", str(report.gestures_with_dropouts)),
            ("answers with a sound", str(report.heard)),
            ("answers with a sound, dropouts", str(report.heard_with_dropouts)),
            ("false sounds in a quiet room with dropouts", str(report.false_sounds)),
            *((f"false sounds a minute beside {name}", f"{rate:.2f}") for name, rate in report.ignored.items()),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
