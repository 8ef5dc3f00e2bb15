"""The accuracy of artifacts on one data set, as a document."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from edgeshift.artifact.description import RuleSpec
from edgeshift.benchmarks.accuracy.score import AFTER, ANSWERS, ClipScore
from edgeshift.benchmarks.statistics import Share, mcnemar, paired_interval, share
from edgeshift.errors import EdgeshiftError, unknown

if TYPE_CHECKING:
    from edgeshift.benchmarks.accuracy.measure import Measured
    from edgeshift.video.dataset import DataSet

#: 2: ``running``, of subjects and of clips. 3: the interval of comparisons.
VERSION = 3


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of every part."""


class Unreadable(Struct, frozen=True, kw_only=True):
    """A clip that could not be streamed, and why."""

    file: str
    reason: str


class Row(Struct, frozen=True, kw_only=True):
    """One label: its clips, and how many of them each kind of answer has right ({answer: clips})."""

    label: str
    clips: int
    right: dict[str, int]


class Idle(Struct, frozen=True, kw_only=True):
    """Clips without a gesture, or with one that the model does not know; no accuracy has them.

    Attributes:
        frames: mean share of a clip's frames that are answered with "no gesture"; None: there is no such label.
        silent: clips in which nothing is announced.
    """

    label: str
    clips: int
    frames: float | None
    silent: Share


class ArtifactResult(Struct, frozen=True, kw_only=True):
    """One artifact's result.

    Attributes:
        file: its name. sha256: of the file. rule: of the consensus; assumed: the artifact carries none.
        accuracy: {answer: share of the clips}, see ``ClipScore``. subset: the same for the labels asked for.
        running: {"4": share of the clips whose running mean of logits is right after so many frames, ..., "end"}, as
            ``ClipScore`` has it.
        first: median of the frames until the right label leads, of the clips in which it ever does.
        rows: a label each. matrix: clips by [label][consensus answer], both in the order of ``rows``.
        idle: clips that do not count, by label. unreadable: clips that could not be streamed.
        clips: what was answered to each.
    """

    file: str
    sha256: str
    model: str
    precision: str
    runtime: str
    trained: bool
    frame_spacing: float | None
    rule: RuleSpec
    assumed: bool
    accuracy: dict[str, Share]
    subset: dict[str, Share] | None
    running: dict[str, Share]
    first: float | None
    rows: tuple[Row, ...]
    matrix: tuple[tuple[int, ...], ...]
    idle: tuple[Idle, ...]
    unreadable: tuple[Unreadable, ...]
    clips: tuple[ClipScore, ...]


class Comparison(Struct, frozen=True, kw_only=True):
    """An artifact against the first one, on the clips that both answered.

    Attributes:
        changed: clips with another consensus answer. lost: of those, right only in the first. won: right only here.
        p: McNemar's exact test. difference: of the shares that are right, this less the first, with its 95% interval.
    """

    file: str
    clips: int
    changed: int
    lost: int
    won: int
    p: float
    difference: float
    low: float
    high: float


class Report(Struct, frozen=True, kw_only=True):
    """Everything about one run. data_sha256: of the clips' names and labels. split, subset: as asked for."""

    version: int = VERSION
    data: str
    data_sha256: str
    split: str | None
    subset: tuple[str, ...] | None
    subjects: tuple[ArtifactResult, ...]
    comparisons: tuple[Comparison, ...]


def make_report(
    measured: Sequence[Measured], data: DataSet, split: str | None = None, subset: Sequence[str] | None = None
) -> Report:
    """Count.

    Args:
        measured: an artifact each; the others are compared with the first.
        data: what they were measured on. split: which part of it that was.
        subset: labels to give accuracy of on their own.
    """
    subjects = tuple(_subject(one, subset) for one in measured)
    return Report(
        data=data.name,
        data_sha256=data.sha256,
        split=split,
        subset=None if subset is None else tuple(subset),
        subjects=subjects,
        comparisons=tuple(compare_subjects(subjects[0], other) for other in subjects[1:]),
    )


