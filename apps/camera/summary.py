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


class ArtifactSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The part of one artifact in a run.

    Attributes:
        file: path of the artifact.
        runtime: name and version of the runtime.
        trained: False: the weights were never trained, and labels mean nothing.
        steps: frames that were fed.
        hertz: steps per second at the end; None: too few.
        milliseconds: {phase: {"p50": ms, "p90": ms}} over the last steps; None: too few.
    """

    file: str
    runtime: str
    trained: bool
    steps: int
    hertz: float | None
    milliseconds: dict[str, dict[str, float | None]]


class LabelSpan(msgspec.Struct):
    """Consecutive steps of a clip with the same label.

    Attributes:
        start: time of the first step, seconds in the clip.
        label: the label of each single answer, before smoothing.
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
        steps: frames that were fed.
        not_due: frames that were not needed, because the frame spacing had not passed.
        dropped: frames that were not used for lack of time.
        lost: how often the camera was lost.
        artifacts: what each artifact did.
        events: the announced events; times in seconds from the first frame, in a clip from its start.
        beside_infer: time of a step outside the runtime divided by the time inside it (medians); None: no step.
        draw_ms: median milliseconds of drawing a new frame; None: nothing was drawn.
        recorded: videos that were written.
        labels: the labels over time, of a clip that was run as fast as possible; None: a live run.
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


def add_label(spans: list[LabelSpan], timestamp: float, prediction: Prediction) -> bool:
    """Add one answer to the last span if it has the same label. Otherwise begin a new span, and return True."""
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
            trained=artifact.model.spec.weights.trained,
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
    )
