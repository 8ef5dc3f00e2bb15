"""Three mistakes that lower the accuracy of a shift model without an error message, and how much each one lowers it.

    python -m edgeshift.benchmarks.studies.pitfalls [WEIGHTS] [--clips N] [--data split.csv] [--picture pitfalls.png]

slot        The past is written into the wrong channels: a bi-directional network expects it in the second eighth of the
            channels, a past-only network in the first eighth.
consensus   The prediction for a single frame is used as the prediction for the whole clip.
time step   Frames come at another rate than in training. The shift always reads the previous frame, however long ago
            that frame was.

The test clips are drawn from seeds that no training uses. With ``--data``, labelled videos are used instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
import typer

from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.description import NONE
from edgeshift.benchmarks.statistics import Share, share
from edgeshift.benchmarks.studies.command import (
    Data,
    Json,
    LabelMap,
    Picture,
    Weights,
    labelled_videos,
    png_figure,
    print_json,
    print_table,
    study,
    weights_or_shipped,
)
from edgeshift.benchmarks.studies.drawn_clips import drawn_gestures
from edgeshift.benchmarks.studies.whole_clips import Array, Frames, clip_logits, load_with_states
from edgeshift.errors import EdgeshiftError
from edgeshift.shift import ShiftTable
from edgeshift.video.clips import paced
from edgeshift.video.dataset import LabelledClip
from edgeshift.video.fit import FrameSpec, fit_frame

if TYPE_CHECKING:
    from edgeshift.checkpoints import Checkpoint


class Pitfall(msgspec.Struct, frozen=True, kw_only=True):
    """One way to run the network, and its accuracy.

    Attributes:
        trap: the mistake; "" for the correct way.
        name: how the network is run.
        accuracy: the share of clips that are classified correctly.
    """

    trap: str
    name: str
    accuracy: Share


@dataclass(frozen=True)
class Variant:
    """One way to run a network.

    Attributes:
        trap, name: as in ``Pitfall``.
        table: returns the shift table to use in place of the network's own.
        tempo: frame spacing, divided by that of training.
        consensus: returns the index of the label predicted for a clip, given its logits [T, gestures].
    """

    trap: str
    name: str
    table: Callable[[ShiftTable], ShiftTable] = lambda table: table
    tempo: float = 1.0
    consensus: Callable[[Array], int] = lambda logits: int(logits.mean(0).argmax())


def _second_slot(table: ShiftTable) -> ShiftTable:
    """Return the table with the past in the channels that a bi-directional table uses."""
    rows = tuple(
        msgspec.structs.replace(row, start=row.start + row.channels, stop=row.stop + row.channels) for row in table.past
    )
    return ShiftTable(table.name, table.channels, rows)  # only TSM has a second slot, and all of its rows read the past


def _no_past(table: ShiftTable) -> ShiftTable:
    """Return the table with zeros in place of the past."""
    rows = tuple(msgspec.structs.replace(row, dt=None, fill="zero") if row in table.past else row for row in table.rows)
    return ShiftTable(table.name, table.channels, rows)


VARIANTS = (
    Variant("", "as trained"),
    Variant("slot", "past in the second slot", table=_second_slot),
    Variant("slot", "past never carried (zeros)", table=_no_past),
    Variant("consensus", "the last frame alone", consensus=lambda logits: int(logits[-1].argmax())),
    Variant("consensus", "the frame in the middle", consensus=lambda logits: int(logits[len(logits) // 2].argmax())),
    Variant("time step", "4 times as many frames", tempo=0.25),
    Variant("time step", "2 times as many frames", tempo=0.5),
    Variant("time step", "every 2nd frame", tempo=2.0),
    Variant("time step", "every 4th frame", tempo=4.0),
)


@study
def main(
    weights: Weights = None,
    clips: Annotated[int, typer.Option(min=1, help="Drawn gestures to test on.")] = 100,
    data: Data = None,
    label_map: LabelMap = None,
    picture: Picture = None,
    as_json: Json = False,
) -> None:
    """Measure the accuracy that a shift model loses by three common mistakes."""
    pitfalls = measure(weights_or_shipped(weights), clips, labelled_videos(data, label_map))
    if picture is not None:
        draw(pitfalls, picture)
    print_json(pitfalls) if as_json else show(pitfalls)


def measure(weights: Path, count: int, clips: tuple[LabelledClip, ...] = ()) -> list[Pitfall]:
    """Run the network in the correct way and in the wrong ways.

    Args:
        weights: a past-only checkpoint with states and a known frame spacing.
        count: number of drawn gestures.
        clips: labelled videos to use instead.

    Raises:
        EdgeshiftError: the checkpoint has no states or no frame spacing, or no clip has one of its labels.
    """
    checkpoint, spacing = load_with_states(weights)
    labels = checkpoint.description.labels
    variants = [variant for variant in VARIANTS if variant.table != _second_slot or checkpoint.config.table == "tsm"]
    correct = dict.fromkeys(variants, 0)
    total = 0
    with ProgressBars(live=False).stage("clips", len(clips) or count) as advance:
        for label, frames in _test_clips(checkpoint, spacing, count, clips):
            total += 1
            for variant in variants:
                logits = _logits(checkpoint, variant, frames[variant.tempo])
                correct[variant] += labels[variant.consensus(logits)] == label
            advance()
    if not total:
        raise EdgeshiftError(f"none of the clips has a label of {weights.name}: {', '.join(labels)}")
    return [Pitfall(trap=v.trap, name=v.name, accuracy=share(right, total)) for v, right in correct.items()]


def _test_clips(
    checkpoint: Checkpoint, spacing: float, count: int, clips: tuple[LabelledClip, ...]
) -> Iterator[tuple[str, dict[float, Frames]]]:
    """Yield each clip's label, and {tempo: frames, uint8 [T, size, size, 3]}."""
    size, tempos = checkpoint.config.size, sorted({variant.tempo for variant in VARIANTS})
    if clips:
        spec = FrameSpec(size, size, fit=checkpoint.description.frame.fit)
        for clip in clips:
            if clip.label in checkpoint.description.labels and clip.label != NONE:
                yield (
                    clip.label,
                    {t: np.stack([fit_frame(f.frame, spec) for f in paced(clip.path, spacing * t)]) for t in tempos},
                )
        return
    gestures = (drawn_gestures(count, spacing * tempo, size) for tempo in tempos)
    for drawn in zip(*gestures, strict=True):
        yield drawn[0][0], {tempo: stream.frames for tempo, (_, stream) in zip(tempos, drawn, strict=True)}


