"""What the demo costs beside the model: ``python -m edgeshift.apps.camera.overhead F...``

Each frame of a simulated camera (noise of its size, 30 a second by its timestamps) goes the way of the live demo, but
in one thread, so that nothing waits and every part has its own time. As a camera's, a frame is converted to RGB first,
which is the camera's cost and not counted; as in the demo it is fitted right then, while the caches hold it:

    infer     the runtime, state in to state out
    fit       the frame to what the network takes, and that to the tensor
    answer    logits to prediction, the smoothing, the event told
    hand      the frame through the slot
    draw      the picture: the frame copied into it, and what changed around it

The artifacts take turns, all in one process: the figures that count are ratios of medians within one run. A window is
not part of it. A model that is fed more rarely than the camera gives frames is drawn more often than stepped, beside
its thread; here every frame is both.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, thread_time
from typing import Annotated

import msgspec
import numpy as np
import typer

from edgeshift.apps.camera.display.figures import figures, in_lines
from edgeshift.apps.camera.display.layout import lay_out
from edgeshift.apps.camera.display.view import Numbers, View
from edgeshift.apps.camera.engine.session import Runner, Session
from edgeshift.apps.camera.engine.slot import NewestFrame
from edgeshift.apps.camera.journal import Journal
from edgeshift.apps.camera.sources.base import Wish
from edgeshift.apps.camera.start import open_session
from edgeshift.errors import EdgeshiftError
from edgeshift.video.fit import Frame, opencv

PARTS = ("infer", "fit", "answer", "hand", "draw")
#: Frames after which another artifact has its turn, and which are not counted at its beginning.
TURN, WARM = 40, 10
FPS, FIGURES = 30.0, 0.5


class Overhead(msgspec.Struct, frozen=True, kw_only=True):
    """One artifact's. milliseconds: {part: median}. Shares are of a whole step: all parts together.

    Attributes:
        beside: all but the inference. thread: all but inference and drawing, that is what the model's thread does, and
            the fitting for it.
    """

    file: str
    runtime: str
    frames: int
    milliseconds: dict[str, float]
    beside: float
    thread: float


def measure(files: Sequence[Path], camera: Wish, rounds: int, threads: int = 1) -> list[Overhead]:
    """Measure artifacts in turns.

    Args:
        camera: the size of its frames. rounds: turns of each artifact. threads: of the runtimes.
    """
    runners = open_session(files, threads=threads).runners
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, (camera.height, camera.width, 3), np.uint8) for _ in range(8)]
    ways = [_Way(runner, frames) for runner in runners]
    for _ in range(rounds):
        for way in ways:
            way.turn()
    return [way.result() for way in ways]


class _Way:
    """The way of a frame, for one artifact."""

    def __init__(self, runner: Runner, frames: list[Frame]) -> None:
        self.cv2, self.runner, self.frames = opencv("converting frames"), runner, frames
        # Every frame is due: a step is what is measured.
        self.session, self.journal = Session([runner], paced=False), Journal("silent", "")
        self.view = View(lay_out((frames[0].shape[1], frames[0].shape[0])), runner.model.spec.labels)
        self.numbers, self.slot = Numbers(help=["q quit"]), NewestFrame()
        self.reader = self.slot.reader()
        self.count, self.rows = 0, list[tuple[float, ...]]()

    def turn(self) -> None:
        for index in range(WARM + TURN):
            row = self.step()
            if index >= WARM:
                self.rows.append(row)

    def step(self) -> tuple[float, ...]:
        frame = self.cv2.cvtColor(self.frames[self.count % len(self.frames)], self.cv2.COLOR_BGR2RGB)
        timestamp = self.count / FPS
        ahead = self.session.fit(frame, timestamp)
        assert ahead is not None
        t0 = perf_counter()
        self.slot.put(frame, timestamp, ahead=ahead)
        shot = self.reader.take()
        assert shot is not None
        t1 = perf_counter()
        answer = self.session.feed(shot.frame, shot.timestamp, ahead=shot.ahead)
        assert answer is not None
        if answer.said.event is not None:
            self.journal.gesture(answer.said.event)
        t2 = perf_counter()
        before = thread_time()
        self.view.hear(answer)
        if self.count % round(FPS * FIGURES) == 0:
            self.numbers.lines = in_lines(figures(self.runner, FPS, 0, None), self.view.layout.lines)
        self.view.draw(shot.frame, shot.timestamp, self.numbers)
        drawing = thread_time() - before
        self.count += 1
        times = answer.prediction.timings
        beside = t2 - t1 - times.infer - (times.pre - ahead.fitted.seconds)
        return times.infer, times.pre, beside, t1 - t0, drawing

    def result(self) -> Overhead:
        medians = np.median(np.array(self.rows), 0)
        # Drawing is dear where something changed and cheap else: its mean is what it costs. As means feel every program
        # that comes between, it is the processor's time.
        medians[-1] = np.mean(np.array(self.rows)[:, -1])
        infer, draw, whole = float(medians[0]), float(medians[-1]), float(medians.sum())
        return Overhead(
            file=self.runner.path.name,
            runtime=self.runner.model.runtime,
            frames=len(self.rows),
            milliseconds={part: float(value) * 1e3 for part, value in zip(PARTS, medians, strict=True)},
            beside=1 - infer / whole,
            thread=1 - infer / (whole - draw),
        )


def main(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Artifacts, which take turns.")],
    camera: Annotated[str, typer.Option(metavar="WxH", help="Size of the camera's frames.")] = "640x480",
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="Number of turns of each artifact.")] = 20,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Number of CPU threads of the runtime.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Measure what the demo costs beside the model, for each artifact."""
    try:
        results = measure(files, Wish.parse(camera), rounds, threads)
    except EdgeshiftError as error:
        print(f"edgeshift: {error}", file=sys.stderr)
        sys.exit(error.status)
    if as_json:
        print(msgspec.json.encode(results).decode())
        return
    for one in results:
        parts = ", ".join(f"{part} {ms:.3f}" for part, ms in one.milliseconds.items())
        print(f"{one.file}: {parts} ms; beside inference {one.beside:.1%} of a step, {one.thread:.1%} without drawing")


if __name__ == "__main__":
    typer.run(main)
