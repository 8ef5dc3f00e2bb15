"""Shared or separate batch norms for frames and sounds, and the weight of the sound: trainings that decide it.

    python -m edgeshift.benchmarks.studies.sound_norms --out runs/sound [--steps 1000] [--seeds 1] [--weights 1,4,8]

Networks that are not in the folder yet are trained from the shipped gesture weights, on pairs of a drawn gesture and a
drawn sound. An interrupted command continues where it stopped. Each network is then tested on drawn gestures and sounds
that no training uses. The answer is a mean of logits, so each gesture is paired with each sound.

A label is one of three gestures with one of three sounds, so frames alone or sounds alone classify a third of the pairs
correctly at best.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from edgeshift._system.files import sha256
from edgeshift._system.progress import ProgressBars
from edgeshift.benchmarks.studies.command import Json, Out, print_json, print_table, stored_result, study, write_json
from edgeshift.benchmarks.studies.trained_networks import train
from edgeshift.checkpoints.source import DEFAULT_MODEL
from edgeshift.sound import SoundSettings
from edgeshift.sound.settings import Norms
from edgeshift.training import Recipe
from edgeshift.weights import shipped

if TYPE_CHECKING:
    from torch import Tensor

    from edgeshift.models.network import ShiftNetwork

GESTURES, SOUNDS = ("left", "right", "circle"), ("clap", "whistle-up")
#: T of the answer, and the seconds of sound: as long as T frames of the shipped gesture weights, 0.25 s apart.
FRAMES, SECONDS = 8, 2.0
#: Stages whose weights are not trained. They know gestures already; batch norms for sounds are trained in them too.
FROZEN = 6
#: Seed of the gestures and sounds of the test.
TEST_SEED = 600_000_000
RESULTS, MEASURED = "sound_norms.json", "tested.json"


class SoundRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One trained network and its accuracies, 0 to 1.

    Attributes:
        norms, weight, seed: how the network was trained.
        steps: optimizer steps.
        fused: share of the pairs that are classified correctly.
        frames_alone, sounds_alone: share of the pairs that frames or sounds classify correctly without the other.
        gestures: share of the gestures that frames alone classify correctly.
        sounds: share of the sounds that sounds alone classify correctly.
    """

    norms: Norms
    weight: float
    seed: int
    steps: int
    fused: float
    frames_alone: float
    sounds_alone: float
    gestures: float
    sounds: float


class Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row that is stored in a file. ``of`` identifies the weights and the test that gave it."""

    of: str
    row: SoundRow


@study
def main(
    out: Out,
    init: Annotated[
        Path | None, typer.Option(metavar="F", help="Gesture weights to start from. Default: the shipped ones.")
    ] = None,
    norms: Annotated[str, typer.Option(metavar="A,B", help="Batch norms to compare.")] = "separate,shared",
    weights: Annotated[str, typer.Option(metavar="A,B", help="Weights of the sound to compare.")] = "1,4,8",
    seeds: Annotated[int, typer.Option(min=1, help="Number of trainings of each.")] = 1,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each training.")] = 1000,
    size: Annotated[int, typer.Option(min=64, help="Height and width of the frames, pixels.")] = 112,
    clips: Annotated[int, typer.Option(min=1, help="Gestures and sounds to test on.")] = 300,
    finished: Annotated[bool, typer.Option("--finished", help="Show finished trainings only, and train none.")] = False,
    as_json: Json = False,
) -> None:
    """Train networks with a sound segment and compare their accuracy."""
    start = init or shipped(DEFAULT_MODEL)
    assert start is not None, "gesture weights ship with edgeshift"
    rows = []
    for seed in range(seeds):
        for weight in map(float, weights.split(",")):
            for name in norms.split(","):
                recipe = recipe_of(msgspec.convert(name, Norms), weight, seed, steps, size)
                folder = out / f"{name}_{weight:g}_{seed}"
                if finished and not (folder / "model.safetensors").is_file():
                    continue
                rows.append(stored_row(train(recipe, folder, start), recipe, clips))
                write_json(rows, out / RESULTS)
    print_json(rows) if as_json else print_table(COLUMNS, [cells(row) for row in rows])


def recipe_of(norms: Norms, weight: float, seed: int, steps: int, size: int) -> Recipe:
    """Return the hyperparameters of one training."""
    settings = SoundSettings(seconds=SECONDS, frames=FRAMES, weight=weight, norms=norms, bands=size)
    return Recipe(
        model="tsam_mobilenet_v2",
        depth=1,
        size=size,
        frames=FRAMES,
        batch=16,
        steps=steps,
        motion=0.0,
        frozen=FROZEN,
        seed=seed,
        sound=settings,
        gestures=GESTURES,
        sounds=SOUNDS,
    )


def stored_row(checkpoint: Path, recipe: Recipe, clips: int) -> SoundRow:
    """Return the row of a trained network, which is stored beside the checkpoint."""
    from edgeshift.checkpoints import load

    inputs = f"{sha256(checkpoint.read_bytes())}, {clips} clips"
    return stored_result(
        checkpoint.with_name(MEASURED),
        Stored,
        lambda stored: stored.of == inputs,
        lambda: Stored(inputs, measure_row(load(checkpoint).network, recipe, clips)),
    ).row


def measure_row(network: ShiftNetwork, recipe: Recipe, clips: int) -> SoundRow:
    """Test a trained network on drawn gestures and sounds, each gesture with each sound."""
    import torch

    from edgeshift.models.sound import fuse, gesture_logits, sound_logits
    from edgeshift.training.batches import Batch
    from edgeshift.training.sound_pairs import DrawnPairs

    settings = recipe.sound
    assert settings is not None
    data = DrawnPairs(recipe.gestures, recipe.sounds, settings, recipe.size, TEST_SEED)
    frames, sounds, gestures, names = [], [], [], []
    with ProgressBars(live=False).stage("test", clips) as advance, torch.inference_mode():
        for index in range(clips):
            batch = Batch.of([data[index]]).to(torch.device("cpu"))
            assert batch.pictures is not None and batch.gestures is not None and batch.sounds is not None
            of_frames, of_sound = network.watch_and_hear(batch.clips, batch.pictures)
            frames.append(of_frames[0])
            sounds.append(of_sound[0])
            gestures.append(batch.gestures[0])
            names.append(batch.sounds[0])
            advance()
    of_frames, of_sounds = torch.stack(frames), torch.stack(sounds)
    gesture, sound = torch.stack(gestures), torch.stack(names)
    count = len(recipe.sounds) + 1
    label = gesture[:, None] * count + sound[None]
    means = of_frames.mean(1)
    return SoundRow(
        norms=settings.norms,
        weight=settings.weight,
        seed=recipe.seed,
        steps=recipe.steps,
        fused=_share(fuse(of_frames[:, None], of_sounds[None], settings.weight).argmax(2) == label),
        frames_alone=_share(means.argmax(1)[:, None] == label),
        sounds_alone=_share(of_sounds.argmax(1)[None] == label),
        gestures=_share(gesture_logits(means, count).argmax(1) == gesture),
        sounds=_share(sound_logits(of_sounds, count).argmax(1) == sound),
    )


def _share(right: Tensor) -> float:
    return float(right.float().mean())


COLUMNS = (
    *("batch norms", "weight", "seed", "steps", "fused", "frames alone", "sounds alone"),
    *("gestures, 3 ways", "sounds, 3 ways"),
)


def cells(row: SoundRow) -> tuple[str, ...]:
    """Return the cells of a row, in the order of ``COLUMNS``."""
    shares = (row.fused, row.frames_alone, row.sounds_alone, row.gestures, row.sounds)
    return row.norms, f"{row.weight:g}", str(row.seed), f"{row.steps:,}", *(f"{share:.1%}" for share in shares)


if __name__ == "__main__":
    sys.exit(main())
