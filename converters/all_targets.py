"""One source to every target: what they have in common is done once, and one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from edgeshift._system.progress import Stages
from edgeshift.checkpoints import Checkpoint
from edgeshift.converters.pipeline import Converted, Options, convert, default_path, prepare
from edgeshift.errors import EdgeshiftError
from edgeshift.targets import TARGETS


@dataclass(frozen=True)
class Outcome:
    """What became of one target: an artifact, or the reason why there is none. seconds: its own, without the shared."""

    target: str
    converted: Converted | None
    error: EdgeshiftError | None
    seconds: float


def convert_all(
    source: Checkpoint,
    folder: Path,
    options: Options | None = None,
    stages: Stages | None = None,
    targets: Sequence[str] | None = None,
) -> list[Outcome]:
    """Convert to each target, into a folder, under the names that artifacts have if nobody says.

    Args:
        source: the original. folder: is made if it is not there.
        options: how; a target that lacks the precision or form asked for is an error in its outcome.
        stages: to draw progress with. targets: names in ``edgeshift.targets.TARGETS``; None: all.

    Raises:
        CalibrationError: clips that calibrate nothing, for any target.
    """
    options, stages = options or Options(), stages or Stages()
    prepared = prepare(source, options, stages)
    outcomes = []
    for target in TARGETS if targets is None else targets:
        begin = perf_counter()
        converted, failed = None, None
        try:
            name = default_path(source, target, options.precision, options.state)
            converted = convert(source, target, folder / name, options, stages, prepared=prepared)
        except EdgeshiftError as error:
            failed = error
        outcomes.append(Outcome(target, converted, failed, perf_counter() - begin))
    return outcomes
