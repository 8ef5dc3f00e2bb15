"""Tune the event rule of a trained network again, on more drawn streams than a training run has time for.

    python -m edgeshift.training.tune_rule F.safetensors --streams 200 --out G.safetensors

A training run tunes the rule on forty streams of one minute. That is so few that the chosen threshold can be off by one
step of its grid.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from edgeshift._system.memory import keep_freed_memory
from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.description import NONE, RuleSpec
from edgeshift.checkpoints import load, save
from edgeshift.errors import EdgeshiftError, TrainingError
from edgeshift.events.spotter import describe_rule
from edgeshift.gestures import STROKES
from edgeshift.training.average import drawn_recipe
from edgeshift.training.run import tune_on_drawn_streams

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    file: Annotated[Path, typer.Argument(help="A checkpoint that `edgeshift train` made from drawn streams.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The .safetensors file to write; it may be the same file.")],
    streams: Annotated[int, typer.Option(help="Number of drawn streams of one minute to tune on.")] = 200,
    half: Annotated[bool, typer.Option("--half", help="Store the weights as float16 instead of float32.")] = False,
) -> None:
    """Tune the event rule of a checkpoint again, on many drawn streams."""
    keep_freed_memory()
    try:
        with ProgressBars().stage("streams", streams) as advance:
            rule = tune_rule(file, out, streams, half=half, advance=advance)
    except EdgeshiftError as error:
        sys.stderr.write(f"error: {error}\n")
        raise typer.Exit(error.status) from error
    sys.stdout.write(f"rule: {describe_rule(rule, (*STROKES, NONE))}\n")


def tune_rule(
    file: Path, out: Path, streams: int, *, half: bool = False, advance: Callable[[], None] = lambda: None
) -> RuleSpec:
    """Write a checkpoint again with a newly tuned event rule.

    Args:
        file: a checkpoint that ``edgeshift train`` made from drawn streams.
        out: the .safetensors file to write; it may be the same.
        streams: number of drawn streams of one minute to tune on, 1 or more.
        half: store the weights as float16.
        advance: called after each stream.

    Returns:
        The rule.

    Raises:
        CheckpointError: a file cannot be read or written.
        TrainingError: there are no streams, or the checkpoint was not trained on drawn streams.
    """
    if streams < 1:
        raise TrainingError(f"{streams} streams are too few to tune a rule; give 1 or more")
    checkpoint = load(file)
    recipe = drawn_recipe(file, checkpoint)
    rule = tune_on_drawn_streams(checkpoint.network, recipe, STROKES, count=streams, advance=advance)
    training = {**checkpoint.training, "rule": f"chosen on {streams} drawn streams of a minute"}
    save(out, checkpoint.network, checkpoint.description, rule=rule, training=training, half=half)
    return rule


if __name__ == "__main__":
    app()
