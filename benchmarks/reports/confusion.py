"""The confusion matrix of an artifact, in a page of reports or as a picture file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeshift._system.files import atomic_write
from edgeshift.benchmarks.reports.figure import GRID, INK, SERIES, WIDTH, Canvas, Drawing, canvas, shorten

#: Most characters of a label, and most labels with which the cells of a matrix show their numbers.
MAX_CHARACTERS, MAX_NUMBERED = 16, 24

Matrix = Sequence[Sequence[int]]


def frequent_errors(matrix: Matrix, labels: Sequence[str], most: int = 3) -> list[tuple[int, str, str]]:
    """Return the most frequent wrong predictions: number of clips, true label and predicted label."""
    errors = [
        (clips, label, predicted)
        for label, row in zip(labels, matrix, strict=True)
        for predicted, clips in zip(labels, row, strict=True)
        if clips and label != predicted
    ]
    return sorted(errors, key=lambda error: (-error[0], *error[1:]))[:most]


def draw_confusion(matrix: Matrix, labels: Sequence[str], name: str) -> Drawing:
    """Draw a confusion matrix for a page.

    Args:
        matrix: number of clips by [true label][predicted label].
        labels: the labels of both axes, in order.
        name: name of the drawing, unique in the page.

    Raises:
        RuntimeMissingError: matplotlib is not installed.
    """
    side = max(WIDTH, 1.7 + 0.24 * len(labels))
    with canvas(0.92 * side, side) as figure:
        _plot(figure, matrix, labels)
        return figure.drawing(name)


def write_confusion(path: Path, matrix: Matrix, labels: Sequence[str], title: str) -> None:
    """Write a confusion matrix as a PNG file, whole or not at all. Arguments and errors as ``draw_confusion``."""
    side = max(6.0, 1.7 + 0.24 * len(labels))
    with canvas(0.92 * side + 0.3, side) as figure, atomic_write(path) as temporary:
        _plot(figure, matrix, labels)
        figure.figure.suptitle(shorten(title, round(13 * side)), x=0.02, ha="left", fontsize=10, color=INK)
        figure.write_png(temporary)


def _plot(figure: Canvas, matrix: Matrix, labels: Sequence[str]) -> None:
    """Draw each count on a colour that shows its share of the row, which holds all clips of one true label."""
    from matplotlib.patches import Rectangle

    (axes,) = figure.axes()
    count = len(labels)
    for row, cells in enumerate(matrix):
        total = max(1, sum(cells))
        for column, clips in enumerate(cells):
            if not clips:
                continue
            # The darkest cell stays light enough that the number in it can be read.
            shade = 0.06 + 0.52 * clips / total
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=SERIES[0], alpha=shade, linewidth=0))
            if count <= MAX_NUMBERED:
                size = 9.5 if count <= 10 else 7.5
                axes.text(column, row, str(clips), ha="center", va="center", color=INK, fontsize=size)
    axes.set_xlim(-0.5, count - 0.5)
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.grid(visible=False)
    names, size = [shorten(label, MAX_CHARACTERS) for label in labels], 9.5 if count <= 12 else 8.0
    axes.set_xticks(range(count), names, rotation=90, fontsize=size)
    axes.set_yticks(range(count), names, fontsize=size)
    axes.tick_params(length=0)
    for edge in range(count + 1):
        axes.axhline(edge - 0.5, color=GRID, linewidth=0.5)
        axes.axvline(edge - 0.5, color=GRID, linewidth=0.5)
    axes.set_xlabel("predicted label")
    axes.set_ylabel("true label")
