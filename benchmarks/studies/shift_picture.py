"""A picture of what the shift carries: the same frames played forwards and backwards, with and without the past.

    python -m edgeshift.benchmarks.studies.shift_picture --picture shift-picture.png [WEIGHTS] [--labels left,right]

A stroke to the left, played backwards, is a stroke to the right that consists of the same frames. A network that sees
single frames gives both the same mean answer, whatever it has learned. A network that also gets a part of the previous
frame's features tells them apart. The picture shows the stroke, the features that are passed on, and both answers.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
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
from edgeshift.errors import EdgeshiftError, unknown
from edgeshift.gestures import LABELS, Action, draw_stream

if TYPE_CHECKING:
    from edgeshift.checkpoints import Checkpoint

Array = npt.NDArray[np.float32]
#: Seed of the drawing, and length of the stroke in seconds.
SEED, SECONDS = 500_900_001, 1.6
#: Number of feature maps that are shown.
MAPS = 3
INK, MUTED, FORWARDS, BACKWARDS = "#1f2328", "#6a737d", "#0b6bcb", "#c2410c"


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """The probability of the first label against the second after each frame, from the mean of the logits so far."""

    forwards: tuple[float, ...]
    backwards: tuple[float, ...]


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """The answers to one stroke.

    Attributes:
        labels: the stroke, and its reverse.
        carried: the answers with the past.
        cut: the answers with zeros in place of the past.
    """

    labels: tuple[str, str]
    carried: Course
    cut: Course


@dataclass(frozen=True)
class Seen:
    """What the picture shows.

    Attributes:
        frames: uint8 [T, size, size, 3].
        stroke: the frames in which the stroke is drawn.
        at: index of a frame in the middle of the stroke.
        before, now: the features that the frame before it and this frame pass on, [C, H, W].
    """

    frames: npt.NDArray[np.uint8]
    stroke: slice
    at: int
    before: Array
    now: Array


@study
def main(
    weights: Weights = None,
    labels: Annotated[
        str, typer.Option(metavar="A,B", help="Two strokes, each the other played backwards.")
    ] = "left,right",
    picture: Picture = None,
    as_json: Json = False,
) -> None:
    """Show what the shift carries: one stroke, played forwards and backwards."""
    pair = tuple(labels.split(","))
    if len(pair) != 2:
        raise EdgeshiftError(f"--labels {labels}: give two labels, as in left,right")
    found, seen = measure(weights_or_shipped(weights), (pair[0], pair[1]))
    if picture is not None:
        draw(found, seen, picture)
    print_json(found) if as_json else show(found)


def measure(weights: Path, labels: tuple[str, str] = ("left", "right")) -> tuple[Carried, Seen]:
    """Draw the first stroke and run the network over it.

    Args:
        weights: a past-only checkpoint with states.
        labels: a stroke, and the stroke that it is when played backwards.

    Raises:
        EdgeshiftError: no states, no frame spacing, or a label that the network or the drawing does not have.
    """
    from edgeshift.checkpoints import load_for_streaming

    given = load_for_streaming(weights)
    if given.description.frame_spacing is None or not given.network.state_shapes():
        raise EdgeshiftError(f"{weights}: this study needs a network with states, labels and a known frame spacing")
    for label in labels:
        if label not in given.description.labels:
            raise EdgeshiftError(unknown("label", label, given.description.labels))
    if labels[0] not in LABELS:
        raise EdgeshiftError(unknown("stroke", labels[0], LABELS))
    with ProgressBars(live=False).stage("draw and run"):
        script = [Action("pause", 0.3), Action(labels[0], SECONDS), Action("pause", 0.3)]
        stream = draw_stream(SEED, script, spacing=given.description.frame_spacing, size=given.config.size)
        frames = stream.frames
        columns = [given.description.labels.index(label) for label in labels]
        both = [frames, frames[::-1]]
        found = Carried(
            labels=labels,
            carried=Course(**_course([_logits(given, each, alone=False)[:, columns] for each in both])),
            cut=Course(**_course([_logits(given, each, alone=True)[:, columns] for each in both])),
        )
        stroke = stream.events[0]
        begin, at, end = np.searchsorted(stream.times, (stroke.begin, (stroke.begin + stroke.end) / 2, stroke.end))
        before, now = (_passed_on(given, frames[index]) for index in (at - 1, at))
    return found, Seen(frames, slice(max(0, begin - 1), end + 1), int(at), before, now)


def _logits(given: Checkpoint, frames: npt.NDArray[np.uint8], *, alone: bool) -> Array:
    """Logits [T, classes] of one clip. ``alone``: each frame is a clip of its own, so that its past is zeros."""
    import torch

    with torch.inference_mode():
        clip = torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).float()
        logits: Any = given.network(clip[:, None] if alone else clip[None])
    return np.asarray(logits.flatten(0, 1).numpy(), np.float32)


def _passed_on(given: Checkpoint, frame: npt.NDArray[np.uint8]) -> Array:
    """The features that the first shift passes on to the next frame, [C, H, W]."""
    import torch

    features: dict[str, Any] = {}

    def look(place: str, x: Any) -> Any:
        features.setdefault(place, x)
        return x

    network = given.network
    with torch.inference_mode():
        network.backbone(network.normalise(torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].float()), look)
    place, first = next(iter(features.items()))
    row = network.tables[place].past[0]
    return np.asarray(first[0, row.start : row.stop].numpy(), np.float32)


def _course(logits: list[Array]) -> dict[str, tuple[float, ...]]:
    means = [each.cumsum(0) / np.arange(1, len(each) + 1)[:, None] for each in logits]
    sure = [1 / (1 + np.exp(-(mean[:, 0] - mean[:, 1]))) for mean in means]
    return dict(zip(("forwards", "backwards"), (tuple(map(float, each)) for each in sure), strict=True))


def show(found: Carried) -> None:
    """Print the answers after the last frame."""
    first, second = found.labels
    rows = []
    for name, course in (("carried", found.carried), ("not carried", found.cut)):
        for way in ("forwards", "backwards"):
            value = getattr(course, way)[-1]
            rows.append((name, way, f"{value:.4f}", first if value >= 0.5 else second))
    print_table(("past", "played", f"{first} against {second}", "answer"), rows)


def draw(found: Carried, seen: Seen, path: Path) -> None:
    """Draw the stroke, the features that are passed on, and both answers into a .png file.

    Raises:
        EdgeshiftError: another file format.
        RuntimeMissingError: matplotlib is not installed.
    """
    with png_figure(path, 9.2, 7.6) as figure:
        top, middle, bottom = figure.subfigures(3, 1, height_ratios=(1.15, 1.9, 2.0))
        _film(top, found, seen)
        _maps(middle, seen)
        _courses(bottom, found)


def _film(figure: Any, found: Carried, seen: Seen) -> None:
    shown = np.arange(len(seen.frames))[seen.stroke]
    chosen = shown[np.linspace(0, len(shown) - 1, min(8, len(shown))).round().astype(int)]
    figure.suptitle(
        f"The same frames: read to the right a stroke {found.labels[0]}, read to the left a stroke {found.labels[1]}",
        x=0.01, ha="left", fontsize=10.5,
    )  # fmt: skip
    for axes, index in zip(figure.subplots(1, len(chosen)), chosen, strict=True):
        _bare(axes)
        axes.imshow(seen.frames[index])
        axes.set_xlabel(f"frame {index + 1}", fontsize=8.5)


def _maps(figure: Any, seen: Seen) -> None:
    figure.suptitle(
        "Features that one frame passes to the next at the first shift, and their difference from its own",
        x=0.01, ha="left", fontsize=10.5,
    )  # fmt: skip
    # The maps with the most motion show the difference best.
    motion = np.abs(seen.now - seen.before).mean((1, 2))
    chosen = np.sort(np.argsort(motion)[::-1][:MAPS])
    columns = figure.subplots(2, 1 + 2 * len(chosen), width_ratios=[1, *[1] * (2 * len(chosen))])
    for row, (index, maps, word) in enumerate(
        ((seen.at - 1, seen.before, "passed on"), (seen.at, seen.now, "its own"))
    ):
        _bare(columns[row][0])
        columns[row][0].imshow(seen.frames[index])
        columns[row][0].set_ylabel(f"frame {index + 1}", fontsize=8.5)
        for place, channel in enumerate(chosen):
            axes = columns[row][1 + 2 * place]
            _bare(axes)
            limit = max(float(np.abs(each[channel]).max()) for each in (seen.before, seen.now))
            axes.imshow(maps[channel], cmap="RdBu_r", vmin=-limit, vmax=limit)
            axes.set_xlabel(f"{word}, channel {channel}", fontsize=8.5)
            other = columns[row][2 + 2 * place]
            if row:
                other.set_visible(False)
                continue
            _bare(other)
            change = seen.now[channel] - seen.before[channel]
            other.imshow(change, cmap="PuOr_r", vmin=-limit, vmax=limit)
            other.set_xlabel("difference", fontsize=8.5)


def _courses(figure: Any, found: Carried) -> None:
    first, second = found.labels
    pair = figure.subplots(1, 2, sharey=True)
    titles = ("With the past: told apart", "Without the past: both end alike")
    for axes, course, title in zip(pair, (found.carried, found.cut), titles, strict=True):
        for values, colour, word in (
            (course.forwards, FORWARDS, "forwards"),
            (course.backwards, BACKWARDS, "backwards"),
        ):
            steps = np.arange(1, len(values) + 1)
            axes.plot(steps, values, color=colour, linewidth=2, label=f"played {word}")
            axes.plot(steps[-1], values[-1], "o", color=colour, markersize=8 if word == "forwards" else 4.5)
        axes.axhline(0.5, color="#d0d7de", linewidth=0.8, zorder=0)
        axes.set_title(title)
        axes.set_ylim(-0.04, 1.04)
        axes.set_xlabel("frames so far")
        axes.tick_params(colors=MUTED)
        axes.legend(frameon=False, loc="center right" if axes is pair[0] else "upper right")
    pair[0].set_yticks([0, 0.5, 1], [second, "unsure", first])


def _bare(axes: Any) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


if __name__ == "__main__":
    sys.exit(main())
