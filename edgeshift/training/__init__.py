"""Training on drawn streams or recorded videos. The result is a checkpoint that streams.

Importing this package needs no torch.
"""

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
    """A finished training run.

    Attributes:
        path: the resulting checkpoint, a safetensors file.
        curve: the plot of losses and accuracies. It is not drawn if matplotlib is not installed.
        history: the entries of the run; the last one has a validation.
    """

    path: Path
    curve: Path
    history: tuple[Entry, ...]

    @property
    def unread(self) -> tuple[str, ...]:
        """Clips that could not be read and were left out, one line each."""
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
    """Train a model in a folder of its own, or resume a run that was interrupted there.

    Args:
        recipe: the hyperparameters.
        folder: the folder of the run. ``edgeshift.training.trainer`` lists its files.
        data: a folder with one folder of videos per label, or a CSV (file,label[,split]); None: drawn streams of ten
            gestures.
        strokes: a JSON file of further gestures to draw (``edgeshift.gestures.read_strokes``).
        init: a checkpoint to start from, in any layout that edgeshift reads; None: random weights.
        past_only: the weights of ``init`` were trained past-only, which tensor names of MIT and mmaction2 do not show.
        changes: the labels of mirrored and reversed clips; None: clips are neither mirrored nor reversed.
        resume: continue an interrupted run in ``folder``. It must be the same run.
        device: "cpu" or "cuda".
        workers: number of processes that prepare frames. A script that uses any needs the usual
            ``if __name__ == "__main__":``.
        license: licence of the result, stored in its file.
        half: store the weights of the result as float16. If the run in ``folder`` is already finished, ``half`` and
            ``license`` apply to its result, which is written again.
        report: called with each new entry of the history.

    Raises:
        TrainingError: unsuitable data, a folder of another run, or a training that fails.
        RuntimeMissingError: torch or safetensors is not installed.
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
