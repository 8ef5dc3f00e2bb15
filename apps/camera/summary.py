"""The summary of a run, which is printed at the end or written as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import msgspec
import numpy as np

from edgeshift.apps.camera.engine.session import Session
from edgeshift.events.spotter import Detection
from edgeshift.stream import Prediction
from edgeshift.stream.placement import Placement


class ArtifactSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What one artifact did in a run.

    Attributes:
        file: path of the artifact.
        runtime: name and version of the runtime.
        ran_on: where the graph ran, as the runtime says.
        trained: whether the weights were trained; if not, the labels mean nothing.
        notes: what everybody who uses the model must know, from the description in the file.
        hop: for a clip artifact: frames from one answer to the next; None: it takes one frame at a time.
        steps: number of frames that were fed, or of answers of a clip artifact.
        hertz: steps per second at the end; None: too few steps.
        milliseconds: {phase: {"p50": ms, "p90": ms}} over the last steps; None in place of ms: too few steps.
    """

    file: str
    runtime: str
    ran_on: Placement
    trained: bool
    notes: tuple[str, ...]
    hop: int | None = None
    steps: int
    hertz: float | None
    milliseconds: dict[str, dict[str, float | None]]


class SoundSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What was heard in a run with a microphone.

    Attributes:
        microphone: name of the microphone or file.
        through: the package or program that read it, or "file".
        heard: {what the stream said about the sound: share of the answers}: "heard" if they contain the sound, else
            why not (``edgeshift.stream.ear.Hearing``).
        lost: number of times that the microphone was lost.
    """

    microphone: str
    through: str
    heard: dict[str, float]
    lost: int


class LabelSpan(msgspec.Struct):
    """Consecutive steps of a clip with the same label.

    Attributes:
        start: time of the first step, seconds in the clip.
        label: the label of these steps, before smoothing.
        frames: number of steps.
        score: the largest probability of the label in these steps.
    """

    start: float
    label: str
    frames: int = 0
    score: float = 0.0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A run that has ended.

    Attributes:
        source: name of the source.
        seconds: time from the first frame to the end.
        camera_hertz: frames per second of the source at the end; None: unknown.
        steps: number of frames that were fed, or of answers of a clip artifact.
        not_due: number of frames that were not fed, because the frame spacing had not passed.
        dropped: number of frames that were not used, because the model or the decoder was too slow.
        lost: number of times that the camera was lost.
        artifacts: what each artifact did.
        events: the announced events; times in seconds from the first frame, in a clip from its start.
        beside_infer: median time of a step outside the runtime, divided by the median time inside it; None: no step.
        draw_ms: median time of drawing a new frame, milliseconds; None: nothing was drawn.
        recorded: paths of the videos and sounds that were written.
        labels: the labels over time, for a clip that was run as fast as possible; None: the run was in real time.
        sound: what was heard; None: the run had no microphone.
    """

    source: str
    seconds: float
    camera_hertz: float | None
    steps: int
    not_due: int
    dropped: int
    lost: int
    artifacts: tuple[ArtifactSummary, ...]
    events: tuple[Detection, ...]
    beside_infer: float | None
    draw_ms: float | None
    recorded: tuple[str, ...]
    labels: tuple[LabelSpan, ...] | None = None
    sound: SoundSummary | None = None


def add_label(spans: list[LabelSpan], timestamp: float, prediction: Prediction) -> bool:
    """Add one answer to the last span if the label is the same, otherwise to a new span. Return True for a new span."""
    begins = not spans or spans[-1].label != prediction.label
    if begins:
        spans.append(LabelSpan(timestamp, prediction.label))
    spans[-1].frames += 1
    spans[-1].score = max(spans[-1].score, prediction.score)
    return begins


def summarize(
    source: str, session: Session, recorded: Sequence[Path], labels: Sequence[LabelSpan] | None = None
) -> Summary:
    """Return the summary of a run that has ended. The arguments are described in ``Summary``."""
    counters, beside_infer = session.counters, None
    if counters.costs:
        outside, infer = np.median(np.array(counters.costs), 0)
        beside_infer = float(outside / infer)
    artifacts = tuple(
        ArtifactSummary(
            file=str(artifact.path),
            runtime=artifact.model.runtime,
            ran_on=artifact.model.placement,
            trained=artifact.model.spec.weights.trained,
            notes=artifact.model.spec.notes,
            hop=artifact.model.spec.hop,
            steps=steps.count,
            hertz=steps.rate.hertz,
            milliseconds=steps.milliseconds(),
        )
        for artifact, steps in zip(session.artifacts, counters.steps, strict=True)
    )
    return Summary(
        source=source,
        seconds=0.0 if counters.started is None else monotonic() - counters.started,
        camera_hertz=counters.camera.hertz,
        steps=counters.fed,
        not_due=counters.not_due,
        dropped=counters.missed,
        lost=counters.losses,
        artifacts=artifacts,
        events=tuple(counters.detections),
        beside_infer=beside_infer,
        draw_ms=float(np.median(counters.draws)) * 1e3 if counters.draws else None,
        recorded=tuple(map(str, recorded)),
        labels=None if labels is None else tuple(labels),
        sound=_sound(session),
    )


def _sound(session: Session) -> SoundSummary | None:
    sound, heard = session.sound, session.counters.heard
    if sound is None:
        return None
    shares = {name: round(count / heard.total(), 4) for name, count in heard.most_common()}
    return SoundSummary(microphone=sound.name, through=sound.through, heard=shares, lost=sound.losses)
