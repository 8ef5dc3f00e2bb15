"""Tune the event rule of a trained network again, on more drawn streams than ``edgeshift train`` uses.

    python -m edgeshift.training.tune_rule F.safetensors --streams 200 --out G.safetensors

A training run tunes the rule on forty streams of one minute. These are so few that the threshold can differ from the
best one by one step of its grid.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from edgeshift._system.memory import keep_freed_memory
from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.description import NONE
from edgeshift.checkpoints import load, save
from edgeshift.events.spotter import describe_rule
from edgeshift.gestures import STROKES
from edgeshift.training.average import drawn_recipe, errors_in_one_line
from edgeshift.training.run import tune_on_drawn_streams

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
            rule = tune_on_drawn_streams(checkpoint.network, recipe, STROKES, count=streams, advance=advance)
        training = {**checkpoint.training, "rule": f"chosen on {streams} drawn streams of a minute"}
        save(out, checkpoint.network, checkpoint.description, rule=rule, training=training, half=half)
    sys.stdout.write(f"rule: {describe_rule(rule, (*STROKES, NONE))}\n")


if __name__ == "__main__":
    app()
