"""Draws the frame, the label, the history and the figures on a canvas. Only the parts that changed are drawn again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from edgeshift.apps.camera.display.history import History
from edgeshift.apps.camera.display.layout import Box, Layout
from edgeshift.apps.camera.display.text import BLACK, GREY, INK, TRACK, Colour, wrap, write, write_lines
from edgeshift.apps.camera.engine.session import Answer
from edgeshift.apps.camera.engine.smoothing import DisplayState
from edgeshift.sound.picture import Picture
from edgeshift.video.fit import Frame, opencv

#: Most updates of the bar and the history per second, because nobody can see faster changes.
UPDATES = 10
PAPER, ANNOUNCED, WARNING, RED = (18, 18, 22), (90, 220, 120), (255, 190, 60), (150, 0, 0)
#: A frame is stretched into the layout's rectangle if their aspect ratios differ by at most this share.
STRETCH = 0.02


@dataclass
class Panel:
    """The text around the frame.

    Attributes:
        figures: lines of measured figures.
        keys: what each key does.
        waiting: text in place of the label before the first answer.
        notice: a warning over the frame; None: none.
        recording: whether to show that the picture is being recorded.
        hearing: lines of text about the sound; none: the artifact gets no sound.
    """

    figures: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    waiting: str = "waiting ..."
    notice: str | None = None
    recording: bool = False
    hearing: list[str] = field(default_factory=list)


class View:
    """Draws on one canvas. Use it from one thread.

    Args:
        layout: the position of each part.
        labels: the labels of all artifacts.
        mirror: show frames mirrored.

    Attributes:
        canvas: uint8 [H, W, 3] RGB; ``draw`` changes it.
    """

    def __init__(self, layout: Layout, labels: Iterable[str], mirror: bool = False) -> None:
        self.layout = layout
        self.canvas: Frame = np.empty((layout.height, layout.width, 3), np.uint8)
        self.canvas[:] = PAPER
        self._mirror = mirror
        self._history = History(labels)
        self._shown: DisplayState | None = None
        self._sound: Picture | None = None
        self._sounds = 0  # number of changes of the picture of the sound
        self._drawn: dict[str, object] = {}

    def add(self, answer: Answer) -> None:
        """Add an answer, which ``draw`` shows from its next call on."""
        self._shown = answer.shown
        if answer.picture is not self._sound:
            self._sound, self._sounds = answer.picture, self._sounds + 1
        self._history.add(answer)

    def clear(self) -> None:
        """Clear the history and the label."""
        self._shown = self._sound = None
        self._sounds += 1
        self._history.clear()
        self._drawn.clear()

    def draw(self, frame: Frame | None, now: float, panel: Panel) -> Frame:
        """Draw the parts that have changed.

        Args:
            frame: uint8 [H, W, 3] RGB; None: keep the frame that was drawn last.
            now: current time, seconds, on the clock of the answers' timestamps.
            panel: the text around the frame.

        Returns:
            The canvas.
        """
        if frame is not None:
            self._draw_frame(frame)
        over_frame = (panel.notice, panel.recording)
        if (self._changed("notice", over_frame) or frame is not None) and any(over_frame):
            self._draw_notice(panel)
        shown, layout = self._shown, self.layout
        label_changed = self._changed("label", panel.waiting if shown is None else (shown.label, shown.announced))
        if label_changed:
            self._draw_label(shown, panel.waiting)
        if self._changed("update", round(now * UPDATES)) or label_changed:
            if self._changed("bar", None if shown is None else (shown.label, round(shown.score, 2))):
                self._draw_bar(shown)
            self._history.draw(self.canvas, layout.history, now, layout.unit)
        if self._changed("figures", tuple(panel.figures)):
            self._write(layout.stats, panel.figures, layout.lines, INK)
        if layout.sound is not None and self._changed("sound", self._sounds):
            self._draw_sound(layout.sound)
        if layout.hearing is not None and self._changed("hearing", tuple(panel.hearing)):
            self._write(layout.hearing, panel.hearing, 2, INK)
        if self._changed("keys", tuple(panel.keys)):
            per_line = max(1, -(-len(panel.keys) // layout.help_lines))
            rows = [panel.keys[first : first + per_line] for first in range(0, len(panel.keys), per_line)]
            self._write(layout.help, ["   ".join(row) for row in rows], layout.help_lines, GREY)
        return self.canvas

    def _changed(self, part: str, key: object) -> bool:
        if part in self._drawn and self._drawn[part] == key:
            return False
        self._drawn[part] = key
        return True

    def _write(self, box: Box, lines: list[str], count: int, colour: Colour) -> None:
        self.canvas[box.rows, box.columns] = PAPER
        write_lines(self.canvas, box, lines, colour, count=count)

    def _draw_frame(self, frame: Frame) -> None:
        cv2 = opencv("drawing")
        box = self.layout.video
        area = self.canvas[box.rows, box.columns]
        if frame.shape != area.shape:
            height, width = frame.shape[:2]
            if abs(height / width * box.width / box.height - 1) > STRETCH:  # the source has another aspect ratio now
                area[:] = BLACK
                scale = min(box.width / width, box.height / height)
                inner = max(1, int(width * scale)), max(1, int(height * scale))
                top, left = (box.height - inner[1]) // 2, (box.width - inner[0]) // 2
                area = area[top : top + inner[1], left : left + inner[0]]
            frame = cv2.resize(frame, area.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        area[:] = cv2.flip(frame, 1) if self._mirror else frame

    def _draw_sound(self, box: Box) -> None:
        """Draw the picture of the sound as the network gets it. The lowest band is at the bottom."""
        if self._sound is None:
            self.canvas[box.rows, box.columns] = TRACK
            return
        cv2 = opencv("drawing")
        picture = self._sound
        if picture.dtype != np.uint8:  # a picture of the logarithms as they are
            low, high = float(picture.min()), float(picture.max())
            picture = ((picture - low) * (255 / max(high - low, 1e-6))).astype(np.uint8)
        self.canvas[box.rows, box.columns] = cv2.resize(
            cv2.flip(picture, 0), (box.width, box.height), interpolation=cv2.INTER_LINEAR
        )

    def _draw_notice(self, panel: Panel) -> None:
        """Draw the notice in a bar over the top of the frame. Without a notice, draw only a small "REC" at its left."""
        video, unit = self.layout.video, self.layout.unit
        text = " - ".join(filter(None, ["REC" if panel.recording else None, panel.notice]))
        width = video.width if panel.notice else min(video.width, round(64 * unit))
        box = Box(video.left, video.top, width, min(round(30 * unit), video.height))
        self.canvas[box.rows, box.columns] = BLACK if panel.notice else RED
        write(self.canvas, self._padded(box), text, WARNING if panel.notice else INK, size=24 * unit)

    def _draw_label(self, shown: DisplayState | None, waiting: str) -> None:
        box = self.layout.label
        inside, size = self._padded(box), min(box.height * 0.95, 64 * self.layout.unit)
        announced = shown is not None and shown.announced
        self.canvas[box.rows, box.columns] = ANNOUNCED if announced else PAPER
        if shown is None:
            write(self.canvas, inside, waiting, GREY, size=size * 0.6)
            return
        lines = wrap(shown.label, inside, size=size)
        height = box.height // len(lines)
        colour = BLACK if announced else GREY if shown.idle else INK
        for index, line in enumerate(lines):
            area = Box(inside.left, inside.top + index * height, inside.width, height)
            write(self.canvas, area, line, colour, size=size, bold=True)

    def _draw_bar(self, shown: DisplayState | None) -> None:
        box, unit = self.layout.bar, self.layout.unit
        score = 0.0 if shown is None else min(max(shown.score, 0.0), 1.0)
        text_width, gap = round(52 * unit), round(8 * unit)
        self.canvas[box.rows, box.columns] = PAPER
        bar = box._replace(width=box.width - text_width)
        self.canvas[bar.rows, bar.columns] = TRACK
        if shown is not None:
            filled = bar._replace(width=round(bar.width * score))
            self.canvas[filled.rows, filled.columns] = GREY if shown.idle else self._history.colour(shown.label)
            area = Box(bar.left + bar.width + gap, box.top, text_width - gap, box.height)
            write(self.canvas, area, f"{score:.0%}", INK, size=22 * unit)

    def _padded(self, box: Box) -> Box:
        pad = round(8 * self.layout.unit)
        return Box(box.left + pad, box.top, max(1, box.width - 2 * pad), box.height)
