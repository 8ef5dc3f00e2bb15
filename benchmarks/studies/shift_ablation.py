"""What the shift carries: the same network and recipe with and without it, several seeds each.

    python -m edgeshift.benchmarks.studies.shift_ablation --out runs/order --init mobilenet_v2_imagenet.pt [--data split.csv]

Trains what is not there yet (a run that was cut off goes on), then measures every run on gestures drawn from seeds
that nothing was trained on and, with ``--data``, on labelled videos. A network without a shift sees each frame alone:
whatever it knows of the order of frames it cannot have, and opposite strokes look the same to it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
import numpy as np

from edgeshift._system.files import atomic_write, sha256
from edgeshift.artifact.description import NONE
from edgeshift.benchmarks.accuracy import Candidate, measure, open_subject
from edgeshift.benchmarks.accuracy.clip import Answers
from edgeshift.benchmarks.accuracy.score import score_clip
from edgeshift.benchmarks.statistics import Share, share
from edgeshift.benchmarks.studies.drawn import drawn_gestures
from edgeshift.benchmarks.studies.notice import Notice
from edgeshift.benchmarks.studies.options import run
from edgeshift.errors import EdgeshiftError
from edgeshift.gestures import SPACING
from edgeshift.training import Recipe, train
from edgeshift.video.dataset import LabelledClip, read_dataset, read_label_map

if TYPE_CHECKING:
    from rich.console import Console

    from edgeshift.training.history import Entry

T = TypeVar("T")
MODELS = ("tsn_mobilenet_v2", "tsm_mobilenet_v2", "stsm_mobilenet_v2")
#: Strokes that differ in nothing but their direction: without order, one of two is a guess.
DIRECTIONS = ("left", "right", "up", "down")
RESULTS, MEASURED = "order.json", "measured.json"


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One trained network. Shares of clips whose consensus is right; videos are None without ``--data``."""

    model: str
    seed: int
    drawn: Share
    drawn_directions: Share
    videos: Share | None = None
    video_directions: Share | None = None


class KeptRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row, and what was measured on what."""

    of: str
    row: Row


def main(arguments: list[str] | None = None) -> int:
    """Run it and print it."""
    parser = argparse.ArgumentParser(description="What the shift carries: with and without it, several seeds each.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder for the runs and the results")
    parser.add_argument("--init", type=Path, required=True, metavar="F", help="ImageNet weights that all start from")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each model (default: 3)")
    parser.add_argument("--steps", type=int, default=600, help="of each training (default: 600)")
    parser.add_argument("--size", type=int, default=112, help="pixels a side of a frame (default: 112)")
    add_measuring(parser)
    parser.add_argument("--models", default=",".join(MODELS), help="which to compare")
    settings = parser.parse_args(arguments)

    def work() -> int:
        rows = compare(
            settings.out,
            settings.init,
            models=tuple(settings.models.split(",")),
            seeds=settings.seeds,
            steps=settings.steps,
            size=settings.size,
            clips=settings.clips,
            videos=videos_of(settings.data, settings.label_map),
        )
        deliver(rows, settings.out / RESULTS, show, json=settings.json)
        return 0

    return run(work)


def add_measuring(parser: argparse.ArgumentParser) -> None:
    """The options that say what networks are measured on, and how it is told."""
    parser.add_argument("--clips", type=int, default=200, help="drawn gestures to measure on (default: 200)")
    parser.add_argument("--data", type=Path, metavar="D", help="a folder of videos per label, or a CSV (file,label)")
    parser.add_argument("--label-map", metavar="A=B,..", help="labels of the data to those of the networks")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")


def deliver(rows: list[T], path: Path, show: Callable[[list[T], Console], None], *, json: bool) -> None:
    """Write the rows as JSON, and print them: as that, or as a table."""
    document = msgspec.json.format(msgspec.json.encode(rows), indent=1)
    with atomic_write(path) as part:
        part.write_bytes(document)
    if json:
        sys.stdout.write(document.decode() + "\n")
    else:
        from rich.console import Console

        show(rows, Console())


def compare(
    folder: Path,
    init: Path,
    *,
    models: tuple[str, ...] = MODELS,
    seeds: int,
    steps: int,
    size: int,
    clips: int,
    videos: tuple[LabelledClip, ...] = (),
) -> list[Row]:
    """Train and measure.

    Args:
        folder: of the runs. init: where all start. models: registry names. seeds: of each.
        steps, size: of the recipe, which is otherwise the default one. clips: drawn gestures. videos: labelled ones.

    Raises:
        EdgeshiftError: no seeds or clips, or whatever training raises.
    """
    if seeds < 1 or clips < 1:
        raise EdgeshiftError(f"{seeds} seeds and {clips} clips: give 1 or more of each")
    notice = Notice()
    rows = []
    for seed in range(seeds):
        for model in models:
            recipe = Recipe(model=model, size=size, steps=steps, seed=seed)
            home = folder / f"{model}_{seed}"
            with notice.stage(f"train {model}, seed {seed}", steps) as advance:
                # A finished run comes back at once; one of another recipe or start is refused.
                count = Counted(advance)
                result = train(recipe, home, init=init, resume=home.exists(), report=count.report).path
            with notice.stage(f"measure {model}, seed {seed}"):
                rows.append(kept_row(result, model, seed, clips, videos))
    return rows


def kept_row(result: Path, model: str, seed: int, clips: int, videos: tuple[LabelledClip, ...]) -> Row:
    """``row_of`` a run's result, measured once and kept beside it for as long as nothing has changed."""
    subject = open_subject(result)
    names = "".join(f"{clip.name}\t{clip.label}\n" for clip in videos)
    of = f"{subject.sha256}, {clips} drawn, {len(videos)} videos {sha256(names.encode())}"
    path = result.with_name(MEASURED)
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=KeptRow)
    except (OSError, msgspec.DecodeError):
        kept = None
    if kept is None or kept.of != of:
        kept = KeptRow(of, row_of(subject, model, seed, clips, videos))
        with atomic_write(path) as part:
            part.write_bytes(msgspec.json.encode(kept))
    return kept.row


