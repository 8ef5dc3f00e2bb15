"""Draws the picture of a run from its frames, answers and counters, for the window and the recorded video."""

from __future__ import annotations

from collections import deque
from time import perf_counter

import numpy as np

from edgeshift._system.temperature import temperatures
from edgeshift.apps.camera.display.layout import Box, lay_out
from edgeshift.apps.camera.display.text import INK, write
from edgeshift.apps.camera.display.view import Panel, View
from edgeshift.apps.camera.engine.session import Answer, CapturedFrame, Session
from edgeshift.stream.ear import Hearing
from edgeshift.stream.stream import PHASES
from edgeshift.video.fit import Frame

#: Seconds between updates of the figures, and between readings of the temperature.
FIGURES_INTERVAL, TEMPERATURE_INTERVAL = 0.5, 5.0
#: Steps that the shown percentiles cover: about the last half minute of a typical model.
RECENT_STEPS = 128
#: A camera's frame is marked stale when no newer one arrived within the camera's interval plus this, seconds.
JITTER = 0.02
#: A clip's frame is marked stale after this many frame intervals, but not before this many seconds.
CLIP_INTERVALS, CLIP_SECONDS = 2.0, 0.15
#: Width and height of the picture before the first frame, pixels.
WAITING_SIZE = (640, 480)
#: Most answers that are kept until the next picture is drawn.
WAITING_ANSWERS = 1024
#: What is shown while the network gets no sound.
WITHOUT_SOUND: dict[Hearing, str] = {
    "deaf": "no sound yet",
    "waiting": "collecting sound",
    "late": "the sound is late",
    "silent": "microphone is silent",
    "clipped": "sound is too loud",
}
KEYS = ("q quit", "r reset", "p pause", "s snapshot", "v record")


