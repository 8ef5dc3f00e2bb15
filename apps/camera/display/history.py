"""Draws the labels of the last seconds as a strip: a coloured block per label, a bright edge per announced event."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from colorsys import hsv_to_rgb
from dataclasses import dataclass

from edgeshift.apps.camera.display.layout import Box
from edgeshift.apps.camera.display.text import BLACK, GREY, INK, TRACK, Colour, write
from edgeshift.apps.camera.engine.session import Answer
from edgeshift.video.fit import Frame

#: Seconds that the strip shows.
SPAN = 10.0
#: Width of an edge, height of letters, padding beside them, least width of a block with letters; pixels at unit 1.
EDGE, LETTERS, PAD, LETTERED = 3, 22, 5, 24


@dataclass
class Block:
    """Consecutive answers with the same label.

    Attributes:
        begin: time of the first answer, seconds.
        end: time of the first answer with the next label, seconds; in the newest block, time of its last answer.
        label: the label.
        idle: whether the label stands for no gesture; such a block is not drawn.
    """

    begin: float
    end: float
    label: str
    idle: bool


class History:
    """The answers of the last ``SPAN`` seconds.

    Args:
        labels: the labels of all artifacts, which get one colour each.

    Attributes:
        blocks: the labels over time, the newest last.
        marks: times of announced events, seconds.
    """

    def __init__(self, labels: Iterable[str]) -> None:
        self._colours = {label: _colour(index) for index, label in enumerate(dict.fromkeys(labels))}
        self.blocks: deque[Block] = deque()
        self.marks: deque[float] = deque()
        self._epoch = 0

    def add(self, answer: Answer) -> None:
        """Add an answer. If it is older than the last one, because a clip starts again, clear the history first."""
        shown, now = answer.shown, answer.timestamp
        if self.blocks:
            if now < self.blocks[-1].end:
                self.clear()
            elif answer.epoch != self._epoch:  # the stream was reset, so the time since the last answer has no label
                self.blocks.append(Block(self.blocks[-1].end, now, "", idle=True))
            else:
                self.blocks[-1].end = now
        self._epoch = answer.epoch
        if not self.blocks or self.blocks[-1].label != shown.label:
            self.blocks.append(Block(now, now, shown.label, shown.idle))
        if shown.event is not None:
            self.marks.append(now)
        while self.blocks[0].end < now - SPAN:
            self.blocks.popleft()
        while self.marks and self.marks[0] < now - SPAN:
            self.marks.popleft()

    def clear(self) -> None:
        """Remove all answers."""
        self.blocks.clear()
        self.marks.clear()

    def colour(self, label: str) -> Colour:
        """Return the colour of a label."""
        return self._colours.get(label, GREY)

    def draw(self, canvas: Frame, box: Box, now: float, unit: float) -> None:
        """Draw the strip.

        Args:
            canvas: uint8 [H, W, 3] RGB.
            box: where the strip is.
            now: time at the right end, seconds.
            unit: scale of sizes (``Layout.unit``).
        """
        canvas[box.rows, box.columns] = TRACK
        end = box.left + box.width
        drawn = []
        for block in self.blocks:
            left = _column(box, block.begin, now)
            right = end if block is self.blocks[-1] else _column(box, block.end, now)  # the newest block ends now
            if right > left and not block.idle:
                canvas[box.rows, left:right] = self.colour(block.label)
                drawn.append((left, right, block.label))
        edge, pad = max(2, round(EDGE * unit)), round(PAD * unit)
        for mark in self.marks:
            left = min(_column(box, mark, now), end - edge)
            canvas[box.rows, left : left + edge] = INK
        for left, right, label in drawn:
            if right - left > LETTERED * unit:
                area = Box(left + pad, box.top, right - left - pad, box.height)
                write(canvas, area, label, BLACK, size=LETTERS * unit)


def _column(box: Box, time: float, now: float) -> int:
    share = (time - now) / SPAN + 1
    return box.left + round(box.width * min(max(share, 0.0), 1.0))


def _colour(index: int) -> Colour:
    """Return a bright colour. The golden ratio keeps the hues of neighbouring indices far apart."""
    red, green, blue = hsv_to_rgb((0.55 + index * 0.381966) % 1, 0.55, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)
