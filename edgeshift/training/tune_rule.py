"""The rule for streams of a trained network, chosen anew on more drawn streams than a training takes time for.

    python -m edgeshift.training.tune_rule F.safetensors --streams 200 --out G.safetensors

Forty minutes, which a training ends with, leave the threshold to chance by a step or so of its grid.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from edgeshift._system.memory import keep_freed_memory
from edgeshift.artifact.description import NONE, RuleSpec
from edgeshift.checkpoints import load, save
from edgeshift.errors import EdgeshiftError, TrainingError
from edgeshift.events.spotter import describe_rule
from edgeshift.gestures import STROKES
from edgeshift.training.average import recipe_of
from edgeshift.training.run import drawn_rule

STREAMS = 200


def main(arguments: list[str] | None = None) -> int:
    """Choose on the command line."""
    from edgeshift._system.progress import ProgressBars

    parser = argparse.ArgumentParser(description="The rule for streams, chosen anew on many drawn streams.")
    parser.add_argument("file", type=Path, metavar="F", help="a checkpoint of edgeshift train on drawn streams")
    parser.add_argument("--out", type=Path, required=True, metavar="G", help="where it goes with its rule; may be F")
    parser.add_argument("--streams", type=int, default=STREAMS, help=f"of a minute (default: {STREAMS})")
    parser.add_argument("--half", action="store_true", help="store its weights as float16")
    settings = parser.parse_args(arguments)
    keep_freed_memory()
    try:
        with ProgressBars().stage("streams", settings.streams) as advance:
            rule = choose(settings.file, settings.out, settings.streams, half=settings.half, advance=advance)
    except EdgeshiftError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.status
    sys.stdout.write(f"rule: {describe_rule(rule, (*STROKES, NONE))}\n")
    return 0


def choose(
    file: Path, out: Path, streams: int, *, half: bool = False, advance: Callable[[], None] = lambda: None
) -> RuleSpec:
    """Write a checkpoint again with a rule that is chosen anew.

    Args:
        file: made by ``edgeshift train`` on drawn streams. out: .safetensors, may be the same.
        streams: to choose on, of a minute, 1 or more. half: store weights as float16. advance: called after each.

    Raises:
        CheckpointError: a file that cannot be read or written.
        TrainingError: no streams, or a network of other labels.
    """
    if streams < 1:
        raise TrainingError(f"{streams} streams say nothing: give 1 or more")
    given = load(file)
    if given.labels != (*STROKES, NONE):
        raise TrainingError(f"{file}: not trained on drawn gestures: no rule for streams can be chosen for it")
    recipe = recipe_of(file, given)
    rule = drawn_rule(given.network, recipe, STROKES, count=streams, advance=advance)
    save(
        out,
        given.network,
        labels=given.labels,
        frame_spacing=given.frame_spacing,
        frames=given.frames,
        consensus=given.consensus,
        fit=given.fit,
        source=given.source,
        license=given.license,
        rule=rule,
        training={**(given.training or {}), "rule": f"chosen on {streams} drawn streams of a minute"},
        half=half,
    )
    return rule


if __name__ == "__main__":
    sys.exit(main())
