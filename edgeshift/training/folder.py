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
from typing import Any

import msgspec

from edgeshift._system.claim import claim, write_arguments
from edgeshift._system.text import printable
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


def claim_folder(run: Run, resume: bool) -> int | None:
    """Write the arguments of a run into its folder, or check that the folder holds the same run.

    Returns:
        The number of steps that the folder records, if it differs from that of the run; None: it does not. A run may be
        resumed with another number of steps; ``record_steps`` then writes it into the folder.

    Raises:
        TrainingError: the folder holds another run, or a run although ``resume`` is False, or cannot be written.
    """
    path = run.folder / RECIPE
    if path.exists() and not resume:
        raise TrainingError(f"{run.folder} already holds a run: resume it (--resume), or give another --out")
    try:
        different = claim(path, _arguments(run))
    except (ValueError, OSError) as error:
        raise TrainingError(f"{path}: cannot be read: {one_line(error)}; remove the folder to start again") from error
    recipe = different.pop("recipe", None)
    fields = {} if recipe is None else _differences(*recipe)
    steps = fields.pop("steps", None)
    # The frames follow from the other arguments, so they are named only if nothing else differs.
    frames = different.pop("first frames", None)
    fields |= different
    if frames is not None and not fields:
        fields["first frames"] = frames
    if fields:
        listed = "; ".join(f"{name}: {_short(before)}, now {_short(now)}" for name, (before, now) in fields.items())
        raise TrainingError(f"{run.folder} holds another run ({listed}): give the same arguments, or another --out")
    return None if steps is None else int(steps[0])


def record_steps(run: Run) -> None:
    """Write the arguments of a run with a new number of steps into its folder."""
    write_arguments(run.folder / RECIPE, _arguments(run))


def recorded_recipe(folder: Path) -> dict[str, Any]:
    """Return the fields of the recipe that a folder records; empty: there is none, or it cannot be read."""
    try:
        recipe = msgspec.json.decode((folder / RECIPE).read_bytes(), type=dict[str, Any])["recipe"]
        return msgspec.structs.asdict(msgspec.convert(recipe, Recipe))
    except (OSError, ValueError, LookupError, TypeError, RecursionError, msgspec.MsgspecError):
        return {}  # ``claim_folder`` says what is wrong


def _arguments(run: Run) -> dict[str, Any]:
    return {
        "recipe": run.recipe,
        "start": run.start,
        "data": run.data.source,
        "validation": run.validation.source,
        "changes": run.changes,
        "labels": list(run.data.labels),
        # Other versions of the code that draws or decodes frames give other frames.
        "first frames": f"{zlib.crc32(run.data[0].frames.tobytes()):08x}",
    }


def _differences(before: Any, now: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return {field: (before, now)} of the fields of a recipe that differ."""
    if not isinstance(before, dict):
        return {"recipe": (before, now)}
    result: dict[str, tuple[Any, Any]] = {}
    for name in dict.fromkeys([*before, *now]):
        old, new = before.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            result |= {f"{name} {inner}": values for inner, values in _differences(old, new).items()}
        elif old != new:
            result[name] = (old, new)
    return result


def _short(value: Any) -> str:
    text = printable(value if isinstance(value, str) else msgspec.json.encode(value).decode())
    return text if len(text) <= 80 else f"{text[:60]}...{text[-17:]}"
