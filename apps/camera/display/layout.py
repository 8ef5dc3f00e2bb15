"""Where things are on the picture: rectangles that do not overlap, for any size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from edgeshift.errors import EdgeshiftError

#: Pixels of the picture on which sizes are given: everything grows with it.
REFERENCE = 640
SMALLEST = (320, 240)
LARGEST = 4096
#: Of the panel below the frame, and beside it; between parts. Pixels on the reference.
BELOW, BESIDE, GAP = 150, 236, 6


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def rows(self) -> slice:
        """Of an image."""
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        """Of an image."""
        return slice(self.left, self.left + self.width)


@dataclass(frozen=True)
class Layout:
    """All parts.

    Attributes:
        width, height: of the picture, even (as videos want). unit: how much larger than the reference.
        video: the frame. label: what is said. bar: how sure. stats: the numbers, in ``lines`` lines. history: the last
            seconds. help: the keys, in ``help_lines`` lines.
    """

    width: int
    height: int
    unit: float
    video: Box
    label: Box
    bar: Box
    stats: Box
    history: Box
    help: Box
    lines: int
    help_lines: int

    @property
    def boxes(self) -> dict[str, Box]:
        """{part: its rectangle}."""
        return {name: getattr(self, name) for name in ("video", "label", "bar", "stats", "history", "help")}


def lay_out(frame: tuple[int, int], size: tuple[int, int] | None = None, room: tuple[int, int] | None = None) -> Layout:
    """Place everything.

    Args:
        frame: (width, height) of the source's frames.
        size: (width, height) that the picture has. None: the frame as it is (small ones enlarged, large ones
            reduced), with the panel below a wide one and beside another.
        room: (width, height) of the screen, for a picture without a size.

    Raises:
        EdgeshiftError: a size in which nothing could be read.
    """
    if size is None and room is not None:
        wanted = lay_out(frame)
        size = room if wanted.width > room[0] or wanted.height > room[1] else None
    if size is None:
        scale = min(max(1.0, 480 / min(frame)), 1280 / frame[0], 960 / frame[1])
        width, height = max(_even(frame[0] * scale), SMALLEST[0]), max(_even(frame[1] * scale), SMALLEST[1])
        unit = max(1.0, _unit(width, height * 4 / 3))
        if width < 1.25 * height:
            return _beside(frame, width + _even(BESIDE * unit), height, unit)
        return _below(frame, width, height + _even(BELOW * unit), unit)
    width, height = size
    if width < SMALLEST[0] or height < SMALLEST[1] or max(size) > LARGEST:
        raise EdgeshiftError(
            f"a picture of {width}x{height} is out of range: give {SMALLEST[0]}x{SMALLEST[1]} to {LARGEST} a side"
        )
    unit = _unit(width, height * 4 / 3)
    choices = _below(frame, width, height, unit), _beside(frame, width, height, unit)
    return max(choices, key=lambda one: _fitted(frame, one.video).width)


def _below(frame: tuple[int, int], width: int, height: int, unit: float) -> Layout:
    """The panel below: label left, numbers right, then the bar, the history and the keys across."""
    width, height = _even(width), _even(height)
    panel, gap = _even(BELOW * unit), _px(GAP, unit)
    top = height - panel
    inner = width - 2 * gap
    # From below, so that rounding goes into the label.
    keys = Box(gap, height - gap // 2 - _px(16, unit), inner, _px(16, unit))
    history = Box(gap, keys.top - gap - _px(34, unit), inner, _px(34, unit))
    left = round(inner * 0.54)
    bar = Box(gap, history.top - gap - _px(16, unit), left, _px(16, unit))
    label = Box(gap, top + gap, left, bar.top - top - 2 * gap)
    stats = Box(gap + left + gap, top + gap, inner - left - gap, history.top - top - 2 * gap)
    video = _fitted(frame, Box(0, 0, width, top))
    return Layout(width, height, unit, video, label, bar, stats, history, keys, 5, 1)


def _beside(frame: tuple[int, int], width: int, height: int, unit: float) -> Layout:
    """The panel to the right, everything one below the other."""
    width, height = _even(width), _even(height)
    panel, gap = _even(BESIDE * unit), _px(GAP, unit)
    left, inner = width - panel + gap, panel - 2 * gap
    label = Box(left, gap, inner, _px(72, unit))
    bar = Box(left, label.top + label.height + gap, inner, _px(16, unit))
    history = Box(left, bar.top + bar.height + gap, inner, _px(34, unit))
    keys = Box(left, height - gap - _px(48, unit), inner, _px(48, unit))
    top = history.top + history.height + gap
    stats = Box(left, top, inner, min(keys.top - gap - top, _px(150, unit)))
    video = _fitted(frame, Box(0, 0, width - panel, height))
    return Layout(width, height, unit, video, label, bar, stats, history, keys, 8, 3)


def _fitted(frame: tuple[int, int], box: Box) -> Box:
    """The largest rectangle of the frame's shape in the middle of a box; the frame itself where it nearly fits."""
    scale = min(box.width / frame[0], box.height / frame[1])
    width, height = max(1, round(frame[0] * scale)), max(1, round(frame[1] * scale))
    return Box(box.left + (box.width - width) // 2, box.top + (box.height - height) // 2, width, height)


def _unit(width: float, height: float) -> float:
    return min(max(min(width, height) / REFERENCE, 0.5), 4.0)


def _px(reference: float, unit: float) -> int:
    return max(1, round(reference * unit))


def _even(value: float) -> int:
    return max(2, round(value / 2) * 2)