class Counted:
    """Passes the steps of a history on to a notice."""

    def __init__(self, advance: Callable[[], None]) -> None:
        self.advance, self.steps = advance, 0

    def report(self, entry: Entry) -> None:
        """Another line."""
        for _ in range(entry.step - self.steps):
            self.advance()
        self.steps = entry.step


def row_of(subject: Candidate, model: str, seed: int, clips: int, videos: tuple[LabelledClip, ...]) -> Row:
    """Measure one trained network on drawn gestures and on videos, if there are any."""
    spec, stream = subject.model.spec, subject.model.stream()
    answers = []
    for label, drawn in drawn_gestures(clips, spec.frame_spacing or SPACING, spec.frame.width):
        stream.reset()
        logits = [stream.step(frame).logits for frame in drawn.frames]
        score = score_clip("", label, Answers(drawn.times, np.stack(logits)), subject.rule, spec.labels, spec.consensus)
        answers.append((label, score.consensus))
    filmed = []
    if videos:
        measured = measure(subject, videos)
        filmed = [(clip.label, clip.consensus) for clip in measured.clips]
        for name, reason in measured.unreadable:
            sys.stderr.write(f"not counted: {name}: {reason}\n")
    if foreign := sorted({label for label, _ in filmed if label not in spec.labels}):
        sys.stderr.write(
            f"not counted: clips of {', '.join(foreign)}: no labels of the model (--label-map names them)\n"
        )
    known = [pair for pair in filmed if pair[0] in spec.labels and pair[0] != NONE]
    return Row(
        model=model,
        seed=seed,
        drawn=_right(answers),
        drawn_directions=_right([pair for pair in answers if pair[0] in DIRECTIONS]),
        videos=_right(known) if known else None,
        video_directions=_right([pair for pair in known if pair[0] in DIRECTIONS]) if known else None,
    )


def _right(answers: list[tuple[str, str]]) -> Share:
    return share(sum(label == answer for label, answer in answers), len(answers))


def videos_of(data: Path | None, label_map: str | None) -> tuple[LabelledClip, ...]:
    """The labelled videos of ``--data``; none without it."""
    if data is None:
        return ()
    return tuple(read_dataset(data, read_label_map(label_map) if label_map else {}).clips)


def show(rows: list[Row], console: Console) -> None:
    """A line for each network, and for each model the mean over its seeds."""
    from rich.table import Table

    table = Table("model", "seed", "drawn", "drawn, 4 directions", "videos", "videos, 4 directions")
    for model in dict.fromkeys(row.model for row in rows):
        mine = [row for row in rows if row.model == model]
        for row in mine:
            table.add_row(model, str(row.seed), *(text_of(value) for value in values_of(row)))
        columns = zip(*(values_of(row) for row in mine), strict=True)
        means = [[s.value for s in column if s is not None and s.value is not None] for column in columns]
        spread = [f"{statistics.mean(c):.1%} (±{statistics.pstdev(c):.1%})" if c else "-" for c in means]
        table.add_row(f"[bold]{model}[/bold]", "mean", *spread, end_section=True)
    console.print(table)


def values_of(row: Row) -> tuple[Share | None, ...]:
    """The shares of a row, in the order of the columns."""
    return row.drawn, row.drawn_directions, row.videos, row.video_directions


def text_of(value: Share | None) -> str:
    """A share in a table."""
    return "-" if value is None or value.value is None else f"{value.value:.1%} of {value.total}"


if __name__ == "__main__":
    sys.exit(main())
