"""A training run and its folder. A folder belongs to one run, which can be interrupted and resumed in it.

recipe.json          the arguments of the run
last.pt              the complete state of the training, replaced as a whole
history.jsonl        losses and accuracies every few steps
curve.png            the same as a plot, if matplotlib is installed
model.safetensors    the resulting checkpoint (written by ``edgeshift.training.run``)
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

from edgeshift._system.claim import claim
from edgeshift.errors import TrainingError, one_line
from edgeshift.training.recipe import Recipe
from edgeshift.training.sequences import Sequences

RECIPE, STATE, HISTORY, CURVE, RESULT = "recipe.json", "last.pt", "history.jsonl", "curve.png", "model.safetensors"


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        recipe: the hyperparameters.
        folder: the folder of the run.
        start: origin of the starting weights, in words.
        data: the sequences to train on.
        validation: the sequences to validate on.
        validation_count: number of sequences in each validation, which have the indices from 0.
        device: "cpu" or "cuda".
        workers: number of processes that prepare sequences; 0: the training process prepares them.
        changes: how the data are mirrored and reversed, in words.
    """

    recipe: Recipe
    folder: Path
    start: str
    data: Sequences
    validation: Sequences
    validation_count: int = 32
    device: str = "cpu"
    workers: int = 1
    changes: str = ""


def claim_folder(run: Run, resume: bool) -> None:
    """Write the arguments of a run into its folder, or check that the folder holds the same run.

    Raises:
        TrainingError: the folder holds another run, or a run although ``resume`` is False.
    """
    arguments = {
        "recipe": run.recipe,
        "start": run.start,
        "data": run.data.source,
        "validation": run.validation.source,
        "changes": run.changes,
        "labels": list(run.data.labels),
        # Other versions of the code that draws or decodes frames give other frames.
        "first frames": f"{zlib.crc32(run.data[0].frames.tobytes()):08x}",
    }
    path = run.folder / RECIPE
    if path.exists() and not resume:
        raise TrainingError(f"{run.folder} already holds a run: resume it (--resume), or give another --out")
    try:
        different = claim(path, arguments)
    except (ValueError, OSError) as error:
        raise TrainingError(f"{path}: cannot be read: {one_line(error)}; remove the folder to start again") from error
    if different:
        raise TrainingError(f"{run.folder} holds a run with another {different[0]}: give the same, or another --out")
