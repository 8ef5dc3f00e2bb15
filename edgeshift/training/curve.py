"""The plot of a training run: losses above, accuracies below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeshift._system.files import atomic_write
from edgeshift.errors import missing
from edgeshift.training.history import Entry

Points = list[tuple[int, float]]


def draw_curve(entries: Sequence[Entry], path: Path) -> None:
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
    losses = [(step, sums.loss) for step, sums in training]
    validation_losses = [(step, sums.loss) for step, sums in validation]
    _plot(top, "training", losses, validation_losses, "tab:blue")
    # The first losses are so high that they would flatten the rest of the curve.
    top.set_ylim(0, float(np.percentile([loss for _, loss in losses + validation_losses], 98)) * 1.05 or None)
    for name, attribute, colour in (
        ("frames", "frame_accuracy", "tab:orange"),
        ("gestures", "gesture_accuracy", "tab:green"),
    ):
        points, checked = (
            [(step, float(getattr(sums, attribute))) for step, sums in part] for part in (training, validation)
        )
        _plot(bottom, name, points, checked, colour)
    bottom.set_ylim(0, 1)
    bottom.set_xlabel("optimizer steps")
    for axes, quantity in ((top, "loss"), (bottom, "accuracy")):
        axes.set_ylabel(quantity)
        axes.grid(alpha=0.3)
        axes.legend()
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)


def _plot(axes: Any, name: str, training: Points, validation: Points, colour: str) -> None:
    axes.plot(*zip(*training, strict=True), color=colour, linewidth=1, label=f"{name} {training[-1][1]:.3f}")
    if validation:
        label = f"{name}, validation {validation[-1][1]:.3f}"
        axes.plot(*zip(*validation, strict=True), color=colour, linewidth=2, marker="o", markersize=4, label=label)
