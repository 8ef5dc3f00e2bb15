"""Measures the time that the demo needs in addition to inference: ``python -m edgeshift.apps.camera.overhead F...``

Frames of a simulated camera (noise, 30 per second by their timestamps) take the same path as in the live demo, but in
one thread, so that no part waits for another and each part can be timed:

    infer     running the graph
    fit       fitting the frame to the network's size, and writing it to the input tensor
    answer    turning logits into a prediction, smoothing, and reporting the event
    hand      passing the frame from thread to thread, through the slot
    draw      drawing the frame, and the other parts of the picture that changed

Before that, each frame is converted to RGB, as frames of a camera are; the conversion is not measured. The artifacts
take turns in one process, so that ratios within one run are comparable. The window is not measured. The demo draws in
another thread than the model's, and draws more frames than it feeds; here every frame is drawn and fed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, thread_time
from typing import Annotated, Any

import numpy as np
import typer

from edgeshift.apps.camera.display.painter import Painter
from edgeshift.apps.camera.engine.session import ArtifactStream, Session, open_session
from edgeshift.apps.camera.engine.slot import FrameSlot
from edgeshift.apps.camera.event_printer import EventPrinter
from edgeshift.apps.camera.sources.base import CaptureRequest
from edgeshift.errors import EdgeshiftError
from edgeshift.video.fit import Frame, opencv

PARTS = ("infer", "fit", "answer", "hand", "draw")
#: Number of measured frames in one turn of an artifact, and number of frames before them that are not measured.
TURN, WARM_UP = 40, 10
FPS = 30.0


def measure(files: Sequence[Path], camera: CaptureRequest, rounds: int, threads: int = 1) -> list[dict[str, Any]]:
    """Measure artifacts in turns.

    Args:
        files: the artifacts.
        camera: gives the size of the camera's frames.
        rounds: turns of each artifact.
        threads: threads of each runtime.

    Returns:
        For each artifact {"file", "runtime", "frames": number of frames, "milliseconds": {part: median; for "draw", the
        mean}, "beside": share of the time that is not inference, "thread": the same share without drawing}.
    """
    artifacts = open_session(files, threads=threads).artifacts
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, (camera.height, camera.width, 3), np.uint8) for _ in range(8)]
    paths = [_FramePath(artifact, frames) for artifact in artifacts]
    for _ in range(rounds):
        for path in paths:
            path.rows += [path.step() for _ in range(WARM_UP + TURN)][WARM_UP:]
    return [path.result() for path in paths]


class _FramePath:
    """Takes frames through all parts of the demo, for one artifact."""

    def __init__(self, artifact: ArtifactStream, frames: list[Frame]) -> None:
        self.cv2, self.artifact, self.frames = opencv("converting frames"), artifact, frames
        # Every frame is due, so that each one is measured with a step.
        self.session, self.printer = Session([artifact], paced=False), EventPrinter("silent", "")
        self.painter, self.slot = Painter(self.session, live=True), FrameSlot(self.session.counters)
        self.painter.use_window(None)
        self.count, self.rows = 0, list[tuple[float, ...]]()

    def step(self) -> tuple[float, ...]:
        frame = self.cv2.cvtColor(self.frames[self.count % len(self.frames)], self.cv2.COLOR_BGR2RGB)
        timestamp = self.count / FPS
        captured = self.session.capture(frame, timestamp, timestamp)
        t0 = perf_counter()
        self.slot.put(captured)
        taken = self.slot.take(0.0)
        assert taken is not None and taken.fitted is not None
        t1 = perf_counter()
        answer = self.session.step(taken)
        if answer is None:
            raise EdgeshiftError(f"{self.artifact.path}: a clip artifact does not answer to every frame: give a stream")
        if answer.shown.event is not None:
            self.printer.emit_detection(answer.shown.event)
        t2 = perf_counter()
        before = thread_time()
        self.painter.add(answer)
        self.painter.paint(taken, new=True, now=timestamp)
        drawing = thread_time() - before
        self.count += 1
        times = answer.prediction.timings
        rest = t2 - t1 - times.infer - (times.pre - taken.fitted.seconds)
        return times.infer, times.pre, rest, t1 - t0, drawing

    def result(self) -> dict[str, Any]:
        rows = np.array(self.rows)
        parts = dict(zip(PARTS, np.median(rows, 0).tolist(), strict=True))
        # A few frames are slow to draw and most are fast, so the mean describes the cost of drawing, not the median.
        # Other programs would distort a mean of wall-clock times, so ``step`` measures processor time.
        parts["draw"] = float(np.mean(rows[:, -1]))
        whole = sum(parts.values())
        return {
            "file": self.artifact.path.name,
            "runtime": self.artifact.model.runtime,
            "frames": len(rows),
            "milliseconds": {part: seconds * 1e3 for part, seconds in parts.items()},
            "beside": 1 - parts["infer"] / whole,
            "thread": 1 - parts["infer"] / (whole - parts["draw"]),
        }


def main(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="The artifacts to measure, in turns.")],
    camera: Annotated[str, typer.Option(metavar="WxH", help="Size of the camera's frames, pixels.")] = "640x480",
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="Turns of each artifact, 40 frames each.")] = 20,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads of each runtime.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Measure the time that the demo needs in addition to inference, for each artifact."""
    try:
        results = measure(files, CaptureRequest.parse(camera), rounds, threads)
    except EdgeshiftError as error:
        print(f"edgeshift: {error}", file=sys.stderr)
        raise typer.Exit(error.status) from error
    if as_json:
        print(json.dumps(results))
        return
    for result in results:
        parts = ", ".join(f"{part} {ms:.3f}" for part, ms in result["milliseconds"].items())
        shares = f"{result['beside']:.1%} of the time, {result['thread']:.1%} without drawing"
        print(f"{result['file']}: {parts} ms; outside inference {shares}")


if __name__ == "__main__":
    typer.run(main)
