"""The plot of a training run: losses above, accuracies below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeshift._system.files import atomic_write
from edgeshift.errors import missing
from edgeshift.training.history import HistoryEntry

VALIDATION_STYLE: dict[str, Any] = {"linewidth": 2, "marker": "o", "markersize": 4}


def draw_curve(entries: Sequence[HistoryEntry], path: Path) -> None:
    """Write the plot as a PNG file. If there are no entries, nothing is written.

    Raises:
        RuntimeMissingError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing("matplotlib", "report", "drawing the training curve") from error
    if not entries:
        return
    training = [(entry.step, entry.training) for entry in entries]
    validation = [(entry.step, entry.validation) for entry in entries if entry.validation is not None]
    figure = Figure(figsize=(9, 6.8), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = figure.subplots(2, 1, sharex=True)
    for axes, name, attribute, colour in (
        (top, "loss", "loss", "tab:blue"),
        (bottom, "frames", "frame_accuracy", "tab:orange"),
        (bottom, "gestures", "gesture_accuracy", "tab:green"),
    ):
        for part, points, style in (("training", training, {}), ("validation", validation, VALIDATION_STYLE)):
            if points:
                steps, values = zip(*((step, float(getattr(sums, attribute))) for step, sums in points), strict=True)
                axes.plot(steps, values, color=colour, label=f"{part}: {name} {values[-1]:.3f}", **style)
    # The first losses are so high that they would flatten the rest of the curve.
    highest = float(np.percentile([sums.loss for _, sums in (*training, *validation)], 98))
    top.set_ylim(0, highest * 1.05 or None)
    bottom.set_ylim(0, 1)
    bottom.set_xlabel("optimizer steps")
    for axes, quantity in ((top, "loss"), (bottom, "accuracy")):
        axes.set_ylabel(quantity)
        axes.grid(alpha=0.3)
        axes.legend()
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
