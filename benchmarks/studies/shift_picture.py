"""What the shift carries, as a picture: the same frames played forwards and backwards, with the past and without it.

    python -m edgeshift.benchmarks.studies.shift_picture --picture carried.png [WEIGHTS] [--labels left,right]

A stroke to the left that is played backwards is a stroke to the right, made of the very same pictures. A network that
sees single frames gives both the same mean, whatever it has learned; one that is handed a part of the features of the
frame before tells them apart. The picture shows the stroke, what is handed on, and both courses of answers.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift._system.files import atomic_write
from edgeshift.benchmarks.studies.notice import Notice
from edgeshift.benchmarks.studies.options import run
from edgeshift.checkpoints.source import DEFAULT_MODEL
from edgeshift.errors import EdgeshiftError, missing, unknown
from edgeshift.gestures import LABELS, Act, draw_stream
from edgeshift.weights import shipped

if TYPE_CHECKING:
    from edgeshift.checkpoints import Checkpoint

Array = npt.NDArray[np.float32]
#: Of the drawing.
SEED, SECONDS = 500_900_001, 1.6
#: Feature maps shown of those that are handed on.
MAPS = 3
INK, MUTED, FORWARDS, BACKWARDS = "#1f2328", "#6a737d", "#0b6bcb", "#c2410c"


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """How sure it is of the first label against the second after each frame, by the mean of the logits so far."""

    forwards: tuple[float, ...]
    backwards: tuple[float, ...]


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """Both courses of one stroke, with the past and with zeros in its place."""

    labels: tuple[str, str]
    carried: Course
    cut: Course


@dataclass(frozen=True)
class Seen:
    """Frames, uint8 [T, size, size, 3], those of the stroke, and what two in the middle hand on, [C, H, W]."""

    frames: npt.NDArray[np.uint8]
    stroke: slice
    at: int
    before: Array
    now: Array


def main(arguments: list[str] | None = None) -> int:
    """Run it, draw it and print it."""
    parser = argparse.ArgumentParser(description="What the shift carries: one stroke, played both ways.")
    parser.add_argument("weights", type=Path, nargs="?", metavar="WEIGHTS", help="default: those that ship")
    parser.add_argument("--labels", default="left,right", help="two strokes that are each other's reverse")
    parser.add_argument("--picture", type=Path, metavar="F", help="draw it as a .png")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    settings = parser.parse_args(arguments)

    def work() -> int:
        pair = tuple(settings.labels.split(","))
        if len(pair) != 2:
            raise EdgeshiftError(f"--labels {settings.labels}: give two, as in left,right")
        weights = settings.weights or shipped(DEFAULT_MODEL)
        if weights is None:
            raise EdgeshiftError("no weights ship with this edgeshift: name a checkpoint")
        found, seen = measure(weights, (pair[0], pair[1]))
        if settings.picture is not None:
            draw(found, seen, settings.picture)
        if settings.json:
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=1).decode() + "\n")
        else:
            show(found)
        return 0

    return run(work)


def measure(weights: Path, labels: tuple[str, str] = ("left", "right")) -> tuple[Carried, Seen]:
    """Draw the first of the strokes and run the network over it.

    Args:
        weights: a past-only checkpoint that carries state. labels: a stroke, and what it is when played backwards.

    Raises:
        EdgeshiftError: no state, no spacing, or labels that the network or the drawing does not have.
    """
    from edgeshift.checkpoints import load_for_streaming

    given = load_for_streaming(weights)
    if given.labels is None or given.frame_spacing is None or not given.network.state_shapes():
        raise EdgeshiftError(f"{weights}: a network with state, labels and a known frame spacing is needed")
    for label in labels:
        if label not in given.labels:
            raise EdgeshiftError(unknown("label", label, given.labels))
    if labels[0] not in LABELS:
        raise EdgeshiftError(unknown("stroke", labels[0], LABELS))
    with Notice().stage("draw and run"):
        script = [Act("pause", 0.3), Act(labels[0], SECONDS), Act("pause", 0.3)]
        stream = draw_stream(SEED, script, spacing=given.frame_spacing, size=given.config.size)
        frames = stream.frames
        columns = [given.labels.index(label) for label in labels]
        both = [frames, frames[::-1]]
        found = Carried(
            labels=labels,
            carried=Course(**_course([_logits(given, each, alone=False)[:, columns] for each in both])),
            cut=Course(**_course([_logits(given, each, alone=True)[:, columns] for each in both])),
        )
        stroke = stream.events[0]
        begin, at, end = np.searchsorted(stream.times, (stroke.begin, (stroke.begin + stroke.end) / 2, stroke.end))
        before, now = (_handed_on(given, frames[index]) for index in (at - 1, at))
    return found, Seen(frames, slice(max(0, begin - 1), end + 1), int(at), before, now)


def _logits(given: Checkpoint, frames: npt.NDArray[np.uint8], *, alone: bool) -> Array:
    """[T, classes] over one clip; ``alone``: over as many clips of one frame, where the past is zeros."""
    import torch

    with torch.inference_mode():
        clip = torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).float()
        logits: Any = given.network(clip[:, None] if alone else clip[None])
    return np.asarray(logits.flatten(0, 1).numpy(), np.float32)


def _handed_on(given: Checkpoint, frame: npt.NDArray[np.uint8]) -> Array:
    """What the first shift hands to the next frame, [C, H, W]; nothing was shifted before it."""
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
    """As a table: what is answered in the end."""
    from rich.console import Console
    from rich.table import Table

    first, second = found.labels
    table = Table("the past", "played", f"{first} against {second}", "answer")
    for name, course in (("carried", found.carried), ("never carried", found.cut)):
        for way in ("forwards", "backwards"):
            value = getattr(course, way)[-1]
            table.add_row(name, way, f"{value:.4f}", first if value >= 0.5 else second)
    Console().print(table)


def draw(found: Carried, seen: Seen, path: Path) -> None:
    """The strokes, what is handed on, and both courses, as a .png.

    Raises:
        EdgeshiftError: another format.
        RuntimeMissingError: no matplotlib.
    """
    if path.suffix.lower() != ".png":
        raise EdgeshiftError(f"{path}: the picture is a .png")
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing("matplotlib", "report", "drawing what is carried") from error
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        settings: Any = matplotlib.rcParams
        settings.update({"font.size": 9.5, "axes.titlesize": 10.5, "axes.titlelocation": "left", "text.color": INK})
        settings.update({"axes.spines.top": False, "axes.spines.right": False, "axes.labelcolor": MUTED})
        figure = Figure(figsize=(9.2, 7.6), dpi=130, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        parts: Any = figure.subfigures(3, 1, height_ratios=(1.15, 1.9, 2.0))
        top, middle, bottom = parts
        _film(top, found, seen)
        _maps(middle, seen)
        _courses(bottom, found)
        with atomic_write(path) as temporary:
            figure.savefig(temporary, format="png")


def _film(figure: Any, found: Carried, seen: Seen) -> None:
    shown = np.arange(len(seen.frames))[seen.stroke]
    chosen = shown[np.linspace(0, len(shown) - 1, min(8, len(shown))).round().astype(int)]
    figure.suptitle(
        f"The same pictures: read to the right a stroke {found.labels[0]}, read to the left a stroke {found.labels[1]}",
        x=0.01, ha="left", fontsize=10.5,
    )  # fmt: skip
    for axes, index in zip(figure.subplots(1, len(chosen)), chosen, strict=True):
        _bare(axes)
        axes.imshow(seen.frames[index])
        axes.set_xlabel(f"frame {index + 1}", fontsize=8.5)


def _maps(figure: Any, seen: Seen) -> None:
    figure.suptitle(
        "What one frame hands to the next: feature maps of the first shift, and how they differ from its own",
        x=0.01, ha="left", fontsize=10.5,
    )  # fmt: skip
    # The maps with the most motion in them, which are those that say something here.
    motion = np.abs(seen.now - seen.before).mean((1, 2))
    chosen = np.sort(np.argsort(motion)[::-1][:MAPS])
    columns = figure.subplots(2, 1 + 2 * len(chosen), width_ratios=[1, *[1] * (2 * len(chosen))])
    for row, (index, maps, word) in enumerate(
        ((seen.at - 1, seen.before, "handed on"), (seen.at, seen.now, "its own"))
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
    titles = ("With the past: told apart", "Past never carried: both end alike")
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
