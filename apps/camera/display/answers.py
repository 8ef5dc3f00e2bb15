"""The picture of ``--picture``: frames of a clip in rows, each with its label and a bar that shows the score."""

from __future__ import annotations

import numpy as np

from edgeshift.stream import Prediction
from edgeshift.video.fit import Frame, opencv

#: When this many answers have been collected, every second one is dropped.
KEPT = 256
#: Most tiles in the picture, and tiles in a row.
TILES, COLUMNS = 32, 8
#: Side of a tile's frame, height of the strip with the label below it, gap between tiles, height of the title; pixels.
TILE, STRIP, GAP, TITLE = 160, 34, 4, 30
INK, PAPER, BAR, TRACK = (230, 230, 230), (24, 24, 28), (96, 200, 120), (64, 64, 70)


class AnswerSheet:
    """Collects frames of a clip with their answers, and draws some of them, evenly spaced over the clip."""

    def __init__(self) -> None:
        self._answers: list[tuple[Frame, Prediction]] = []
        self._count, self._every = 0, 1

    def add(self, frame: Frame, prediction: Prediction) -> None:
        """Add a frame, uint8 [H, W, 3] RGB, with its answer."""
        if self._count % self._every == 0:
            self._answers.append((frame, prediction))
        if len(self._answers) >= KEPT:
            self._answers, self._every = self._answers[::2], self._every * 2
        self._count += 1

    def draw(self, title: str) -> Frame:
        """Draw up to ``TILES`` evenly spaced answers below a title. Returns uint8 [H, W, 3] RGB."""
        cv2 = opencv("drawing a picture")
        picked = np.unique(np.linspace(0, len(self._answers) - 1, min(TILES, len(self._answers))).astype(int))
        rows, columns = -(-len(picked) // COLUMNS), min(COLUMNS, len(picked))
        canvas = np.empty((TITLE + rows * (TILE + STRIP + GAP), columns * (TILE + GAP) + GAP, 3), np.uint8)
        canvas[:] = PAPER
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(canvas, title, (GAP, 20), font, 0.5, INK, 1, cv2.LINE_AA)
        for tile, index in enumerate(picked):
            frame, answer = self._answers[index]
            row, column = divmod(tile, COLUMNS)
            top, left = TITLE + row * (TILE + STRIP + GAP), GAP + column * (TILE + GAP)
            canvas[top : top + TILE, left : left + TILE] = _tile(frame)
            text = f"{answer.label} {answer.score:.2f}"
            cv2.putText(canvas, text, (left + 2, top + TILE + 15), font, 0.42, INK, 1, cv2.LINE_AA)
            bar = top + TILE + 22
            canvas[bar : bar + 6, left : left + TILE] = TRACK
            canvas[bar : bar + 6, left : left + max(1, round(TILE * answer.score))] = BAR
        return canvas


def _tile(frame: Frame) -> Frame:
    """Fit the whole frame into a tile, with black borders."""
    cv2 = opencv("drawing a picture")
    height, width = frame.shape[:2]
    scale = TILE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    tile = np.zeros((TILE, TILE, 3), np.uint8)
    top, left = (TILE - size[1]) // 2, (TILE - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return tile
