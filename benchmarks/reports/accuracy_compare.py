"""Two reports of accuracy on the same clips: what changed, and whether it is worse."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from edgeshift.benchmarks.accuracy.report import ArtifactResult, Report, compare_subjects
from edgeshift.benchmarks.reports.pairing import pair
from edgeshift.errors import EdgeshiftError, unknown

#: Points of accuracy that may be lost, as a share.
TOLERANCE = 0.01
#: McNemar's p below which a difference is believed.
SIGNIFICANT = 0.05
#: What may differ with ``across``: other clips (those that both have are compared), or another split of them.
ACROSS = ("data", "split")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One artifact of the second report against its partner in the first, by the consensus answer.

    Attributes:
        clips: that both answered. changed: answered otherwise. lost: now wrong. won: now right. p: McNemar's test.
        before, after: accuracy on those clips. difference: after less before, with its 95% interval.
    """

    before_file: str
    file: str
    clips: int
    changed: int
    lost: int
    won: int
    p: float
    before: float
    after: float
    difference: float
    low: float
    high: float
    verdict: str


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Every pair. unpaired: files of one side only."""

    kind: str = "accuracy"
    tolerance: float
    pairs: tuple[Change, ...]
    unpaired: tuple[str, ...]

    @property
    def regressed(self) -> bool:
        """One of them is worse."""
        return any(change.verdict == "worse" for change in self.pairs)


def compare_accuracy(
    first: Report, second: Report, tolerance: float = TOLERANCE, across: Collection[str] = ()
) -> Changes:
    """Compare them.

    Args:
        first, second: before and after. tolerance: accuracy that may be lost, as a share.
        across: what may differ, of ``ACROSS``.

    Raises:
        EdgeshiftError: other clips, artifacts that cannot be paired, or no clip that both answered.
    """
    for name in across:
        if name not in ACROSS:
            raise EdgeshiftError(f"--across: {unknown('difference', name, ACROSS)}")
    differs = {"data": first.data_sha256 != second.data_sha256, "split": first.split != second.split}
    if wrong := [name for name, differ in differs.items() if differ and name not in across]:
        said = f"{first.data} ({first.split or 'all'}) against {second.data} ({second.split or 'all'})"
        raise EdgeshiftError(
            f"the reports are of other clips: {said}; to compare those that both have, add --across {','.join(wrong)}"
        )
    pairs, unpaired = pair(first.subjects, second.subjects)
    return Changes(
        tolerance=tolerance,
        pairs=tuple(_change(before, after, tolerance) for before, after in pairs),
        unpaired=unpaired,
    )


def unequal(first: Report, second: Report) -> list[str]:
    """Why two reports are not of the same clips after all: what one of a pair answered and the other could not read."""
    lines = []
    for before, after in pair(first.subjects, second.subjects)[0]:
        for one, other in ((before, after), (after, before)):
            answered = {clip.file for clip in other.clips}
            lost = [clip for clip in one.unreadable if clip.file in answered]
            if lost:
                which = "the first" if one is before else "the second"
                more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
                lines.append(f"{one.file} of {which} could not read {lost[0].file}{more} ({lost[0].reason})")
    return lines


def _change(before: ArtifactResult, after: ArtifactResult, tolerance: float) -> Change:
    found = compare_subjects(before, after)
    if not found.clips:
        raise EdgeshiftError(f"{before.file} and {after.file} answered no clip in common")
    right = _right(before, after)
    certain = found.p < SIGNIFICANT
    worse, better = certain and found.difference < -tolerance, certain and found.difference > tolerance
    return Change(
        before_file=before.file,
        file=after.file,
        clips=found.clips,
        changed=found.changed,
        lost=found.lost,
        won=found.won,
        p=found.p,
        before=round(right / found.clips, 6),
        after=round((right + found.won - found.lost) / found.clips, 6),
        difference=found.difference,
        low=found.low,
        high=found.high,
        verdict="worse" if worse else "better" if better else "no difference",
    )


def _right(before: ArtifactResult, after: ArtifactResult) -> int:
    """Clips that the first has right, of those that both answered."""
    known = {row.label for row in before.rows} & {row.label for row in after.rows}
    shown = {(clip.file, clip.label) for clip in after.clips if clip.label in known}
    return sum(clip.consensus == clip.label for clip in before.clips if (clip.file, clip.label) in shown)