def compare_subjects(first: ArtifactResult, other: ArtifactResult) -> Comparison:
    """An artifact against another one, on the clips that both answered and whose label both know."""
    known = {row.label for row in first.rows} & {row.label for row in other.rows}
    before = {(clip.file, clip.label): clip for clip in first.clips if clip.label in known}
    found = [(before.get((clip.file, clip.label)), clip) for clip in other.clips]
    pairs = [(a, b) for a, b in found if a is not None]
    lost = sum(a.consensus == a.label != b.consensus for a, b in pairs)
    won = sum(b.consensus == b.label != a.consensus for a, b in pairs)
    low, high = paired_interval(lost, won, len(pairs))
    return Comparison(
        file=other.file,
        clips=len(pairs),
        changed=sum(a.consensus != b.consensus for a, b in pairs),
        lost=lost,
        won=won,
        p=round(mcnemar(lost, won), 6),
        difference=round((won - lost) / len(pairs), 6) if pairs else 0.0,
        low=round(low, 6),
        high=round(high, 6),
    )


def require_labels(subset: Sequence[str], labels: Sequence[str]) -> None:
    """Raise EdgeshiftError unless a model knows all of them."""
    for label in subset:
        if label not in labels:
            raise EdgeshiftError(unknown("label", label, labels))


def gestures(subject_labels: Sequence[str], rule: RuleSpec) -> tuple[str, ...]:
    """The labels that are gestures."""
    idle = rule.idle(subject_labels)
    return tuple(label for index, label in enumerate(subject_labels) if index != idle)


def _subject(one: Measured, subset: Sequence[str] | None) -> ArtifactResult:
    known = gestures(one.spec.labels, one.rule)
    counted = [clip for clip in one.clips if clip.label in known]
    firsts = [clip.first for clip in counted if clip.first is not None]
    others = sorted({clip.label for clip in one.clips} - set(known))
    return ArtifactResult(
        file=one.file,
        sha256=one.sha256,
        model=one.spec.model.name,
        precision=one.spec.precision,
        runtime=one.runtime,
        trained=one.spec.weights.trained,
        frame_spacing=one.spec.frame_spacing,
        rule=one.rule,
        assumed=one.spec.rule is None,
        accuracy=_accuracy(counted),
        subset=None if subset is None else _accuracy([clip for clip in counted if clip.label in subset]),
        running=_running(counted),
        first=float(median(firsts)) if firsts else None,
        rows=tuple(_row(label, [clip for clip in counted if clip.label == label]) for label in known),
        matrix=tuple(
            tuple(sum(clip.label == label and clip.consensus == answer for clip in counted) for answer in known)
            for label in known
        ),
        idle=tuple(_idle(label, [clip for clip in one.clips if clip.label == label]) for label in others),
        unreadable=tuple(Unreadable(file=file, reason=reason) for file, reason in one.unreadable),
        clips=one.clips,
    )


def _accuracy(clips: Sequence[ClipScore]) -> dict[str, Share]:
    return {name: share(sum(getattr(clip, name) == clip.label for clip in clips), len(clips)) for name in ANSWERS}


def _running(clips: Sequence[ClipScore]) -> dict[str, Share]:
    return {
        name: share(sum(clip.running[place] == clip.label for clip in clips), len(clips))
        for place, name in enumerate([*map(str, AFTER), "end"])
    }


def _row(label: str, clips: Sequence[ClipScore]) -> Row:
    right = {name: sum(getattr(clip, name) == label for clip in clips) for name in ANSWERS}
    return Row(label=label, clips=len(clips), right=right)


def _idle(label: str, clips: Sequence[ClipScore]) -> Idle:
    frames = [clip.idle for clip in clips if clip.idle is not None]
    return Idle(
        label=label,
        clips=len(clips),
        frames=round(sum(frames) / len(frames), 6) if frames else None,
        silent=share(sum(clip.spotted is None for clip in clips), len(clips)),
    )
