"""The mean of networks that were trained one from the other: the last stages of a training, mostly.

    python -m edgeshift.training.average STAGE3.safetensors STAGE4.safetensors --out MEAN.safetensors

Weights of one valley of the loss have a mean that lies deeper in it than each (Izmailov et al., "Averaging Weights
Leads to Wider Optima and Better Generalization", 2018). Statistics of batch norms are averaged as well: stages that
end with fixed ones differ little in them. The rule for streams is chosen anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import torch

from edgeshift._system.memory import keep_freed_memory
from edgeshift.artifact.description import NONE
from edgeshift.checkpoints import Checkpoint, load, save
from edgeshift.errors import EdgeshiftError, TrainingError
from edgeshift.gestures import STROKES
from edgeshift.training.recipe import Recipe
from edgeshift.training.run import drawn_rule


def main(arguments: list[str] | None = None) -> int:
    """Average files on the command line."""
    parser = argparse.ArgumentParser(description="The mean of networks that were trained one from the other.")
    parser.add_argument("files", type=Path, nargs="+", metavar="F", help="checkpoints of edgeshift train, 2 or more")
    parser.add_argument("--out", type=Path, required=True, metavar="F", help="where the mean goes, .safetensors")
    parser.add_argument("--half", action="store_true", help="store its weights as float16")
    settings = parser.parse_args(arguments)
    keep_freed_memory()
    try:
        average(settings.files, settings.out, half=settings.half)
    except EdgeshiftError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.status
    sys.stdout.write(f"next: edgeshift convert --target tflite --weights {settings.out}\n")
    return 0


def average(files: Sequence[Path], out: Path, *, half: bool = False) -> None:
    """Write the mean of some checkpoints.

    Args:
        files: made by ``edgeshift train`` on drawn streams, the last stage last. What is not a weight is taken from it.
        out: .safetensors. half: store weights as float16.

    Raises:
        CheckpointError: a file that cannot be read.
        TrainingError: fewer than two, or networks that differ in anything but their weights.
    """
    if len(files) < 2:
        raise TrainingError("a mean takes two checkpoints or more")
    given = [load(path) for path in files]
    last = given[-1]
    for path, one in zip(files, given, strict=True):
        for what in ("config", "labels", "frame_spacing", "fit"):
            if getattr(one, what) != getattr(last, what):
                raise TrainingError(f"{path} and {files[-1]} differ in their {what}: they have no mean")
    if last.labels != (*STROKES, NONE):
        raise TrainingError(f"{files[-1]}: not trained on drawn gestures: no rule for streams can be chosen for a mean")
    recipe = recipe_of(files[-1], last)
    states = [one.network.state_dict() for one in given]
    last.network.load_state_dict({name: _mean([state[name] for state in states]) for name in states[-1]})
    stages = ", ".join(f"{path.name} sha256 {one.sha256}" for path, one in zip(files, given, strict=True))
    save(
        out,
        last.network,
        labels=last.labels,
        frame_spacing=last.frame_spacing,
        frames=last.frames,
        consensus=last.consensus,
        fit=last.fit,
        source=f"{last.source}; the mean of {len(files)} stages",
        license=last.license,
        rule=drawn_rule(last.network, recipe, STROKES),
        training={**(last.training or {}), "mean of": stages},
        half=half,
    )


def _mean(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    if not tensors[0].is_floating_point():  # how many batches a batch norm has seen
        return tensors[-1]
    return torch.stack([tensor.double() for tensor in tensors]).mean(0).to(tensors[0].dtype)


def recipe_of(path: Path, given: Checkpoint) -> Recipe:
    """How a checkpoint of edgeshift train was trained; TrainingError: it does not say."""
    try:
        return msgspec.json.decode((given.training or {})["recipe"], type=Recipe)
    except (KeyError, msgspec.DecodeError) as error:
        raise TrainingError(f"{path} does not say how it was trained: give results of edgeshift train") from error


if __name__ == "__main__":
    sys.exit(main())
