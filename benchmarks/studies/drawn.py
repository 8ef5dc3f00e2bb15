"""Gestures drawn one by one, as clips a person would trim: what is measured where no videos are at hand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeshift.gestures import LABELS, STROKES, Act, DrawnStream, draw_stream

#: The first seed: apart from those of training, of validation, of rules and of ``events``.
FIRST = 500_000_000


def drawn_gestures(count: int, spacing: float, size: int) -> Iterator[tuple[str, DrawnStream]]:
    """``count`` gestures, the labels taking turns, each with the rest before and after it that a clip has.

    Args:
        count: how many. spacing: seconds between frames; another one shows the same motion. size: pixels a side.
    """
    for index in range(count):
        label = LABELS[index % len(LABELS)]
        random = np.random.default_rng([FIRST, index])
        least, most = STROKES[label].seconds
        seconds = float(np.exp(random.uniform(np.log(least), np.log(most))))
        script = [Act("pause", random.uniform(0.05, 0.5)), Act(label, seconds), Act("pause", random.uniform(0.1, 0.75))]
        yield label, draw_stream(FIRST + index, script, spacing=spacing, size=size)
