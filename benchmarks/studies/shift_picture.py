"""A picture of the effect of the shift: predictions for a stroke played forwards and backwards, with and without past.

    python -m edgeshift.benchmarks.studies.shift_picture --picture shift-picture.png [WEIGHTS] [--labels left,right]

A stroke to the left, played backwards, is a stroke to the right that consists of the same frames. A network that
processes each frame alone has the same mean logits for both, with any weights. A network that also gets a part of the
previous frame's features can distinguish them. The picture shows the stroke, the features that are passed on, and both
predictions.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
import typer

from edgeshift._system.progress import ProgressBars
from edgeshift.benchmarks.studies.command import (
    Json,
    Picture,
    Weights,
    png_figure,
    print_json,
    print_table,
    study,
    weights_or_shipped,
)
from edgeshift.benchmarks.studies.whole_clips import Array, Frames, clip_logits, load_with_states
from edgeshift.errors import EdgeshiftError, unknown
from edgeshift.gestures import LABELS, Action, draw_stream

if TYPE_CHECKING:
    from edgeshift.models.network import ShiftNetwork

#: Seed of the drawing, and length of the stroke in seconds.
SEED, SECONDS = 500_900_001, 1.6
#: Number of feature maps that are shown.
MAPS = 3
MUTED, FORWARDS, BACKWARDS = "#6a737d", "#0b6bcb", "#c2410c"


class Probabilities(msgspec.Struct, frozen=True, kw_only=True):
    """Softmax probability of the first of two labels after each frame, from the mean of the logits so far."""

    forwards: tuple[float, ...]
    backwards: tuple[float, ...]


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """The predictions for one stroke.

    Attributes:
        labels: the stroke, and its reverse.
        carried: the predictions with the past.
        cut: the predictions with zeros in place of the past.
    """

    labels: tuple[str, str]
    carried: Probabilities
    cut: Probabilities


@dataclass(frozen=True)
class Scene:
    """Frames and features that the picture shows.

    Attributes:
        frames: uint8 [T, size, size, 3].
        stroke: slice of the frames in which the stroke is drawn.
        middle: index of a frame in the middle of the stroke.
        previous_features: features that the frame before the middle one passes on to it, [C, H, W].
        own_features: features that the middle frame passes on to the next one, [C, H, W].
    """

    frames: Frames
    stroke: slice
    middle: int
    previous_features: Array
    own_features: Array


@study
def main(
    weights: Weights = None,
    labels: Annotated[
        str, typer.Option(metavar="A,B", help="Two strokes. Each is the other one played backwards.")
    ] = "left,right",
    picture: Picture = None,
    as_json: Json = False,
) -> None:
    """Show how the shift changes the predictions for one stroke, played forwards and backwards."""
    first, *others = labels.split(",")
    if len(others) != 1:
        raise EdgeshiftError(f"--labels {labels}: give two labels, as in left,right")
    answers, scene = measure(weights_or_shipped(weights), (first, others[0]))
    if picture is not None:
        draw(answers, scene, picture)
    print_json(answers) if as_json else show(answers)


def measure(weights: Path, labels: tuple[str, str] = ("left", "right")) -> tuple[Answers, Scene]:
    """Draw the first stroke and run the network over it.

    Args:
        weights: a past-only checkpoint with states.
        labels: a stroke, and the stroke that appears when it is played backwards.

    Raises:
        EdgeshiftError: the checkpoint has no states or no frame spacing, or a label is not known to the network or
            cannot be drawn.
    """
    checkpoint, spacing = load_with_states(weights)
    network, known = checkpoint.network, checkpoint.description.labels
    for label in labels:
        if label not in known:
            raise EdgeshiftError(unknown("label", label, known))
    if labels[0] not in LABELS:
        raise EdgeshiftError(unknown("stroke", labels[0], LABELS))
    with ProgressBars(live=False).stage("draw and run"):
        script = [Action("pause", 0.3), Action(labels[0], SECONDS), Action("pause", 0.3)]
        stream = draw_stream(SEED, script, spacing=spacing, size=checkpoint.config.size)
        frames, stroke = stream.frames, stream.events[0]
        columns = [known.index(label) for label in labels]
        carried, cut = (
            Probabilities(
                forwards=_probabilities(clip_logits(network, frames, alone=alone)[:, columns]),
                backwards=_probabilities(clip_logits(network, frames[::-1], alone=alone)[:, columns]),
            )
            for alone in (False, True)
        )
        times = stroke.begin, (stroke.begin + stroke.end) / 2, stroke.end
        begin, middle, end = map(int, np.searchsorted(stream.times, times))
        previous, own = (_passed_on(network, frames[index]) for index in (middle - 1, middle))
    scene = Scene(frames, slice(max(0, begin - 1), end + 1), middle, previous, own)
    return Answers(labels=labels, carried=carried, cut=cut), scene


def _passed_on(network: ShiftNetwork, frame: Frames) -> Array:
    """Return the features that the first shift passes on to the next frame, [C, H, W]."""
    import torch

    features: dict[str, Any] = {}

    def record(place: str, x: Any) -> Any:
        features.setdefault(place, x)
        return x

    with torch.inference_mode():
        network.backbone(network.normalise(torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].float()), record)
    place, first = next(iter(features.items()))
    row = network.tables[place].past[0]
    return np.asarray(first[0, row.start : row.stop].numpy(), np.float32)


def _probabilities(logits: Array) -> tuple[float, ...]:
    """Return the probability of the first label after each frame, from the logits [T, 2] of both labels."""
    means = logits.cumsum(0) / np.arange(1, len(logits) + 1)[:, None]
    return tuple(map(float, 1 / (1 + np.exp(means[:, 1] - means[:, 0]))))


def show(answers: Answers) -> None:
    """Print the predictions after the last frame."""
    first, second = answers.labels
    rows = []
    for past, probabilities in (("carried", answers.carried), ("not carried", answers.cut)):
        for direction in ("forwards", "backwards"):
            value = getattr(probabilities, direction)[-1]
            rows.append((past, direction, f"{value:.4f}", first if value >= 0.5 else second))
    print_table(("past", "played", f"{first} against {second}", "answer"), rows)


def draw(answers: Answers, scene: Scene, path: Path) -> None:
    """Draw the stroke, the features that are passed on, and both predictions into a .png file.

    Raises:
        EdgeshiftError: the file has another format.
        RuntimeMissingError: matplotlib is not installed.
    """
    with png_figure(path, 9.2, 7.6) as figure:
        top, middle, bottom = figure.subfigures(3, 1, height_ratios=(1.15, 1.9, 2.0))
        _draw_frames(top, answers.labels, scene)
        _draw_features(middle, scene)
        _draw_answers(bottom, answers)


def _draw_frames(figure: Any, labels: tuple[str, str], scene: Scene) -> None:
    shown = np.arange(len(scene.frames))[scene.stroke]
    chosen = shown[np.linspace(0, len(shown) - 1, min(8, len(shown))).round().astype(int)]
    title = f"The same frames: read to the right a stroke {labels[0]}, read to the left a stroke {labels[1]}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)
    for axes, index in zip(figure.subplots(1, len(chosen)), chosen, strict=True):
        _draw_image(axes, scene.frames[index], xlabel=f"frame {index + 1}")


def _draw_features(figure: Any, scene: Scene) -> None:
    title = "Features that one frame passes to the next at the first shift, and their difference from its own"
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)
    # Only the channels with the largest mean difference are shown.
    difference = scene.own_features - scene.previous_features
    channels = np.sort(np.argsort(np.abs(difference).mean((1, 2)))[::-1][:MAPS])
    grid = figure.subplots(2, 1 + 2 * len(channels))
    rows = ((scene.middle - 1, scene.previous_features, "passed on"), (scene.middle, scene.own_features, "its own"))
    for row, (index, features, name) in enumerate(rows):
        _draw_image(grid[row][0], scene.frames[index], ylabel=f"frame {index + 1}")
        for channel, left, right in zip(channels, grid[row][1::2], grid[row][2::2], strict=True):
            limit = max(float(np.abs(maps[channel]).max()) for maps in (scene.previous_features, scene.own_features))
            limits: Any = {"vmin": -limit, "vmax": limit}
            _draw_image(left, features[channel], xlabel=f"{name}, channel {channel}", cmap="RdBu_r", **limits)
            if row == 0:
                _draw_image(right, difference[channel], xlabel="difference", cmap="PuOr_r", **limits)
            else:
                right.set_visible(False)


def _draw_image(axes: Any, image: Any, *, xlabel: str = "", ylabel: str = "", **options: Any) -> None:
    axes.imshow(image, **options)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_xlabel(xlabel, fontsize=8.5)
    axes.set_ylabel(ylabel, fontsize=8.5)


def _draw_answers(figure: Any, answers: Answers) -> None:
    first, second = answers.labels
    left, right = figure.subplots(1, 2, sharey=True)
    parts = (
        (left, answers.carried, "With the past: the answers differ", "center right"),
        (right, answers.cut, "Without the past: both answers are the same", "upper right"),
    )
    for axes, probabilities, title, location in parts:
        for name, colour, size in (("forwards", FORWARDS, 8), ("backwards", BACKWARDS, 4.5)):
            values = getattr(probabilities, name)
            axes.plot(range(1, len(values) + 1), values, color=colour, linewidth=2, label=f"played {name}")
            axes.plot(len(values), values[-1], "o", color=colour, markersize=size)
        axes.axhline(0.5, color="#d0d7de", linewidth=0.8, zorder=0)
        axes.set(title=title, ylim=(-0.04, 1.04), xlabel="frames so far")
        axes.tick_params(colors=MUTED)
        axes.legend(frameon=False, loc=location)
    left.set_yticks([0, 0.5, 1], [second, "unsure", first])


if __name__ == "__main__":
    sys.exit(main())