def _logits(checkpoint: Checkpoint, variant: Variant, frames: Frames) -> Array:
    """Return the logits of the gestures in a clip, [T, gestures]. The network's own tables are restored afterwards."""
    labels, tables = checkpoint.description.labels, checkpoint.network.tables
    original = dict(tables)
    try:
        tables.update({place: variant.table(table) for place, table in original.items()})
        return clip_logits(checkpoint.network, frames)[:, : len(labels) - (NONE in labels)]
    finally:
        tables.update(original)


def show(pitfalls: list[Pitfall]) -> None:
    """Print a table."""
    print_table(("mistake", "network run with", "correct"), [(p.trap, p.name, str(p.accuracy)) for p in pitfalls])


def draw(pitfalls: list[Pitfall], path: Path) -> None:
    """Draw the shares as bars into a .png file.

    Raises:
        EdgeshiftError: the file has another format.
        RuntimeMissingError: matplotlib is not installed.
    """
    with png_figure(path, 8.0, 0.4 * len(pitfalls) + 0.6) as figure:
        axes = figure.subplots()
        names = [f"{pitfall.trap}: {pitfall.name}" if pitfall.trap else pitfall.name for pitfall in pitfalls]
        values = [pitfall.accuracy.value or 0.0 for pitfall in pitfalls]
        bars = axes.barh(names, values, color=["#c85a3c" if pitfall.trap else "#2c783c" for pitfall in pitfalls])
        axes.bar_label(bars, [f"{value:.0%}" for value in values], padding=4)
        axes.invert_yaxis()
        axes.set(xlim=(0, 1.1), xticks=[])
        axes.spines[:].set_visible(False)
        axes.tick_params(left=False)


if __name__ == "__main__":
    sys.exit(main())
