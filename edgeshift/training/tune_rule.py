"""Tune the event rule of a trained network again, on more drawn streams than ``edgeshift train`` uses.

    python -m edgeshift.training.tune_rule F.safetensors --streams 200 --out G.safetensors

A training run tunes the rule on forty streams of one minute, or on sixteen with sounds for a network with a sound
segment. These are so few that the threshold can differ from the best one by one step of its grid.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from edgeshift._system.memory import keep_freed_memory
from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.description import RuleSpec
from edgeshift.checkpoints import Checkpoint, load, save
from edgeshift.events.spotter import describe_rule
from edgeshift.gestures import STROKES
from edgeshift.training.average import drawn_recipe, errors_in_one_line
from edgeshift.training.recipe import Recipe
from edgeshift.training.run import tune_on_drawn_streams
from edgeshift.training.sound_rule import tune_on_heard_streams

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    file: Annotated[Path, typer.Argument(help="A checkpoint that `edgeshift train` made from drawn streams.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The .safetensors file to write; it may be the same file.")],
    streams: Annotated[int, typer.Option(min=1, help="Number of drawn streams of one minute to tune on.")] = 200,
    half: Annotated[bool, typer.Option("--half", help="Store the weights as float16 instead of float32.")] = False,
) -> None:
    """Tune the event rule of a checkpoint again, on many drawn streams."""
    keep_freed_memory()
    with errors_in_one_line():
        checkpoint = load(file)
        recipe = drawn_recipe(file, checkpoint)
        with ProgressBars().stage("streams", streams) as advance:
            rule = _tune(checkpoint, recipe, streams, advance)
        training = {**checkpoint.training, "rule": f"chosen on {streams} drawn streams of a minute"}
        save(out, checkpoint.network, checkpoint.description, rule=rule, training=training, half=half)
    sys.stdout.write(f"rule: {describe_rule(rule, checkpoint.description.labels)}\n")


def _tune(checkpoint: Checkpoint, recipe: Recipe, count: int, advance: Callable[[], None]) -> RuleSpec:
    network, description = checkpoint.network, checkpoint.description
    if recipe.sound is None:
        return tune_on_drawn_streams(network, recipe, STROKES, count=count, advance=advance)
    return tune_on_heard_streams(network, recipe, description.labels, description.quiet or (), count, advance)


if __name__ == "__main__":
    app()
