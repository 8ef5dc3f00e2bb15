"""The positions of all parts of the picture: rectangles that do not overlap, for a picture of any size."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple

from edgeshift.errors import EdgeshiftError

#: Width of a 4:3 picture for which ``Layout.unit`` is 1, pixels.
REFERENCE = 640
#: Smallest width and height of a picture, and the largest value of either, pixels.
SMALLEST, LARGEST = (320, 240), 4096
#: Height of the panel below the frame, width of the panel beside it, gap between parts; pixels at unit 1.
BELOW, BESIDE, GAP = 150, 236, 6
#: Width of the strip with the picture of the sound, and height of each of the two lines below it; pixels at unit 1.
STRIP, LINE = 172, 26


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def rows(self) -> slice:
        """The rows of an image inside the rectangle."""
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        """The columns of an image inside the rectangle."""
        return slice(self.left, self.left + self.width)


@dataclass(frozen=True)
class Layout:
    """The position of each part of a picture.

    Attributes:
        width: width of the picture, pixels; even, because video encoders require it.
        height: height of the picture, pixels; even.
        unit: scale of all sizes; 1 for a picture of 640 x 480.
        video: the frame.
        label: the label.
        bar: the score of the label.
        stats: the figures.
        history: the last seconds.
        help: the keys.
        lines: number of lines of text in ``stats``.
        help_lines: number of lines of text in ``help``.
        sound: the picture of the sound; None: there is no sound.
        hearing: two lines of text about the sound; None: there is no sound.
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
    sound: Box | None = None
    hearing: Box | None = None


def lay_out(
    frame: tuple[int, int],
    size: tuple[int, int] | None = None,
    screen: tuple[int, int] | None = None,
    *,
    sound: bool = False,
) -> Layout:
    """Compute the layout of a picture.

    Args:
        frame: width and height of the source's frames, pixels.
        size: width and height of the picture, pixels. None: the frame keeps its size (small frames are enlarged, large
            ones reduced), with the panel below a wide frame and beside a narrow one.
        screen: width and height of the screen, pixels; they limit the picture if ``size`` is None. None: unknown.
        sound: whether a strip on the right shows the picture of the sound.

    Raises:
        EdgeshiftError: the size is too small for readable text, or too large.
    """
    if size is None and screen is not None:
        natural = lay_out(frame, sound=sound)
        size = screen if natural.width > screen[0] or natural.height > screen[1] else None
    if size is not None:
        _require_size(size)
    if not sound:
        return _without_sound(frame, size)
    if size is None:
        return _with_strip(_without_sound(frame, None))
    strip = _even(STRIP * _unit(size[0], size[1] * 4 / 3))
    return _with_strip(_without_sound(frame, (_even(size[0]) - strip, size[1])), strip)


def _with_strip(layout: Layout, strip: int | None = None) -> Layout:
    """Add a strip for the sound to the right of a layout. ``strip``: its width, pixels; None: chosen by the unit."""
    strip = strip or _even(STRIP * layout.unit)
    gap, text = _px(GAP, layout.unit), 2 * _px(LINE, layout.unit)
    side = min(strip - 2 * gap, layout.height - 3 * gap - text)
    picture = Box(layout.width + gap, gap, side, side)
    hearing = Box(picture.left, picture.top + side + gap, strip - 2 * gap, text)
    return replace(layout, width=layout.width + strip, sound=picture, hearing=hearing)


def _require_size(size: tuple[int, int]) -> None:
    if size[0] < SMALLEST[0] or size[1] < SMALLEST[1] or max(size) > LARGEST:
        raise EdgeshiftError(
            f"--size {size[0]}x{size[1]} is out of range: give {SMALLEST[0]}x{SMALLEST[1]} to {LARGEST}x{LARGEST}"
        )


def _without_sound(frame: tuple[int, int], size: tuple[int, int] | None) -> Layout:
    if size is None:
        scale = min(max(1.0, 480 / min(frame)), 1280 / frame[0], 960 / frame[1])
        width, height = max(_even(frame[0] * scale), SMALLEST[0]), max(_even(frame[1] * scale), SMALLEST[1])
        unit = max(1.0, _unit(width, height * 4 / 3))
        if width < 1.25 * height:
            return _beside(frame, width + _even(BESIDE * unit), height, unit)
        return _below(frame, width, height + _even(BELOW * unit), unit)
    width, height = size
    unit = _unit(width, height * 4 / 3)
    layouts = _below(frame, width, height, unit), _beside(frame, width, height, unit)
    return max(layouts, key=lambda layout: layout.video.width)


def parse_size(text: str) -> tuple[int, int]:
    """Read a width and height such as "800x480". Raise an EdgeshiftError for text of another form."""
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text.strip())
    if not match:
        raise EdgeshiftError(f"--size {text!r} is not a picture size: write WIDTHxHEIGHT, such as 800x480")
    return int(match[1]), int(match[2])


def _below(frame: tuple[int, int], width: int, height: int, unit: float) -> Layout:
    """Put the panel below the frame: label and bar on the left, figures on the right, then the history and the keys."""
    width, height = _even(width), _even(height)
    panel, gap = _even(BELOW * unit), _px(GAP, unit)
    top = height - panel
    inner = width - 2 * gap
    # Placed from the bottom up, so that rounding errors change the label's height only.
    keys = Box(gap, height - gap // 2 - _px(16, unit), inner, _px(16, unit))
    history = Box(gap, keys.top - gap - _px(34, unit), inner, _px(34, unit))
    left = round(inner * 0.54)
    bar = Box(gap, history.top - gap - _px(16, unit), left, _px(16, unit))
    label = Box(gap, top + gap, left, bar.top - top - 2 * gap)
    stats = Box(gap + left + gap, top + gap, inner - left - gap, history.top - top - 2 * gap)
    video = _fitted(frame, Box(0, 0, width, top))
    return Layout(width, height, unit, video, label, bar, stats, history, keys, 5, 1)


def _beside(frame: tuple[int, int], width: int, height: int, unit: float) -> Layout:
    """Put the panel to the right of the frame, with its parts stacked from top to bottom."""
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
    """Return the largest rectangle with the frame's aspect ratio that fits into a box, centred in the box."""
    scale = min(box.width / frame[0], box.height / frame[1])
    width, height = max(1, round(frame[0] * scale)), max(1, round(frame[1] * scale))
    return Box(box.left + (box.width - width) // 2, box.top + (box.height - height) // 2, width, height)


def _unit(width: float, height: float) -> float:
    return min(max(min(width, height) / REFERENCE, 0.5), 4.0)


def _px(reference: float, unit: float) -> int:
    return max(1, round(reference * unit))


def _even(value: float) -> int:
    return max(2, round(value / 2) * 2)
