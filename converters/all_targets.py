"""Conversion of one checkpoint to several targets. Shared work is done once, and failures do not stop other targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from edgeshift._system.progress import Stages
from edgeshift.checkpoints import Checkpoint
from edgeshift.converters.pipeline import Converted, Options, convert, default_path, prepare
from edgeshift.errors import EdgeshiftError
from edgeshift.targets import targets_of_all


@dataclass(frozen=True)
class Outcome:
    """The result of one target.

    Attributes:
        target: name of the target.
        converted: the artifact; None: the conversion failed.
        error: why it failed; None: it did not fail.
        seconds: duration of this target's conversion, without the work that all targets share.
    """

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
    """Convert a checkpoint to each target. The artifacts get their default names.

    Args:
        source: the original network.
        folder: the folder for the artifacts. It is created if it does not exist.
        options: how to convert. A target that does not support them has an error in its outcome.
        stages: measures and shows progress.
        targets: names in ``edgeshift.targets.TARGETS``; None: those of ``targets_of_all``.

    Raises:
        CalibrationError: there are too few calibration clips.
    """
    options, stages = options or Options(), stages or Stages()
    prepared = prepare(source, options, stages)
    outcomes = []
    for target in targets_of_all(options.precision) if targets is None else targets:
        started = perf_counter()
        converted, failure = None, None
        try:
            name = default_path(source, target, options.precision, options.state, options.clip)
            converted = convert(source, target, folder / name, options, stages, prepared=prepared)
        except EdgeshiftError as error:
            failure = error
        outcomes.append(Outcome(target, converted, failure, perf_counter() - started))
    return outcomes
