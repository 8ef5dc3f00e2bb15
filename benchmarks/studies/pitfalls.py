"""Three mistakes that cost a shift model its accuracy without an error message, and how much each costs.

    python -m edgeshift.benchmarks.studies.pitfalls [WEIGHTS] [--clips N] [--data split.csv] [--picture pitfalls.png]

slot        The past is written into the channels of another convention: a bi-directional network expects it in the
            second eighth of the channels, a past-only network in the first.
consensus   A single frame's answer is taken for the answer of the whole clip.
time step   Frames come at another rate than in training. The shift always reaches one frame back, however long ago
            that was.

The test clips are drawn from seeds that no training uses. With ``--data``, labelled videos are used instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
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
from edgeshift.errors import EdgeshiftError
from edgeshift.shift import ShiftTable
from edgeshift.video.clips import paced
from edgeshift.video.dataset import LabelledClip
from edgeshift.video.fit import FrameSpec, fit_frame

if TYPE_CHECKING:
    from edgeshift.checkpoints import Checkpoint

Logits = npt.NDArray[np.float32]
#: Takes the logits [T, gestures] of a clip and returns the index of its answer.
Consensus = Callable[[Logits], int]


class Pitfall(msgspec.Struct, frozen=True, kw_only=True):
    """One way to run the network, and the share of clips that it then answers correctly.

    Attributes:
        trap: the mistake; "" for the correct way.
        name: how the network is run.
        accuracy: the share of clips answered correctly.
    """

    trap: str
    name: str
    accuracy: Share


@dataclass(frozen=True)
class _Way:
    """How a network is run: its shift tables, its frame spacing divided by the trained one, and its consensus."""

    trap: str
    name: str
    table: Callable[[ShiftTable], ShiftTable] = lambda table: table
    tempo: float = 1.0
    consensus: Consensus = lambda logits: int(logits.mean(0).argmax())


def _second_slot(table: ShiftTable) -> ShiftTable:
    """The table with the past in the channels that a bi-directional table uses."""
    rows = tuple(replace(row, start=row.start + row.channels, stop=row.stop + row.channels) for row in table.past)
    return ShiftTable(table.name, table.channels, rows)  # only TSM has a second slot, and its rows hold nothing else


def _nothing(table: ShiftTable) -> ShiftTable:
    rows = tuple(replace(row, dt=None, fill="zero") if row in table.past else row for row in table.rows)
    return ShiftTable(table.name, table.channels, rows)


WAYS = (
    _Way("", "as trained"),
    _Way("slot", "past in the second slot", table=_second_slot),
    _Way("slot", "past never carried (zeros)", table=_nothing),
    _Way("consensus", "the last frame alone", consensus=lambda logits: int(logits[-1].argmax())),
    _Way("consensus", "the frame in the middle", consensus=lambda logits: int(logits[len(logits) // 2].argmax())),
    _Way("time step", "4 times as many frames", tempo=0.25),
    _Way("time step", "2 times as many frames", tempo=0.5),
    _Way("time step", "every 2nd frame", tempo=2.0),
    _Way("time step", "every 4th frame", tempo=4.0),
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
    """Measure what three common mistakes cost a shift model."""
    found = measure(weights_or_shipped(weights), clips, labelled_videos(data, label_map))
    if picture is not None:
        draw(found, picture)
    print_json(found) if as_json else show(found)


def measure(weights: Path, count: int, clips: tuple[LabelledClip, ...] = ()) -> list[Pitfall]:
    """Run the network in the correct way and in the wrong ways.

    Args:
        weights: a past-only checkpoint with states, labels and a known frame spacing.
        count: number of drawn gestures.
        clips: labelled videos to use instead.

    Raises:
        EdgeshiftError: a checkpoint without states, spacing or labels, or clips without any of its labels.
    """
    from edgeshift.checkpoints import load_for_streaming

    given = load_for_streaming(weights)
    if given.description.frame_spacing is None or not given.network.state_shapes():
        raise EdgeshiftError(f"{weights}: this study needs a network with states, labels and a known frame spacing")
    ways = [way for way in WAYS if way.table is not _second_slot or given.config.table == "tsm"]
    right = dict.fromkeys(ways, 0)
    total = 0
    tempos = sorted({way.tempo for way in WAYS})
    with ProgressBars(live=False).stage("clips", len(clips) or count) as advance:
        for label, shown in _test_clips(given, count, clips, tempos):
            total += 1
            for way in ways:
                right[way] += given.description.labels[way.consensus(_logits(given, way, shown[way.tempo]))] == label
            advance()
    if not total:
        raise EdgeshiftError(f"none of the clips has a label of {weights.name}: {', '.join(given.description.labels)}")
    return [Pitfall(trap=way.trap, name=way.name, accuracy=share(right[way], total)) for way in ways]


def _test_clips(
    given: Checkpoint, count: int, clips: tuple[LabelledClip, ...], tempos: list[float]
) -> Iterator[tuple[str, dict[float, npt.NDArray[np.uint8]]]]:
    """Yield each clip's label, and its frames at each tempo: uint8 [T, size, size, 3]."""
    size, spacing, labels = given.config.size, given.description.frame_spacing, given.description.labels
    assert spacing is not None and labels is not None
    if clips:
        spec = FrameSpec(size, size, fit=given.description.frame.fit)
        for clip in clips:
            if clip.label in labels and clip.label != NONE:
                yield (
                    clip.label,
                    {t: np.stack([fit_frame(f.frame, spec) for f in paced(clip.path, spacing * t)]) for t in tempos},
                )
        return
    together = (drawn_gestures(count, spacing * tempo, size) for tempo in tempos)
    for same in zip(*together, strict=True):
        yield same[0][0], {tempo: drawn.frames for tempo, (_, drawn) in zip(tempos, same, strict=True)}


def _logits(given: Checkpoint, way: _Way, frames: npt.NDArray[np.uint8]) -> Logits:
    """The logits of the gestures in the clip form, [T, gestures]."""
    import torch

    network = given.network
    kept = dict(network.tables)
    try:
        network.tables.update({place: way.table(table) for place, table in kept.items()})
        with torch.inference_mode():
            clip = torch.from_numpy(frames).permute(0, 3, 1, 2)[None].float()
            logits: Any = network(clip)[0].numpy()
    finally:
        network.tables.update(kept)
    gestures: Logits = logits[:, : len(given.description.labels) - (NONE in given.description.labels)]
    return gestures


def show(pitfalls: list[Pitfall]) -> None:
    """Print a table."""
    print_table(("mistake", "network run with", "correct"), [(p.trap, p.name, str(p.accuracy)) for p in pitfalls])


def draw(pitfalls: list[Pitfall], path: Path) -> None:
    """Draw the shares as bars into a .png file.

    Raises:
        EdgeshiftError: another file format.
        RuntimeMissingError: matplotlib is not installed.
    """
    with png_figure(path, 8.0, 0.4 * len(pitfalls) + 0.6) as figure:
        axes = figure.subplots()
        names = [f"{pitfall.trap}: {pitfall.name}" if pitfall.trap else pitfall.name for pitfall in pitfalls]
        values = [pitfall.accuracy.value or 0.0 for pitfall in pitfalls]
        bars = axes.barh(names, values, color=["#c85a3c" if pitfall.trap else "#2c783c" for pitfall in pitfalls])
        axes.bar_label(bars, [f"{value:.0%}" for value in values], padding=4)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.1)
        axes.set_xticks([])
        axes.spines[:].set_visible(False)
        axes.tick_params(left=False)


if __name__ == "__main__":
    sys.exit(main())
