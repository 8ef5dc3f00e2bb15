"""Running an artifact over a clip, as fast as it goes, and keeping what it answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeshift.events.spotter import Detection
from edgeshift.gestures.demo_stream import demo_stream
from edgeshift.stream import Prediction
from edgeshift.stream.percentiles import milliseconds
from edgeshift.stream.stream import PHASES
from edgeshift.video.clips import TimedFrame, read_video

if TYPE_CHECKING:
    from edgeshift.apps.camera.engine.session import Answer, Session

#: Frames kept for the picture; a long video is thinned as it goes.
KEPT = 256


@dataclass
class Span:
    """A run of steps with the same label. Times in seconds."""

    start: float
    label: str
    frames: int = 0
    score: float = 0.0


@dataclass
class Replay:
    """What a stream answered over a clip.

    Attributes:
        steps: frames that were fed. skipped: frames that came before they were due.
        spans: the label over time. seconds: {phase: one value per step}.
        answers: frames with their answers, for a picture; thinned evenly over a long clip.
        events: what the smoothing announced.
    """

    steps: int = 0
    skipped: int = 0
    spans: list[Span] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=lambda: {phase: [] for phase in PHASES})
    answers: list[tuple[npt.NDArray[np.uint8], Prediction]] = field(default_factory=list)
    events: list[Detection] = field(default_factory=list)
    _every: int = 1

    def add(self, timed: TimedFrame, answer: Prediction) -> Span | None:
        """Count one answer.

        Returns:
            The new span, if the label changed.
        """
        for phase in PHASES:
            self.seconds[phase].append(getattr(answer.timings, phase))
        if self.steps % self._every == 0:
            self.answers.append((timed.frame, answer))
        if len(self.answers) >= KEPT:
            self.answers, self._every = self.answers[::2], self._every * 2
        self.steps += 1
        changed = not self.spans or self.spans[-1].label != answer.label
        if changed:
            self.spans.append(Span(timed.timestamp, answer.label))
        self.spans[-1].frames += 1
        self.spans[-1].score = max(self.spans[-1].score, answer.score)
        return self.spans[-1] if changed else None

    def milliseconds(self) -> dict[str, dict[str, float | None]]:
        """{phase: {"p50": ms, "p90": ms}}; None where there are too few samples to say."""
        return {phase: milliseconds(values) for phase, values in self.seconds.items()}


def replay(
    session: Session,
    clip: Iterable[TimedFrame],
    result: Replay,
    watch: Callable[[TimedFrame, Answer | None], None] = lambda *_: None,
) -> Iterator[Span | Detection]:
    """Feed a clip and yield each new span as it begins, and each event; ``result`` collects the rest.

    Args:
        watch: is called with each frame and its answer, None where it was not due.
    """
    for timed in clip:
        answer = session.feed(timed.frame, timed.timestamp)
        watch(timed, answer)
        if answer is None:
            result.skipped += 1
            continue
        span = result.add(timed, answer.prediction)
        if span is not None:
            yield span
        if answer.said.event is not None:
            result.events.append(answer.said.event)
            yield answer.said.event


def open_clip(source: str, fps: float | None = None, spacing: float | None = None) -> Iterator[TimedFrame]:
    """The frames of a video file or an image folder, or of "drawn": gestures that edgeshift draws.

    Args:
        source: a path, or "drawn". fps: of an image folder. spacing: seconds between drawn frames.

    Raises:
        VideoError: a source that cannot be read.
    """
    return demo_stream(spacing=spacing) if source == "drawn" else read_video(Path(source), fps=fps)
