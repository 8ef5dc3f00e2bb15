"""Find which artifact of one report is compared with which artifact of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from edgeshift.benchmarks.accuracy import report as accuracy
from edgeshift.benchmarks.latency import result as latency
from edgeshift.errors import EdgeshiftError

Artifact = TypeVar("Artifact", latency.ArtifactResult, accuracy.ArtifactResult)


def pair_artifacts(
    before: Sequence[Artifact], after: Sequence[Artifact]
) -> tuple[list[tuple[Artifact, Artifact]], tuple[str, ...]]:
    """Pair artifacts by file name if the reports share a name, and otherwise by order if they have equally many.

    Returns:
        the pairs in the order of ``before``, and the file names that only one report has.

    Raises:
        EdgeshiftError: the artifacts can be paired neither by name nor by order.
    """
    names_before: list[str] = [artifact.file for artifact in before]
    names_after: list[str] = [artifact.file for artifact in after]
    shared = set(names_before) & set(names_after)
    unique = len(set(names_before)) == len(names_before) and len(set(names_after)) == len(names_after)
    if shared and unique:
        partners = {artifact.file: artifact for artifact in after}
        pairs = [(artifact, partners[artifact.file]) for artifact in before if artifact.file in shared]
        return pairs, tuple(name for name in (*names_before, *names_after) if name not in shared)
    if len(names_before) == len(names_after):
        return list(zip(before, after, strict=True)), ()
    raise EdgeshiftError(
        f"the artifacts cannot be paired: one report has {', '.join(names_before)}, the other has "
        f"{', '.join(names_after)}; measure files with the same names, or equally many files"
    )