class Painter:
    """Draws the picture. Call it from the main thread; only ``add`` may be called from any thread.

    Args:
        session: the artifacts and the counters.
        live: whether the source is live; False: a clip.
        size: width and height of the picture, pixels; None: chosen from the size of the frames.
        mirror: show frames mirrored.

    Attributes:
        paused: whether the run is paused.
        recording: whether the picture is marked as being recorded.
        view: draws on the canvas; None before the first frame.
    """

    def __init__(
        self, session: Session, *, live: bool, size: tuple[int, int] | None = None, mirror: bool = False
    ) -> None:
        self._session, self._counters, self._live = session, session.counters, live
        self._size, self._mirror = size, mirror
        self._screen: tuple[int, int] | None = None
        self._panel = Panel()
        self._answers: deque[Answer] = deque(maxlen=WAITING_ANSWERS)
        self._figures_at = self._temperature_at = float("-inf")
        self._temperature: float | None = None
        self.paused = self.recording = False
        self.view: View | None = None
        self._heard: Hearing | None = None

    def use_window(self, screen: tuple[int, int] | None) -> None:
        """Show the keys of a window, and keep within its screen (width and height, pixels; None: unknown)."""
        self._screen = screen
        self._panel.keys = [*KEYS, *(["m model"] if len(self._session.artifacts) > 1 else [])]

    def add(self, answer: Answer) -> None:
        """Add an answer, which the next picture shows. Any thread may call this."""
        self._answers.append(answer)

    def paint(self, captured: CapturedFrame, *, new: bool, now: float) -> tuple[Frame, bool]:
        """Draw the picture.

        Args:
            captured: the newest frame.
            new: whether this frame has not been drawn yet.
            now: current time, seconds, on the clock of ``captured.arrived``.

        Returns:
            The canvas, uint8 [H, W, 3] RGB, which the next call overwrites, and whether this call has changed it.
        """
        begin = perf_counter()
        if self.view is None:
            shape = captured.frame.shape[1], captured.frame.shape[0]
            layout = lay_out(shape, self._size, self._screen, sound=self._session.sound is not None)
            self.view = View(layout, self._session.labels, self._mirror)
        view = self.view
        while self._answers:
            answer = self._answers.popleft()
            if self._session.sound is not None:
                self._heard = answer.prediction.heard
            view.add(answer)
        figures_due = now - self._figures_at >= FIGURES_INTERVAL
        if figures_due:
            self._update_figures(view.layout.lines, now)
        panel = self._panel
        before = panel.notice, panel.recording
        panel.notice, panel.recording = self._notice(now - captured.arrived), self.recording
        panel.waiting, panel.hearing = self._waiting(), self._hearing()
        # A notice covers part of the frame, so the frame must be drawn again when the notice changes.
        redraw = new or (panel.notice, panel.recording) != before
        canvas = view.draw(captured.frame if redraw else None, captured.timestamp, panel)
        if new:
            self._counters.draws.append(perf_counter() - begin)
        return canvas, redraw or figures_due

    def waiting(self, seconds: float) -> Frame:
        """Draw the picture that is shown before the first frame, uint8 [H, W, 3] RGB. ``seconds``: waiting time."""
        width, height = self._size or WAITING_SIZE
        canvas = np.zeros((height, width, 3), np.uint8)
        text = "trying to open the camera" if self._counters.camera_lost else "no frame yet"
        box = Box(width // 20, height // 3, width - width // 10, height // 3)
        write(canvas, box, f"{text} ({seconds:.0f} s)", INK, size=height / 12)
        return canvas

    def clear(self) -> None:
        """Clear the history, and update the figures in the next picture. Call this after a reset of the stream."""
        self._answers.clear()
        self._figures_at = float("-inf")
        if self.view is not None:
            self.view.clear()

    def _waiting(self) -> str:
        """Return the text before the first answer. A clip artifact needs some frames for it."""
        collected, needed = self._session.steps.collected, self._session.artifact.model.spec.frames
        return f"collecting frames: {collected} of {needed}" if collected else Panel().waiting

    def _hearing(self) -> list[str]:
        """Return the text about the sound: that the demo listens, and why the network gets no sound, if so."""
        sound = self._session.sound
        if sound is None:
            return []
        if sound.lost:
            return ["not listening", "microphone lost"]
        return ["listening", "" if self._heard in ("heard", None) else WITHOUT_SOUND[self._heard]]

    def _notice(self, age: float) -> str | None:
        if self.paused:
            return "paused"
        if self._counters.camera_lost:
            return "camera lost: trying to open it again"
        interval = 1 / (self._counters.camera.hertz or 1.0)
        if age > (interval + JITTER if self._live else max(CLIP_INTERVALS * interval, CLIP_SECONDS)):
            return f"no new frame for {age:.1f} s"
        return None

    def _update_figures(self, lines: int, now: float) -> None:
        self._figures_at = now
        if now - self._temperature_at >= TEMPERATURE_INTERVAL:
            self._temperature_at = now
            self._temperature = max(temperatures().values(), default=None)
        steps, spec = self._session.steps, self._session.artifact.model.spec
        times = steps.milliseconds(RECENT_STEPS)
        pre, infer, post = ([_milliseconds(value) for value in times[phase].values()] for phase in PHASES)
        model = f"{spec.model.name} {spec.precision} {spec.target}" + ("" if spec.weights.trained else " UNTRAINED")
        model += " FAILED PARITY" if spec.problems else ""
        ran_on = self._session.artifact.model.placement.accelerator
        model += "" if ran_on == "cpu" else f" on {ran_on}"
        rest = [
            f"pre {pre[0]} / {pre[1]}",
            f"post {post[0]} / {post[1]}",
            f"camera {_hertz(self._counters.camera.hertz)}",
            f"model {_hertz(steps.rate.hertz)}",
            f"dropped {self._counters.missed}",
            "" if self._temperature is None else f"{self._temperature:.0f} C",
        ]
        if lines < 2 + len(spec.notes) + len(rest):  # two short texts share a line
            rest = [f"{left}   {right}".rstrip() for left, right in zip(rest[::2], rest[1::2], strict=True)]
        self._panel.figures = [model, *spec.notes, f"infer p50 {infer[0]} p90 {infer[1]} ms", *rest]


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _hertz(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}/s"
