"""Writing on pictures: as large as fits, never beyond its rectangle."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from edgeshift.apps.camera.display.layout import Box
from edgeshift.video.fit import Frame, opencv

Colour = tuple[int, int, int]
#: Pixels of a capital letter of the font at scale 1, and how much of a line it is.
CAPITAL, OF_LINE = 22, 0.58
#: The scale below which nothing is read: text is cut there.
SMALLEST = 0.4


def write(canvas: Frame, box: Box, text: str, colour: Colour, *, size: float, bold: bool = False) -> None:
    """One line, at the left and in the middle of a rectangle.

    Args:
        canvas: uint8 [H, W, 3] RGB. size: pixels of a line at most; smaller where the text is long, and cut where it
            would not be readable.
    """
    cv2 = opencv("drawing")
    drawn, scale, thickness = _fit(drawable(text), box.width, min(size, box.height), bold)
    baseline = box.top + (box.height + round(CAPITAL * scale)) // 2
    cv2.putText(canvas, drawn, (box.left, baseline), _font(bold), scale, colour, thickness, cv2.LINE_AA)


def write_lines(canvas: Frame, box: Box, lines: Sequence[str], colour: Colour, *, count: int) -> None:
    """Lines below each other, of one size, in a rectangle with room for ``count``."""
    height = box.height / count
    for index, line in enumerate(lines[:count]):
        place = Box(box.left, box.top + round(index * height), box.width, round(height))
        write(canvas, place, line, colour, size=height)


def wrap(text: str, box: Box, *, size: float) -> list[str]:
    """A label on one line if it stays large there, else on two."""
    words = text.split()
    alone = _fit(drawable(text), box.width, size, True)[1]
    if len(words) < 2:
        return [text]
    pairs = [(" ".join(words[:cut]), " ".join(words[cut:])) for cut in range(1, len(words))]
    best = min(pairs, key=lambda pair: max(map(len, pair)))
    together = min(_fit(drawable(part), box.width, min(size, box.height / 2), True)[1] for part in best)
    return list(best) if together > alone * 1.15 else [text]


def drawable(text: str) -> str:
    """The text in letters that OpenCV's fonts have: accents are taken off, the rest becomes "?"."""
    if text.isascii():
        return text
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return plain.encode("ascii", "replace").decode()


@lru_cache(maxsize=512)
def _fit(text: str, width: int, size: float, bold: bool) -> tuple[str, float, int]:
    """What is written, at which scale and thickness."""
    cv2 = opencv("drawing")
    font = _font(bold)
    scale = size * OF_LINE / CAPITAL
    smallest = min(scale, SMALLEST)

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
