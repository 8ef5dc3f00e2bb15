"""Training: from drawn streams or one's own videos to a checkpoint that streams. Importing this needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeshift.errors import missing
from edgeshift.training.recipe import Recipe

if TYPE_CHECKING:
    from edgeshift.training.history import Entry
    from edgeshift.training.videos import LabelMap

__all__ = ["Recipe", "Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """A finished run.

    Attributes:
        path: the checkpoint, safetensors. curve: the course of the run as a picture.
        history: its lines, the last one with a validation.
    """

    path: Path
    curve: Path
    history: tuple[Entry, ...]

    @property
    def unread(self) -> tuple[str, ...]:
        """Clips that could not be read and were left out: a line each."""
        return tuple(line for entry in self.history for line in entry.unread)


def train(
    recipe: Recipe,
    folder: Path,
    *,
    data: Path | None = None,
    strokes: Path | None = None,
    init: Path | None = None,
    past_only: bool = False,
    changes: LabelMap | None = None,
    resume: bool = False,
    device: str = "cpu",
    workers: int = 1,
    license: str | None = None,
    half: bool = False,
    report: Callable[[Entry], None] = lambda _entry: None,
) -> Trained:
    """Train a model in a folder of its own, or go on with a run that was cut off there.

    Args:
        recipe: the numbers.
        folder: where the run lives; see ``training.trainer``.
        data: a folder of videos per label, or a CSV (file,label[,split]); None: drawn streams of ten gestures.
        strokes: a file of further gestures to draw (``edgeshift.gestures.read_strokes``).
        init: a checkpoint in any layout edgeshift reads; None: random weights.
        past_only: ``init`` was trained past-only, which MIT's and mmaction2's names cannot show.
        changes: how labels change when clips are mirrored or reversed; None: neither is done.
        resume: go on where the folder's run was cut off; it must be the same run.
        device: "cpu" or "cuda". workers: processes that prepare the frames; with any, a script of
            one's own needs the usual ``if __name__ == "__main__":``.
        license: on what terms the result may be used, kept in the file.
        half: store its weights as float16. A finished run's file is written anew with what is asked of these two.
        report: called with each line of the history.

    Raises:
        TrainingError: data or a folder that does not fit, or a training that fails.
        RuntimeMissingError: torch is not installed.
    """
    for package in ("torch", "safetensors"):
        try:
            __import__(package)
        except ImportError as error:
            raise missing(package, "convert", "training") from error
    from edgeshift.training.run import run_and_save

    return run_and_save(
        recipe,
        folder,
        data=data,
        strokes=strokes,
        init=init,
        past_only=past_only,
        changes=changes,
        resume=resume,
        device=device,
        workers=workers,
        license=license,
        half=half,
        report=report,
    )
