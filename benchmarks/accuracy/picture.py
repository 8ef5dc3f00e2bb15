"""A picture of a confusion matrix: a row for each label, a column for each answer, darker the more clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgeshift.video.fit import opencv

#: Pixels of a cell, of the labels on the left and above, and characters of a label.
CELL, MARGIN, TITLE, CHARACTERS = 44, 110, 34, 14
INK, PAPER, GRID, FULL, PALE = (30, 30, 34), (250, 250, 250), (215, 215, 220), (32, 88, 160), (255, 255, 255)


def draw_confusion(matrix: Sequence[Sequence[int]], labels: Sequence[str], title: str) -> npt.NDArray[np.uint8]:
    """Draw it.

    Args:
        matrix: clips by [label][answer]. labels: of both; cut where they are long.
        title: written above.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    cv2 = opencv("drawing a picture")
    count = len(labels)
    wide = max(MARGIN + count * CELL + 8, 12 + _width(title, 0.45), 200)
    canvas = np.empty((TITLE + MARGIN + count * CELL + 8, wide, 3), np.uint8)
    canvas[:] = PAPER
    _write(canvas, title, (8, 20), 0.45, INK)
    _write(canvas, "shown", (8, TITLE + MARGIN - 6), 0.4, INK)
    edge = count * CELL + 1
    canvas[TITLE + MARGIN : TITLE + MARGIN + edge, MARGIN : MARGIN + edge] = GRID
    for column, label in enumerate(labels):
        strip = np.empty((CELL, MARGIN, 3), np.uint8)
        strip[:] = PAPER
        _write(strip, _short(label), (6, CELL // 2 + 5), 0.42, INK)
        left = MARGIN + column * CELL
        canvas[TITLE : TITLE + MARGIN, left : left + CELL] = cv2.rotate(strip, cv2.ROTATE_90_COUNTERCLOCKWISE)
    for row, label in enumerate(labels):
        top, total = TITLE + MARGIN + row * CELL, sum(matrix[row])
        _write(canvas, _short(label), (8, top + CELL // 2 + 5), 0.42, INK)
        for column, clips in enumerate(matrix[row]):
            left, part = MARGIN + column * CELL, clips / max(total, 1)
            colour = np.array(PALE) + (np.array(FULL) - PALE) * part
            canvas[top + 1 : top + CELL, left + 1 : left + CELL] = colour.astype(np.uint8)
            if clips:
                text = str(clips)
                place = (left + (CELL - _width(text, 0.45)) // 2, top + CELL // 2 + 5)
                _write(canvas, text, place, 0.45, PALE if part > 0.5 else INK)
    return canvas


def _short(label: str) -> str:
    # OpenCV's letters are ASCII: anything else would be a row of question marks anyway.
    text = label.encode("ascii", "replace").decode()
    return text if len(text) <= CHARACTERS else f"{text[: CHARACTERS - 2]}.."


def _width(text: str, scale: float) -> int:
    cv2 = opencv("drawing a picture")
    return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0])


def _write(
    canvas: npt.NDArray[np.uint8], text: str, place: tuple[int, int], scale: float, ink: tuple[int, int, int]
) -> None:
    cv2 = opencv("drawing a picture")
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)
