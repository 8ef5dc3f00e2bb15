"""Three ways to lose a shift model's accuracy without an error, and what each costs.

    python -m edgeshift.benchmarks.studies.pitfalls [WEIGHTS] [--clips N] [--data split.csv] [--picture traps.png]

slot        the past goes into the channels that another convention gives it: weights of a bi-directional network keep
            it in the second eighth, those of a past-only one in the first
consensus   one frame is asked for the answer of a clip
time step   frames come at another rate than in training: the shift is one frame, however long that takes

Gestures are drawn from seeds that nothing was trained on; with ``--data``, labelled videos are used instead.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.artifact.description import NONE
from edgeshift.benchmarks.statistics import Share, share
from edgeshift.benchmarks.studies.drawn import drawn_gestures
from edgeshift.benchmarks.studies.notice import Notice
from edgeshift.benchmarks.studies.options import run
from edgeshift.checkpoints.source import DEFAULT_MODEL
from edgeshift.errors import EdgeshiftError
from edgeshift.shift import ShiftTable
from edgeshift.video.clips import paced
from edgeshift.video.dataset import LabelledClip, read_dataset, read_label_map
from edgeshift.video.fit import Frame, FrameSpec, fit_frame, opencv
from edgeshift.video.picture import write_picture
from edgeshift.weights import shipped

if TYPE_CHECKING:
    from rich.console import Console

    from edgeshift.checkpoints import Checkpoint

Logits = npt.NDArray[np.float32]
#: [T, gestures] to one answer.
Consensus = Callable[[Logits], int]


class Trap(msgspec.Struct, frozen=True, kw_only=True):
    """One way to run the network, and the share of clips it then answers rightly. name "" is the right way."""

    trap: str
    name: str
    accuracy: Share


@dataclass(frozen=True)
class _Way:
    """How a network is run: tables per place, seconds between frames in units of the trained ones, the consensus."""

    trap: str
    name: str
    table: Callable[[ShiftTable], ShiftTable] = lambda table: table
    tempo: float = 1.0
    consensus: Consensus = lambda logits: int(logits.mean(0).argmax())


def _second_slot(table: ShiftTable) -> ShiftTable:
    """The past where a bi-directional table has it."""
    rows = tuple(replace(row, start=row.start + row.channels, stop=row.stop + row.channels) for row in table.past)
    return ShiftTable(table.name, table.channels, rows)  # TSM alone has a second slot: nothing else is lost


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


def main(arguments: list[str] | None = None) -> int:
    """Run it and print it."""
    parser = argparse.ArgumentParser(description="Three traps of shift models, and what each costs.")
    parser.add_argument("weights", type=Path, nargs="?", metavar="WEIGHTS", help="default: those that ship")
    parser.add_argument("--clips", type=int, default=100, help="drawn gestures (default: 100)")
    parser.add_argument("--data", type=Path, metavar="D", help="a folder of videos per label, or a CSV (file,label)")
    parser.add_argument("--label-map", metavar="A=B,..", help="labels of the data to those of the network")
    parser.add_argument("--picture", type=Path, metavar="F", help="draw the result as a .png")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    settings = parser.parse_args(arguments)

    def work() -> int:
        clips: tuple[LabelledClip, ...] = ()
        if settings.data is not None:
            names = read_label_map(settings.label_map) if settings.label_map else {}
            clips = tuple(read_dataset(settings.data, names).clips)
        weights = settings.weights or shipped(DEFAULT_MODEL)
        if weights is None:
            raise EdgeshiftError("no weights ship with this edgeshift: name a checkpoint")
        found = measure(weights, settings.clips, clips)
        if settings.picture is not None:
            draw(found, settings.picture)
        if settings.json:
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=1).decode() + "\n")
        else:
            from rich.console import Console

            show(found, Console())
        return 0

    return run(work)


def measure(weights: Path, count: int, clips: tuple[LabelledClip, ...] = ()) -> list[Trap]:
    """Run the network the right way and the wrong ways.

    Args:
        weights: a past-only checkpoint that carries state and knows its frame spacing. count: drawn gestures.
        clips: videos to use instead.

    Raises:
        EdgeshiftError: a checkpoint without state, spacing or labels, or clips none of which has one of its labels.
    """
    from edgeshift.checkpoints import load_for_streaming

    given = load_for_streaming(weights)
    if given.labels is None or given.frame_spacing is None or not given.network.state_shapes():
        raise EdgeshiftError(f"{weights}: the traps are for networks with state, labels and a known frame spacing")
    ways = [way for way in WAYS if way.table is not _second_slot or given.config.table == "tsm"]
    right = dict.fromkeys(ways, 0)
    total = 0
    tempos = sorted({way.tempo for way in WAYS})
    notice = Notice()
    with notice.stage("clips", len(clips) or count) as advance:
        for label, shown in _shown(given, count, clips, tempos):
            total += 1
            for way in ways:
                right[way] += given.labels[way.consensus(_logits(given, way, shown[way.tempo]))] == label
            advance()
    if not total:
        raise EdgeshiftError(f"none of the clips has a label of {weights.name}: {', '.join(given.labels)}")
    return [Trap(trap=way.trap, name=way.name, accuracy=share(right[way], total)) for way in ways]


def _shown(
    given: Checkpoint, count: int, clips: tuple[LabelledClip, ...], tempos: list[float]
) -> Iterator[tuple[str, dict[float, npt.NDArray[np.uint8]]]]:
    """Each clip's label, and its frames at each tempo: uint8 [T, size, size, 3]."""
    size, spacing, labels = given.config.size, given.frame_spacing, given.labels
    assert spacing is not None and labels is not None
    if clips:
        spec = FrameSpec(size, size, fit=given.fit or "squash")
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
    """The clip form's logits of the gestures, [T, gestures]."""
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
    assert given.labels is not None
    gestures: Logits = logits[:, : len(given.labels) - (NONE in given.labels)]
    return gestures


def show(traps: list[Trap], console: Console) -> None:
    """As a table."""
    from rich.table import Table

    table = Table("trap", "run", "right")
    for trap in traps:
        table.add_row(trap.trap, trap.name, str(trap.accuracy))
    console.print(table)


def draw(traps: list[Trap], path: Path) -> None:
    """As bars, a .png."""
    cv2 = opencv("drawing the traps")
    row, left, width = 30, 330, 420
    picture: Frame = np.full((row * len(traps) + 20, left + width + 90, 3), 255, np.uint8)
    for index, trap in enumerate(traps):
        y = 10 + row * index
        value = trap.accuracy.value or 0.0
        colour = (44, 120, 60) if not trap.trap else (200, 90, 60)
        cv2.rectangle(picture, (left, y + 5), (left + int(width * value), y + row - 5), colour, -1)
        words = f"{trap.trap}: {trap.name}" if trap.trap else trap.name
        for text, x in ((words, 12), (f"{value:.0%}", left + int(width * value) + 8)):
            cv2.putText(picture, text, (x, y + 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (20, 20, 20), 1, cv2.LINE_AA)
    write_picture(path, picture)


if __name__ == "__main__":
    sys.exit(main())
