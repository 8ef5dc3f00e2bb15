"""A picture of what a stream answered: frames in reading order, each with its label and a confidence bar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgeshift.stream import Prediction
from edgeshift.video.fit import opencv

#: Pixels of a tile: the frame, and the strip with the label below it.
TILE, STRIP, GAP = 160, 34, 4
COLUMNS = 8
INK, PAPER, BAR, REST = (230, 230, 230), (24, 24, 28), (96, 200, 120), (64, 64, 70)


def draw_answers(
    answers: Sequence[tuple[npt.NDArray[np.uint8], Prediction]], title: str, count: int = 32
) -> npt.NDArray[np.uint8]:
    """Draw up to ``count`` answers, evenly picked.

    Args:
        answers: (frame uint8 [H, W, 3] RGB, its prediction), in order.
        title: written above.
        count: tiles at most.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    cv2 = opencv("drawing a picture")
    picked = np.unique(np.linspace(0, len(answers) - 1, min(count, len(answers))).astype(int))
    rows = -(-len(picked) // COLUMNS)
    columns = min(COLUMNS, len(picked))
    canvas = np.empty((30 + rows * (TILE + STRIP + GAP), columns * (TILE + GAP) + GAP, 3), np.uint8)
    canvas[:] = PAPER
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(canvas, title, (GAP, 20), font, 0.5, INK, 1, cv2.LINE_AA)
    for place, index in enumerate(picked):
        frame, answer = answers[index]
        top, left = 30 + place // COLUMNS * (TILE + STRIP + GAP), GAP + place % COLUMNS * (TILE + GAP)
        canvas[top : top + TILE, left : left + TILE] = _fit(frame)
        text = f"{answer.label} {answer.score:.2f}"
        cv2.putText(canvas, text, (left + 2, top + TILE + 15), font, 0.42, INK, 1, cv2.LINE_AA)
        bar = top + TILE + 22
        canvas[bar : bar + 6, left : left + TILE] = REST
        canvas[bar : bar + 6, left : left + max(1, round(TILE * answer.score))] = BAR
    return canvas


def _fit(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The whole frame inside a tile, on black."""
    cv2 = opencv("drawing a picture")
    height, width = frame.shape[:2]
    scale = TILE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    tile = np.zeros((TILE, TILE, 3), np.uint8)
    top, left = (TILE - size[1]) // 2, (TILE - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = small
    return tile
