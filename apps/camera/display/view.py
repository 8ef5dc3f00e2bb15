"""The picture: the frame, what is said of it, and what it costs. Parts are drawn again only when they change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from edgeshift.apps.camera.display.history import BLACK, GREY, INK, TRACK, History
from edgeshift.apps.camera.display.layout import Box, Layout
from edgeshift.apps.camera.display.text import wrap, write, write_lines
from edgeshift.apps.camera.engine.session import Answer
from edgeshift.apps.camera.engine.smoothing import DisplayState
from edgeshift.video.fit import Frame, opencv

#: Times a second that the bar and the history move: eyes do not follow thirty.
MOVES = 10
PAPER, ANNOUNCED, WARNING, RED = (18, 18, 22), (90, 220, 120), (255, 190, 60), (150, 0, 0)
#: How far a frame's shape may be from the layout's to be stretched into it.
STRETCH = 0.02


@dataclass
class Numbers:
    """What is shown beside the label.

    Attributes:
        lines: of figures. help: keys. notice: a warning over the frame. recording: say so.
    """

    lines: list[str] = field(default_factory=list)
    help: list[str] = field(default_factory=list)
    notice: str | None = None
    recording: bool = False


class View:
    """Draws on one canvas. For one thread.

    Args:
        layout: where. labels: of all artifacts. mirror: show the frame mirrored.

    Attributes:
        canvas: uint8 [H, W, 3] RGB; it changes with the next ``draw``.
    """

    def __init__(self, layout: Layout, labels: Iterable[str], mirror: bool = False) -> None:
        self.layout = layout
        self.canvas: Frame = np.empty((layout.height, layout.width, 3), np.uint8)
        self.canvas[:] = PAPER
        self._mirror = mirror
        self._history = History(labels)
        self._said: DisplayState | None = None
        self._drawn: dict[str, object] = {}

    def hear(self, answer: Answer) -> None:
        """Take an answer into the history."""
        self._said = answer.said
        self._history.hear(answer)

    def forget(self) -> None:
        """Clear the history, and what was said."""
        self._said = None
        self._history.clear()
        self._drawn.clear()

    def draw(self, frame: Frame | None, now: float, numbers: Numbers) -> Frame:
        """Draw what is new.

        Args:
            frame: uint8 [H, W, 3] RGB; None: no new one. now: seconds on the clock of the answers' timestamps.
            numbers: beside the label.

        Returns:
            The canvas.
        """
        if frame is not None:
            self._draw_frame(frame)
        covering = (numbers.notice, numbers.recording)
        if (self._changed("notice", covering) or frame is not None) and any(covering):
            self._draw_notice(numbers)
        said, layout = self._said, self.layout
        named = self._changed("label", None if said is None else (said.label, said.announced))
        if named:
            self._draw_label(said)
        if self._changed("moment", round(now * MOVES)) or named:
            if self._changed("bar", None if said is None else (said.label, round(said.score, 2))):
                self._draw_bar(said)
            self._history.draw(self.canvas, layout.history, now, layout.unit)
        if self._changed("figures", tuple(numbers.lines)):
            self._write(layout.stats, numbers.lines, layout.lines, bright=True)
        if self._changed("help", tuple(numbers.help)):
            each = max(1, -(-len(numbers.help) // layout.help_lines))
            rows = [numbers.help[at : at + each] for at in range(0, len(numbers.help), each)]
            self._write(layout.help, ["   ".join(row) for row in rows], layout.help_lines, bright=False)
        return self.canvas

    def _changed(self, part: str, key: object) -> bool:
        if part in self._drawn and self._drawn[part] == key:
            return False
        self._drawn[part] = key
        return True

    def _write(self, box: Box, lines: list[str], count: int, *, bright: bool) -> None:
        self.canvas[box.rows, box.columns] = PAPER
        write_lines(self.canvas, box, lines, INK if bright else GREY, count=count)

    def _draw_frame(self, frame: Frame) -> None:
        cv2 = opencv("drawing")
        box = self.layout.video
        place = self.canvas[box.rows, box.columns]
        if frame.shape == place.shape:
            if self._mirror:
                place[:] = cv2.flip(frame, 1)
            else:
                place[:] = frame
            return
        height, width = frame.shape[:2]
        if abs(height / width * box.width / box.height - 1) > STRETCH:  # the source has changed its shape
            place[:] = BLACK
            scale = min(box.width / width, box.height / height)
            inner = max(1, int(width * scale)), max(1, int(height * scale))
            top, left = (box.height - inner[1]) // 2, (box.width - inner[0]) // 2
            place = place[top : top + inner[1], left : left + inner[0]]
        resized = cv2.resize(frame, place.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        place[:] = cv2.flip(resized, 1) if self._mirror else resized

    def _draw_notice(self, numbers: Numbers) -> None:
        """A line over the top of the frame; only a mark at its left where there is nothing but a recording."""
        video, unit = self.layout.video, self.layout.unit
        words = " - ".join(filter(None, ["REC" if numbers.recording else None, numbers.notice]))
        width = video.width if numbers.notice else min(video.width, round(64 * unit))
        box = Box(video.left, video.top, width, min(round(30 * unit), video.height))
        self.canvas[box.rows, box.columns] = BLACK if numbers.notice else RED
        inside = self._padded(box)
        write(self.canvas, inside, words, WARNING if numbers.notice else INK, size=24 * unit)

    def _draw_label(self, said: DisplayState | None) -> None:
        box = self.layout.label
        inside, size = self._padded(box), min(box.height * 0.95, 64 * self.layout.unit)
        announced = said is not None and said.announced
        self.canvas[box.rows, box.columns] = ANNOUNCED if announced else PAPER
        if said is None:
            write(self.canvas, inside, "waiting ...", GREY, size=size * 0.6)
            return
        lines = wrap(said.label, inside, size=size)
        height = box.height // len(lines)
        for index, line in enumerate(lines):
            place = Box(inside.left, inside.top + index * height, inside.width, height)
            write(self.canvas, place, line, BLACK if announced else GREY if said.idle else INK, size=size, bold=True)

    def _draw_bar(self, said: DisplayState | None) -> None:
        box, unit = self.layout.bar, self.layout.unit
        score = 0.0 if said is None else min(max(said.score, 0.0), 1.0)
        words = round(52 * unit)
        self.canvas[box.rows, box.columns] = PAPER
        bar = box._replace(width=box.width - words)
        self.canvas[bar.rows, bar.columns] = TRACK
        if said is not None:
            filled = bar._replace(width=round(bar.width * score))
            self.canvas[filled.rows, filled.columns] = GREY if said.idle else self._history.colour(said.label)
            place = Box(bar.left + bar.width + round(8 * unit), box.top, words - round(8 * unit), box.height)
            write(self.canvas, place, f"{score:.0%}", INK, size=22 * unit)

    def _padded(self, box: Box) -> Box:
        pad = round(8 * self.layout.unit)
        return Box(box.left + pad, box.top, max(1, box.width - 2 * pad), box.height)
