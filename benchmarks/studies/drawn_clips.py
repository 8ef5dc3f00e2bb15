"""Drawn clips of single gestures, cut as closely as clips that are trimmed by hand. Studies test networks on them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeshift.gestures import LABELS, STROKES, Action, DrawnStream, draw_stream

#: First seed of the clips. Training, validation, the tuning of event rules and ``events`` use other seeds.
FIRST_SEED = 500_000_000


def drawn_gestures(count: int, spacing: float, size: int) -> Iterator[tuple[str, DrawnStream]]:
    """Draw gestures, each with a short pause before and after it.

    Args:
        count: number of gestures. They cycle through the labels.
        spacing: seconds between frames. The motion is the same at any spacing.
        size: height and width of the frames, pixels.

    Yields:
        The label, and the drawn stream.
    """
    for index in range(count):
        label = LABELS[index % len(LABELS)]
        random = np.random.default_rng([FIRST_SEED, index])
        shortest, longest = STROKES[label].seconds
        seconds = float(np.exp(random.uniform(np.log(shortest), np.log(longest))))
        script = [
            Action("pause", random.uniform(0.05, 0.5)),
            Action(label, seconds),
            Action("pause", random.uniform(0.1, 0.75)),
        ]
        yield label, draw_stream(FIRST_SEED + index, script, spacing=spacing, size=size)
