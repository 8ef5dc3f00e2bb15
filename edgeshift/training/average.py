"""Average the weights of successive stages of a training, each of which started from the one before.

    python -m edgeshift.training.average STAGE3.safetensors STAGE4.safetensors --out MEAN.safetensors

The mean of several points of one training often generalises better than each of them (Izmailov et al., "Averaging
Weights Leads to Wider Optima and Better Generalization", 2018). The statistics of batch norms are averaged as well,
because they differ little between stages that end with fixed statistics. A new event rule is tuned for the mean.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import Annotated

import msgspec
import torch
import typer

from edgeshift._system.memory import keep_freed_memory
from edgeshift.artifact.description import NONE
from edgeshift.artifact.pair_label import pair_labels
from edgeshift.checkpoints import Checkpoint, load, save
from edgeshift.errors import EdgeshiftError, TrainingError
from edgeshift.gestures import STROKES
from edgeshift.sound.drawn import QUIET
from edgeshift.training.recipe import Recipe
from edgeshift.training.run import tune_on_drawn_streams

#: Fields of the checkpoints that must be equal.
EQUAL_FIELDS = ("config", "description.labels", "description.frame_spacing", "description.frame")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    files: Annotated[
        list[Path], typer.Argument(help="Two or more checkpoints of `edgeshift train`, the last stage last.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The .safetensors file to write.")],
    half: Annotated[bool, typer.Option("--half", help="Store the weights as float16 instead of float32.")] = False,
) -> None:
    """Average the weights of successive stages of a training, and tune an event rule for the mean.

    Everything except for the weights and the rule is taken from the last checkpoint.
    """
    keep_freed_memory()
    with errors_in_one_line():
        if len(files) < 2:
            raise TrainingError("an average needs two checkpoints or more")
        checkpoints = [load(path) for path in files]
        last = checkpoints[-1]
        for path, checkpoint in zip(files, checkpoints, strict=True):
            for field in EQUAL_FIELDS:
                if attrgetter(field)(checkpoint) != attrgetter(field)(last):
                    name = field.removeprefix("description.")
                    raise TrainingError(f"{path} and {files[-1]} differ in their {name}: they cannot be averaged")
        recipe = drawn_recipe(files[-1], last)
        states = [checkpoint.network.state_dict() for checkpoint in checkpoints]
        last.network.load_state_dict({name: _mean([state[name] for state in states]) for name in states[-1]})
        hashes = [checkpoint.description.weights.sha256 for checkpoint in checkpoints]
        stages = (f"{path.name} sha256 {digest}" for path, digest in zip(files, hashes, strict=True))
        weights = last.description.weights
        save(
            out,
            last.network,
            last.description,
            weights=msgspec.structs.replace(weights, source=f"{weights.source}; the mean of {len(files)} stages"),
            rule=tune_on_drawn_streams(last.network, recipe, STROKES),
            training={**last.training, "mean of": ", ".join(stages)},
            half=half,
        )
    sys.stdout.write(f"next: edgeshift convert --target tflite --weights {out}\n")


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Turn an expected error of the block into one line on stderr and an exit status."""
    try:
        yield
    except EdgeshiftError as error:
        sys.stderr.write(f"error: {error}\n")
        raise typer.Exit(error.status) from error


def drawn_recipe(path: Path, checkpoint: Checkpoint) -> Recipe:
    """Return the recipe with which a checkpoint was trained on drawn streams.

    Raises:
        TrainingError: the checkpoint has other labels, or its file does not record a recipe.
    """
    hears = checkpoint.config.sound is not None
    if not hears and checkpoint.description.labels != (*STROKES, NONE):
        raise _not_drawn(path)
    try:
        recipe = msgspec.json.decode(checkpoint.training["recipe"], type=Recipe)
    except (KeyError, msgspec.DecodeError) as error:
        raise TrainingError(
            f"{path} does not say how it was trained; give a checkpoint made by edgeshift train"
        ) from error
    pairs = pair_labels(recipe.gestures, (*recipe.sounds, QUIET))
    if hears and (pairs != checkpoint.description.labels or not {NONE} < set(recipe.gestures) <= {NONE, *STROKES}):
        raise _not_drawn(path)
    return recipe


def _not_drawn(path: Path) -> TrainingError:
    return TrainingError(
        f"{path} was not trained on drawn gestures and none, so no event rule can be tuned for it on drawn streams"
    )


def _mean(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    if not tensors[0].is_floating_point():  # the batch counter of a batch norm
        return tensors[-1]
    return torch.stack([tensor.double() for tensor in tensors]).mean(0).to(tensors[0].dtype)


if __name__ == "__main__":
    app()
