"""The artifacts of a network for several targets and precisions, which the tables of targets compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.file import read_artifact
from edgeshift.artifact.spec import ParitySpec
from edgeshift.errors import ArtifactError, EdgeshiftError
from edgeshift.targets import ALL_PRECISIONS, TARGETS, Precision, find_target

if TYPE_CHECKING:
    from edgeshift.checkpoints import Checkpoint
    from edgeshift.converters import ClipOptions


def read_choices(precisions: str, targets: str | None) -> tuple[list[Precision], list[str]]:
    """Return the precisions and the targets that two options name, separated by commas.

    No targets: all of them, except those that are optional, such as Qualcomm's NPU, which only a simulator runs here.

    Raises:
        EdgeshiftError: a precision or target is unknown.
    """
    chosen = [precision for precision in ALL_PRECISIONS if precision in precisions.split(",")]
    if unknown := set(precisions.split(",")) - set(ALL_PRECISIONS):
        raise EdgeshiftError(f"--precisions {min(unknown)}: give some of {', '.join(ALL_PRECISIONS)}")
    names = targets.split(",") if targets else [name for name, target in TARGETS.items() if not target.optional]
    for name in names:
        find_target(name)
    return chosen, names


def convert_missing(
    source: Checkpoint,
    folder: Path,
    targets: list[str],
    precision: Precision,
    progress: ProgressBars,
    clip: ClipOptions | None = None,
    *,
    force: bool = False,
) -> dict[str, Path | str]:
    """Convert the artifacts that are not in the folder yet. Drawn clips calibrate int8.

    Args:
        source: the network.
        folder: the folder of the artifacts.
        targets, precision: what to convert to.
        progress: shows the conversions.
        clip: for a clip artifact; None: a stream artifact.
        force: also write artifacts that fail the comparison with the original.

    Returns:
        {target: path of its artifact, or the reason why there is none}.
    """
    import edgeshift.converters as converters

    paths = {name: folder / converters.default_path(source, name, precision, clip=clip) for name in targets}
    missing = [name for name, path in paths.items() if not _is_stored(path, source, clip)]
    options = converters.Options(precision=precision, clip=clip, calibration="drawn", force=force)
    outcomes = converters.convert_all(source, folder, options, progress, missing) if missing else []
    reasons = {outcome.target: str(outcome.error) for outcome in outcomes if outcome.error is not None}
    return {name: reasons.get(name, path) for name, path in paths.items()}


def parity_cells(parity: ParitySpec | None) -> tuple[str, str, str]:
    """Return the largest error, the cosine and the top-1 agreement of a comparison with the original, as text."""
    if parity is None:
        return "-", "-", "-"
    return f"{parity.max_error:.1e}", f"{parity.cosine:.6f}", f"{parity.top1:.0%}"


def _is_stored(path: Path, source: Checkpoint, clip: ClipOptions | None) -> bool:
    """Return whether the file exists and was converted from these weights with these options."""
    try:
        if not path.exists():
            return False
        spec = read_artifact(path).spec
    except ArtifactError:
        return False
    form = (1, None) if clip is None else (clip.frames, clip.hop)
    return spec.weights == source.description.weights and (spec.frames, spec.hop) == form
