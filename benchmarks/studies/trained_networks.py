"""Train a network and test it on clips, for the studies that compare trained networks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
import typer

from edgeshift import training
from edgeshift._system.files import sha256
from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.description import NONE
from edgeshift.benchmarks.accuracy.candidate import Candidate, open_candidate
from edgeshift.benchmarks.accuracy.clip import FrameLogits
from edgeshift.benchmarks.accuracy.measure import measure
from edgeshift.benchmarks.accuracy.score import score_clip
from edgeshift.benchmarks.statistics import Share, share
from edgeshift.benchmarks.studies.command import stored_result
from edgeshift.benchmarks.studies.drawn_clips import drawn_gestures
from edgeshift.errors import TrainingError
from edgeshift.gestures import SPACING
from edgeshift.training.folder import recorded_recipe
from edgeshift.video.dataset import LabelledClip

if TYPE_CHECKING:
    from edgeshift.training.history import HistoryEntry

TestClips = Annotated[int, typer.Option("--clips", min=1, help="Drawn gestures to test on.")]
#: Strokes that differ in direction only: a network that does not know the order of frames guesses between two.
DIRECTIONS = ("left", "right", "up", "down")
#: Headings of the shares of a row.
COLUMNS = ("drawn", "drawn, 4 directions", "videos", "videos, 4 directions")
#: File beside a checkpoint in which its row is stored.
MEASURED = "measured.json"


class NetworkRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One trained network, and the shares of clips that it classifies correctly.

    Attributes:
        model: name of the network.
        seed: seed of its training.
        drawn: accuracy on the drawn gestures.
        drawn_directions: accuracy on the drawn gestures with a label in ``DIRECTIONS``.
        videos, video_directions: the same accuracies on the videos; None: no videos were given.
    """

    model: str
    seed: int
    drawn: Share
    drawn_directions: Share
    videos: Share | None = None
    video_directions: Share | None = None

    @property
    def shares(self) -> tuple[Share | None, ...]:
        """The shares in the order of ``COLUMNS``."""
        return self.drawn, self.drawn_directions, self.videos, self.video_directions


class StoredRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row that is stored in a file. ``of`` identifies the weights and the test clips that gave it."""

    of: str
    row: NetworkRow


def train(recipe: training.Recipe, folder: Path, init: Path) -> Path:
    """Train a network in a folder and return its checkpoint.

    A run that was interrupted in the folder continues, and a finished run returns at once. A finished run is not
    extended to more steps: its schedule of learning rates would differ from that of a new run with as many steps.

    Raises:
        EdgeshiftError: the folder has a run with another recipe or other starting weights, or the training fails.
    """
    before = recorded_recipe(folder).get("steps", recipe.steps)
    if before != recipe.steps:
        raise TrainingError(f"{folder} holds a run of {before} steps: give --steps {before}, or another --out")
    steps = 0
    with ProgressBars(live=False).stage(f"train {folder.name}", recipe.steps) as advance:

        def report(entry: HistoryEntry) -> None:
            nonlocal steps
            for _ in range(entry.step - steps):
                advance()
            steps = entry.step

        return training.train(recipe, folder, init=init, resume=folder.exists(), report=report).path


def stored_row(checkpoint: Path, model: str, seed: int, clips: int, videos: tuple[LabelledClip, ...]) -> NetworkRow:
    """Return the row of a trained network, which is stored beside the checkpoint.

    Args:
        checkpoint: the trained network.
        model, seed: as in ``NetworkRow``.
        clips: number of drawn gestures to test on.
        videos: labelled videos to test on.
    """
    candidate = open_candidate(checkpoint)
    names = "".join(f"{clip.name}\t{clip.label}\n" for clip in videos)
    inputs = f"{candidate.sha256}, {clips} drawn, {len(videos)} videos {sha256(names.encode())}"
    return stored_result(
        checkpoint.with_name(MEASURED),
        StoredRow,
        lambda stored: stored.of == inputs,
        lambda: StoredRow(inputs, measure_row(candidate, model, seed, clips, videos)),
    ).row


def measure_row(
    candidate: Candidate, model: str, seed: int, clips: int, videos: tuple[LabelledClip, ...]
) -> NetworkRow:
    """Test a trained network on drawn gestures and on videos."""
    spec, stream = candidate.model.spec, candidate.model.stream()
    drawn = []
    for label, gesture in drawn_gestures(clips, spec.frame_spacing or SPACING, spec.frame.width):
        stream.reset()
        logits = FrameLogits(gesture.times, np.stack([stream.step(frame).logits for frame in gesture.frames]))
        score = score_clip("", label, logits, candidate.rule, spec.labels, spec.consensus)
        drawn.append((label, score.consensus))
    filmed = []
    if videos:
        measured = measure(candidate, videos)
        filmed = [(clip.label, clip.consensus) for clip in measured.clips]
        for name, reason in measured.unreadable:
            sys.stderr.write(f"left out: {name}: {reason}\n")
    if unknown := sorted({label for label, _ in filmed if label not in spec.labels}):
        sys.stderr.write(
            f"left out: clips labelled {', '.join(unknown)}: the model does not have these labels; see --label-map\n"
        )
    filmed = [(label, answer) for label, answer in filmed if label in spec.labels and label != NONE]
    return NetworkRow(
        model=model,
        seed=seed,
        drawn=_correct(drawn),
        drawn_directions=_correct(drawn, DIRECTIONS),
        videos=_correct(filmed) if filmed else None,
        video_directions=_correct(filmed, DIRECTIONS) if filmed else None,
    )


def _correct(answers: list[tuple[str, str]], labels: tuple[str, ...] = ()) -> Share:
    """Return the share of correct predictions for the clips with one of ``labels``; empty: for all clips."""
    answers = [(label, answer) for label, answer in answers if not labels or label in labels]
    return share(sum(label == answer for label, answer in answers), len(answers))


def share_text(share: Share | None) -> str:
    """Return the text of a share for a table cell."""
    return "-" if share is None or share.value is None else f"{share.value:.1%} of {share.total}"
