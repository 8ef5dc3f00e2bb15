"""Writes text into rectangles of a picture, in the largest size that fits. Also defines the colours of the picture."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from edgeshift.apps.camera.display.layout import Box
from edgeshift.video.fit import Frame, opencv

Colour = tuple[int, int, int]
TRACK, INK, BLACK, GREY = (58, 58, 66), (240, 240, 240), (0, 0, 0), (170, 170, 178)
#: Height of a capital letter of OpenCV's font at scale 1, pixels, and its share of a line's height.
CAPITAL, CAPITAL_SHARE = 22, 0.58
#: Smallest readable scale of the font. Text that is too long at this scale is cut.
SMALLEST_SCALE = 0.4


def write(canvas: Frame, box: Box, text: str, colour: Colour, *, size: float, bold: bool = False) -> None:
    """Write one line into a rectangle, left-aligned and vertically centred.

    Args:
        canvas: uint8 [H, W, 3] RGB.
        box: the rectangle.
        text: the line. Long text is written smaller, and cut if it would become unreadable.
        colour: red, green and blue.
        size: height of the line, pixels; the rectangle's height is the limit.
        bold: use thick strokes.
    """
    cv2 = opencv("drawing")
    drawn, scale, thickness = _fit(drawable(text), box.width, min(size, box.height), bold)
    baseline = box.top + (box.height + round(CAPITAL * scale)) // 2
    cv2.putText(canvas, drawn, (box.left, baseline), _font(bold), scale, colour, thickness, cv2.LINE_AA)


def write_lines(canvas: Frame, box: Box, lines: Sequence[str], colour: Colour, *, count: int) -> None:
    """Write lines below each other into a rectangle that has room for ``count`` lines."""
    height = box.height / count
    for index, line in enumerate(lines[:count]):
        area = Box(box.left, box.top + round(index * height), box.width, round(height))
        write(canvas, area, line, colour, size=height)


def wrap(text: str, box: Box, *, size: float) -> list[str]:
    """Break a label into two lines if its letters become clearly larger in this way; otherwise keep it in one line."""
    words = text.split()
    if len(words) < 2:
        return [text]
    one_line = _fit(drawable(text), box.width, size, True)[1]
    pairs = [(" ".join(words[:cut]), " ".join(words[cut:])) for cut in range(1, len(words))]
    best = min(pairs, key=lambda pair: max(map(len, pair)))
    two_lines = min(_fit(drawable(part), box.width, min(size, box.height / 2), True)[1] for part in best)
    return list(best) if two_lines > one_line * 1.15 else [text]


def drawable(text: str) -> str:
    """Return the text in letters that OpenCV's fonts have: accents are removed, other letters become "?"."""
    if text.isascii():
        return text
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return plain.encode("ascii", "replace").decode()


@lru_cache(maxsize=512)
def _fit(text: str, width: int, size: float, bold: bool) -> tuple[str, float, int]:
    """Return the text, cut if it is too long, with the scale and line thickness at which it fits."""
    cv2 = opencv("drawing")
    font = _font(bold)
    scale = size * CAPITAL_SHARE / CAPITAL
    smallest = min(scale, SMALLEST_SCALE)

    def extent(text: str, scale: float) -> int:
        return int(cv2.getTextSize(text, font, scale, _thickness(scale, bold))[0][0])

    while extent(text, scale) > width and scale > smallest:
        scale = max(smallest, scale * 0.94)
    while len(text) > 1 and extent(text, scale) > width:
        text = f"{text.rstrip('.')[:-1]}.."
        if text == "..":
            break
    return text, scale, _thickness(scale, bold)


def _thickness(scale: float, bold: bool) -> int:
    return max(2 if bold else 1, round(scale * (2 if bold else 1.4)))


def _font(bold: bool) -> int:
    cv2 = opencv("drawing")
    return int(cv2.FONT_HERSHEY_DUPLEX if bold else cv2.FONT_HERSHEY_SIMPLEX)
