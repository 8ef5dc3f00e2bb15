"""What a run of the live demo was, in figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edgeshift.events.spotter import Detection

if TYPE_CHECKING:
    from edgeshift.apps.camera.display.painter import Painter
    from edgeshift.apps.camera.engine.grabber import Grabber
    from edgeshift.apps.camera.engine.session import Session
    from edgeshift.apps.camera.engine.worker import Worker
    from edgeshift.apps.camera.journal import Journal
    from edgeshift.apps.camera.sources.base import Source


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """One artifact's part. milliseconds: {phase: {"p50": ms, "p90": ms}} of its last steps. hertz: steps a second."""

    file: str
    runtime: str
    trained: bool
    steps: int
    hertz: float | None
    milliseconds: dict[str, dict[str, float | None]]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A run.

    Attributes:
        source: its name. seconds: from the first frame. camera_hertz: frames a second, at the end.
        steps: frames that were fed. not_due: that came before they were due. dropped: that nobody looked at, for lack
            of time. lost: how often the camera was.
        artifacts: what ran. events: what was announced; times in seconds from the first frame.
        beside_infer: what a step took beside the runtime, from the frame to the answer told, over the runtime's time.
        draw_ms: the median of drawing a new frame and what changed around it; None: nothing was drawn.
        recorded: videos that were written.
    """

    source: str
    seconds: float
    camera_hertz: float | None
    steps: int
    not_due: int
    dropped: int
    lost: int
    artifacts: tuple[Ran, ...]
    events: tuple[Detection, ...]
    beside_infer: float | None
    draw_ms: float | None
    recorded: tuple[str, ...]


def summarize(
    source: Source,
    session: Session,
    worker: Worker,
    grabber: Grabber,
    painter: Painter,
    journal: Journal,
    recorded: Sequence[Path],
) -> Summary:
    """The summary of a run that has ended."""
    artifacts = tuple(
        Ran(
            file=str(runner.path),
            runtime=runner.model.runtime,
            trained=runner.model.spec.weights.trained,
            steps=runner.times.steps,
            hertz=runner.rate.hertz,
            milliseconds=runner.times.milliseconds(),
        )
        for runner in session.runners
    )
    return Summary(
        source=source.name,
        seconds=monotonic() - worker.begun if worker.begun is not None else 0.0,
        camera_hertz=grabber.camera.hertz,
        steps=sum(ran.steps for ran in artifacts),
        not_due=session.early,
        dropped=painter.dropped,
        lost=journal.lost,
        artifacts=artifacts,
        events=tuple(journal.events),
        beside_infer=worker.overhead,
        draw_ms=float(np.median(painter.costs)) * 1e3 if painter.costs else None,
        recorded=tuple(map(str, recorded)),
    )
