"""What the shift is worth: the same network and training recipe with and without it, several seeds each.

    python -m edgeshift.benchmarks.studies.shift_ablation --out runs/ablation --init imagenet.pt [--data split.csv]

Networks that are not in the folder yet are trained (a run that was cut off goes on), then each is tested on gestures
drawn from seeds that no training uses and, with ``--data``, on labelled videos. A network without a shift sees each
frame alone. It cannot know the order of frames, and opposite strokes look the same to it.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
import typer

from edgeshift import training
from edgeshift._system.files import atomic_write, sha256
from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.description import NONE
from edgeshift.benchmarks.accuracy.candidate import Candidate, open_candidate
from edgeshift.benchmarks.accuracy.clip import FrameLogits
from edgeshift.benchmarks.accuracy.measure import measure
from edgeshift.benchmarks.accuracy.score import score_clip
from edgeshift.benchmarks.statistics import Share, share
from edgeshift.benchmarks.studies.command import (
    Data,
    Json,
    LabelMap,
    Out,
    labelled_videos,
    print_json,
    print_table,
    study,
    write_json,
)
from edgeshift.benchmarks.studies.drawn_clips import drawn_gestures
from edgeshift.errors import EdgeshiftError
from edgeshift.gestures import SPACING
from edgeshift.training import Recipe
from edgeshift.video.dataset import LabelledClip

if TYPE_CHECKING:
    from edgeshift.training.history import Entry

TestClips = Annotated[int, typer.Option("--clips", min=1, help="Drawn gestures to test on.")]
MODELS = ("tsn_mobilenet_v2", "tsm_mobilenet_v2", "stsm_mobilenet_v2")
#: Strokes that differ in direction only: without the order of frames, one of two is a guess.
DIRECTIONS = ("left", "right", "up", "down")
#: Headings of the shares of a row.
COLUMNS = ("drawn", "drawn, 4 directions", "videos", "videos, 4 directions")
RESULTS, MEASURED = "ablation.json", "measured.json"


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One trained network, and the shares of clips that it answers correctly.

    Attributes:
        model, seed: the network, and the seed of its training.
        drawn, drawn_directions: of the drawn gestures, and of those in ``DIRECTIONS``.
        videos, video_directions: the same of the videos; None: no videos were given.
    """

    model: str
    seed: int
    drawn: Share
    drawn_directions: Share
    videos: Share | None = None
    video_directions: Share | None = None


class KeptRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stored row, and what it depends on: weights and test clips."""

    of: str
    row: Row


@study
def main(
    out: Out,
    init: Annotated[Path, typer.Option(metavar="F", help="ImageNet weights that every training starts from.")],
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each model.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each training.")] = 600,
    size: Annotated[int, typer.Option(help="Height and width of the frames, pixels.")] = 112,
    clips: TestClips = 200,
    data: Data = None,
    label_map: LabelMap = None,
    models: Annotated[str, typer.Option(metavar="A,B", help="Models to compare.")] = ",".join(MODELS),
    as_json: Json = False,
) -> None:
    """Train the same network with and without a shift and compare their accuracy."""
    rows = compare(
        out,
        init,
        models=tuple(models.split(",")),
        seeds=seeds,
        steps=steps,
        size=size,
        clips=clips,
        videos=labelled_videos(data, label_map),
    )
    write_json(rows, out / RESULTS)
    print_json(rows) if as_json else show(rows)


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
    """Train and test.

    Args:
        folder: the folder of the runs.
        init: the weights that every training starts from.
        models: names of models.
        seeds: trainings of each model.
        steps, size: steps and frame size of the recipe, which is otherwise the default one.
        clips: number of drawn gestures.
        videos: labelled videos.

    Raises:
        EdgeshiftError: no seeds or clips, or an error of the training.
    """
    if seeds < 1 or clips < 1:
        raise EdgeshiftError(f"{seeds} seeds and {clips} clips: give 1 or more of each")
    progress = ProgressBars(live=False)
    rows = []
    for seed in range(seeds):
        for model in models:
            recipe = Recipe(model=model, size=size, steps=steps, seed=seed)
            home = folder / f"{model}_{seed}"
            with progress.stage(f"train {model}, seed {seed}", steps) as advance:
                # A finished run returns at once. A run with another recipe or other first weights is refused.
                count = Counted(advance)
                result = training.train(recipe, home, init=init, resume=home.exists(), report=count.report).path
            with progress.stage(f"test {model}, seed {seed}"):
                rows.append(kept_row(result, model, seed, clips, videos))
    return rows


def kept_row(result: Path, model: str, seed: int, clips: int, videos: tuple[LabelledClip, ...]) -> Row:
    """The row of a trained network. It is stored beside the weights and read from there while nothing has changed."""
    subject = open_candidate(result)
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
    """Advances a progress bar by the steps of a training history."""

    def __init__(self, advance: Callable[[], None]) -> None:
        self.advance, self.steps = advance, 0

    def report(self, entry: Entry) -> None:
        """Take the next entry of the history."""
        for _ in range(entry.step - self.steps):
            self.advance()
        self.steps = entry.step


def row_of(subject: Candidate, model: str, seed: int, clips: int, videos: tuple[LabelledClip, ...]) -> Row:
    """Test one trained network on drawn gestures and on the videos."""
    spec, stream = subject.model.spec, subject.model.stream()
    answers = []
    for label, drawn in drawn_gestures(clips, spec.frame_spacing or SPACING, spec.frame.width):
        stream.reset()
        logits = [stream.step(frame).logits for frame in drawn.frames]
        score = score_clip(
            "", label, FrameLogits(drawn.times, np.stack(logits)), subject.rule, spec.labels, spec.consensus
        )
        answers.append((label, score.consensus))
    filmed = []
    if videos:
        measured = measure(subject, videos)
        filmed = [(clip.label, clip.consensus) for clip in measured.clips]
        for name, reason in measured.unreadable:
            sys.stderr.write(f"left out: {name}: {reason}\n")
    if foreign := sorted({label for label, _ in filmed if label not in spec.labels}):
        sys.stderr.write(
            f"left out: clips labelled {', '.join(foreign)}: the model does not have these labels; see --label-map\n"
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


def show(rows: list[Row]) -> None:
    """Print a line for each network, and for each model the mean over its seeds."""
    lines = []
    for model in dict.fromkeys(row.model for row in rows):
        mine = [row for row in rows if row.model == model]
        for row in mine:
            lines.append((model, str(row.seed), *(text_of(value) for value in values_of(row))))
        columns = zip(*(values_of(row) for row in mine), strict=True)
        means = [[s.value for s in column if s is not None and s.value is not None] for column in columns]
        spread = [f"{statistics.mean(c):.1%} (±{statistics.pstdev(c):.1%})" if c else "-" for c in means]
        lines.append((model, "mean", *spread))
    print_table(("model", "seed", *COLUMNS), lines)


def values_of(row: Row) -> tuple[Share | None, ...]:
    """The shares of a row, in the order of ``COLUMNS``."""
    return row.drawn, row.drawn_directions, row.videos, row.video_directions


def text_of(value: Share | None) -> str:
    """A share as it stands in a table."""
    return "-" if value is None or value.value is None else f"{value.value:.1%} of {value.total}"


if __name__ == "__main__":
    sys.exit(main())
