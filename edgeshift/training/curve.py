"""The course of a run as a picture: losses above, accuracies below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgeshift.training.history import Entry
from edgeshift.video.fit import Frame, opencv
from edgeshift.video.picture import write_picture

WIDTH, HEIGHT, LEFT, GAP = 900, 260, 70, 40
BLACK, GREY = (30, 30, 30), (215, 215, 215)
COLOURS = ((31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40))
Line = tuple[str, list[tuple[float, float]]]


def draw_curve(entries: Sequence[Entry], path: Path) -> None:
    """Write the picture; nothing is written while there are no entries."""
    if not entries:
        return
    checked = [e for e in entries if e.validation is not None]
    losses: list[Line] = [
        ("loss", [(e.step, e.training.loss) for e in entries]),
        ("validation", [(e.step, e.validation.loss) for e in checked if e.validation]),
    ]
    rates: list[Line] = [
        ("frames", [(e.step, e.training.frame_accuracy) for e in entries]),
        ("validation: frames", [(e.step, e.validation.frame_accuracy) for e in checked if e.validation]),
        ("gestures", [(e.step, e.training.gesture_accuracy) for e in entries]),
        ("validation: gestures", [(e.step, e.validation.gesture_accuracy) for e in checked if e.validation]),
    ]
    most = float(np.percentile([y for _, line in losses for _, y in line], 98)) * 1.05
    picture = np.concatenate(
        [_plot("loss", losses, most, entries[-1].step), _plot("accuracy", rates, 1.0, entries[-1].step)]
    )
    write_picture(path, picture)


def _plot(title: str, lines: Sequence[Line], most: float, steps: int) -> Frame:
    cv2 = opencv("drawing the curve")
    picture = np.full((HEIGHT + 2 * GAP, WIDTH, 3), 255, np.uint8)
    right, bottom = WIDTH - 20, GAP + HEIGHT
    for part in range(5):
        y = bottom - HEIGHT * part // 4
        cv2.line(picture, (LEFT, y), (right, y), GREY, 1)
        _write(picture, f"{most * part / 4:.2f}", (LEFT - 48, y + 4), BLACK)
        x = LEFT + (right - LEFT) * part // 4
        _write(picture, f"{steps * part // 4:,}", (x - 12, bottom + 18), BLACK)
    _write(picture, title, (LEFT, GAP - 14), BLACK)
    at = LEFT + 110
    for (name, points), colour in zip(lines, COLOURS, strict=False):
        if not points:
            continue
        values = np.array(points, float)
        across = LEFT + values[:, 0] / max(steps, 1) * (right - LEFT)
        down = bottom - np.clip(values[:, 1] / max(most, 1e-9), 0, 1) * HEIGHT
        way = np.stack([across, down], 1).round().astype(np.int32)
        cv2.polylines(picture, [way], False, colour, 2 if "validation" in name else 1, cv2.LINE_AA)
        if "validation" in name:
            for point in way.tolist():
                cv2.circle(picture, point, 3, colour, -1, cv2.LINE_AA)
        last = f"{name} {points[-1][1]:.3f}"
        _write(picture, last, (at, GAP - 14), colour)
        at += 24 + 8 * len(last)
    return picture


def _write(picture: Frame, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    cv2 = opencv("drawing the curve")
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
