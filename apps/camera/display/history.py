"""The last seconds as a strip: a block for each label, a bright edge where one was announced."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from colorsys import hsv_to_rgb
from dataclasses import dataclass

from edgeshift.apps.camera.display.layout import Box
from edgeshift.apps.camera.display.text import Colour, write
from edgeshift.apps.camera.engine.session import Answer
from edgeshift.video.fit import Frame

#: Seconds that are shown.
SPAN = 10.0
TRACK, INK, BLACK, GREY = (58, 58, 66), (240, 240, 240), (0, 0, 0), (170, 170, 178)
#: Pixels on the reference: of an edge, of letters, beside them, and of a block that has room for some.
EDGE, LETTERS, PAD, ROOM = 3, 22, 5, 24


@dataclass
class Run:
    """A stretch of one label: seconds from its first answer to the first of the next."""

    begin: float
    end: float
    label: str
    idle: bool


class History:
    """What was said. labels: of all artifacts, for their colours."""

    def __init__(self, labels: Iterable[str]) -> None:
        self._colours = {label: _colour(index) for index, label in enumerate(dict.fromkeys(labels))}
        self.runs: deque[Run] = deque()
        self.marks: deque[float] = deque()
        self._epoch = 0

    def hear(self, answer: Answer) -> None:
        """Take an answer; a clock that jumps back begins a new history."""
        said, now = answer.said, answer.timestamp
        if self.runs:
            if now < self.runs[-1].end:
                self.clear()
            elif answer.epoch != self._epoch:  # paused, lost, reset: nobody looked between
                self.runs.append(Run(self.runs[-1].end, now, "", idle=True))
            else:
                self.runs[-1].end = now
        self._epoch = answer.epoch
        if not self.runs or self.runs[-1].label != said.label:
            self.runs.append(Run(now, now, said.label, said.idle))
        if said.event is not None:
            self.marks.append(now)
        while self.runs[0].end < now - SPAN:
            self.runs.popleft()
        while self.marks and self.marks[0] < now - SPAN:
            self.marks.popleft()

    def clear(self) -> None:
        """Forget everything."""
        self.runs.clear()
        self.marks.clear()

    def colour(self, label: str) -> Colour:
        """A label's own."""
        return self._colours.get(label, GREY)

    def draw(self, canvas: Frame, box: Box, now: float, unit: float) -> None:
        """Draw the strip. canvas: uint8 [H, W, 3] RGB. now: its right end. unit: how much larger than the reference."""
        canvas[box.rows, box.columns] = TRACK
        end = box.left + box.width
        shown = []
        for run in self.runs:
            left = _across(box, run.begin, now)
            right = end if run is self.runs[-1] else _across(box, run.end, now)  # the last goes on until now
            if right > left and not run.idle:
                canvas[box.rows, left:right] = self.colour(run.label)
                shown.append((left, right, run.label))
        edge, pad = max(2, round(EDGE * unit)), round(PAD * unit)
        for mark in self.marks:
            left = min(_across(box, mark, now), end - edge)
            canvas[box.rows, left : left + edge] = INK
        for left, right, label in shown:
            if right - left > ROOM * unit:
                place = Box(left + pad, box.top, right - left - pad, box.height)
                write(canvas, place, label, BLACK, size=LETTERS * unit)


def _across(box: Box, moment: float, now: float) -> int:
    share = (moment - now) / SPAN + 1
    return box.left + round(box.width * min(max(share, 0.0), 1.0))


def _colour(index: int) -> Colour:
    """Bright colours that are far apart for neighbours."""
    red, green, blue = hsv_to_rgb((0.55 + index * 0.381966) % 1, 0.55, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)
