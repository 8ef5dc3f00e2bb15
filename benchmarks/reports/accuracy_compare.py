"""Compare two reports of accuracy on the same clips, and decide whether an artifact became worse."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from edgeshift.benchmarks.accuracy.report import ArtifactResult, Comparison, Report, compare_artifacts
from edgeshift.benchmarks.reports.pairing import pair_artifacts
from edgeshift.errors import EdgeshiftError, unknown

#: Loss of accuracy that still counts as equal, as a share: 0.01 is one percentage point.
TOLERANCE = 0.01
#: A difference counts only if the p value of McNemar's test is below this.
SIGNIFICANCE = 0.05
#: The note if both artifacts are one file. Its predictions do not vary from run to run, so a difference has a reason.
SAME_FILE = (
    "the same file was measured twice (equal SHA-256): a difference comes from the runtime, from edgeshift or from the "
    "decoding of the clips"
)
#: Names that ``across`` accepts. If the data set or its split differs, the clips that are in both reports are compared.
ACROSS = ("data", "split", "accelerator")


class Change(Comparison, frozen=True, kw_only=True):
    """The comparison of an artifact with its partner in the second report, by the consensus answer of each clip.

    Attributes:
        before_file: file name of the artifact in the first report; ``file`` is the one in the second report.
        before, after: accuracy of the first and of the second artifact on the clips that both answered.
        verdict: "worse", "better" or "no difference".
        notes: remarks on the comparison.
    """

    before_file: str
    before: float
    after: float
    verdict: str
    notes: tuple[str, ...] = ()


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison of all pairs; ``unpaired`` lists the files that only one report has."""

    kind: str = "accuracy"
    tolerance: float
    pairs: tuple[Change, ...]
    unpaired: tuple[str, ...]

    @property
    def regressed(self) -> bool:
        """Whether any artifact is worse."""
        return any(change.verdict == "worse" for change in self.pairs)


def compare_accuracy(
    before: Report, after: Report, tolerance: float = TOLERANCE, across: Collection[str] = ()
) -> Changes:
    """Compare two reports of accuracy.

    Args:
        before: the first report.
        after: the second report.
        tolerance: loss of accuracy that still counts as equal, as a share.
        across: names of conditions that may differ, out of ``ACROSS``.

    Raises:
        EdgeshiftError: the clips or the accelerators differ, the artifacts cannot be paired, or two of them have no
            clip in common.
    """
    for name in across:
        if name not in ACROSS:
            raise EdgeshiftError(f"--across: {unknown('difference', name, ACROSS)}")
    differs = {"data": before.data_sha256 != after.data_sha256, "split": before.split != after.split}
    if refused := [name for name, differ in differs.items() if differ and name not in across]:
        raise EdgeshiftError(
            f"the reports have different clips: {before.data} ({before.split or 'all'}) against {after.data} "
            f"({after.split or 'all'}); to compare the clips that are in both, add --across {','.join(refused)}"
        )
    pairs, unpaired = pair_artifacts(before.subjects, after.subjects)
    if "accelerator" not in across and (different := differing_accelerators(before, after)):
        raise EdgeshiftError(f"{'; '.join(different)}: permit it with --across accelerator")
    return Changes(
        tolerance=tolerance,
        pairs=tuple(_compare(first, second, tolerance) for first, second in pairs),
        unpaired=unpaired,
    )


def differing_accelerators(before: Report, after: Report) -> list[str]:
    """Return one line for each two accelerators on which an artifact and its partner ran."""
    pairs, _ = pair_artifacts(before.subjects, after.subjects)
    different = [f"{_place(first)} against {_place(second)}" for first, second in pairs if _differ(first, second)]
    return [f"the runs differ in accelerator ({places})" for places in dict.fromkeys(different)]


def unreadable_clips(before: Report, after: Report) -> list[str]:
    """Return one line for each artifact that could not read clips which its partner answered."""
    lines = []
    for first, second in pair_artifacts(before.subjects, after.subjects)[0]:
        for position, artifact, partner in (("first", first, second), ("second", second, first)):
            answered = {clip.file for clip in partner.clips}
            lost = [clip for clip in artifact.unreadable if clip.file in answered]
            if lost:
                more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
                lines.append(
                    f"{artifact.file} of the {position} report could not read {lost[0].file}{more} ({lost[0].reason})"
                )
    return lines


def _compare(before: ArtifactResult, after: ArtifactResult, tolerance: float) -> Change:
    compared = compare_artifacts(before, after)
    if not compared.clips:
        raise EdgeshiftError(f"{before.file} and {after.file} answered no clip in common")
    correct = _correct_before(before, after)
    differs = compared.p < SIGNIFICANCE and abs(compared.difference) > tolerance
    return Change(
        **msgspec.structs.asdict(compared),
        before_file=before.file,
        before=round(correct / compared.clips, 6),
        after=round((correct + compared.won - compared.lost) / compared.clips, 6),
        verdict="no difference" if not differs else "worse" if compared.difference < 0 else "better",
        notes=_notes(before, after),
    )


def _place(artifact: ArtifactResult) -> str:
    return artifact.placement.title


def _differ(before: ArtifactResult, after: ArtifactResult) -> bool:
    return _place(before) != _place(after)


def _notes(before: ArtifactResult, after: ArtifactResult) -> tuple[str, ...]:
    if _differ(before, after):
        ran = f"A ran on {_place(before)}, B on {_place(after)}"
        return (f"{ran}: a difference may come from this alone",)
    if before.without != after.without:
        given = [f"without {name}" if name else "with frames and sounds" for name in (before.without, after.without)]
        return (f"A was measured {given[0]}, B {given[1]}: a difference may come from this alone",)
    return (SAME_FILE,) if before.sha256 == after.sha256 else ()


def _correct_before(before: ArtifactResult, after: ArtifactResult) -> int:
    """Count the clips, out of those that both answered, that the first artifact answered correctly."""
    known = {row.label for row in before.rows} & {row.label for row in after.rows}
    shared = {(clip.file, clip.label) for clip in after.clips if clip.label in known}
    return sum(clip.consensus == clip.label for clip in before.clips if (clip.file, clip.label) in shared)
