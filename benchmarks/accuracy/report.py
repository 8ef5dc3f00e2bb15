"""The report of an accuracy measurement: the predictions for every clip, and the accuracies computed from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from edgeshift._system.clock import Date, now
from edgeshift.artifact.description import RuleSpec
from edgeshift.benchmarks.accuracy.score import PREDICTIONS, RUNNING_FRAMES, ClipScore
from edgeshift.benchmarks.statistics import Share, mcnemar, paired_interval, share
from edgeshift.errors import EdgeshiftError, unknown
from edgeshift.events.spotter import no_gesture_index, unit_of
from edgeshift.stream.placement import Placement, placement_of

if TYPE_CHECKING:
    from edgeshift.benchmarks.accuracy.measure import Measured
    from edgeshift.video.dataset import DataSet

#: Version 2 added ``running``, version 3 the interval of comparisons.
VERSION = 3


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base class of all parts of a report."""


class Unreadable(Struct, frozen=True, kw_only=True):
    """The name of a clip that could not be streamed, and the reason."""

    file: str
    reason: str


class LabelResult(Struct, frozen=True, kw_only=True):
    """The result for one label.

    Attributes:
        label, clips: the label, and the number of clips that have it.
        right: {kind of prediction: number of these clips for which it is correct}.
    """

    label: str
    clips: int
    right: dict[str, int]


class ExcludedClips(Struct, frozen=True, kw_only=True):
    """Clips that are excluded from accuracy: those without a gesture, or with a gesture that the model does not have.

    Attributes:
        label, clips: their label, and their number.
        frames: mean share of a clip's frames that are predicted as "no gesture"; None: the model has no such label.
        silent: share of the clips in which the event rule announces nothing.
    """

    label: str
    clips: int
    frames: float | None
    silent: Share


class ArtifactResult(Struct, frozen=True, kw_only=True):
    """The result of one artifact.

    Attributes:
        file, sha256: name and hash of the file.
        model, precision, trained, frame_spacing: from the description in the file.
        runtime: name and version of the runtime.
        ran_on: where the graph ran, as the runtime or its name says; None: the report is older than this field. The
            name of the runtime then decides, see ``placement``.
        problems: why the artifact failed its comparison with the original; it was written with ``convert --force``.
        notes: what everybody who uses the model must know, from the description in the file.
        hop: number of frames from one answer of a clip artifact to the next; None: it is a stream's, which answers each
            frame. What is counted in frames below is counted in answers of a clip artifact.
        without: "sound" or "video" if a network with a sound segment did not get it; None: nothing was left out.
        rule, assumed: event rule, and whether it is the default rule because the artifact has none.
        accuracy: {kind of prediction: share of the clips for which it is correct}, see ``ClipScore``.
        subset: the same for the clips of the chosen labels; None: none were chosen.
        running: {"4": share of the clips whose running mean is correct after 4 frames, ..., "end": at the end}.
        first: median of ``ClipScore.first`` over the clips that have it.
        rows: one entry per label that is a gesture.
        matrix: number of clips by [true label][consensus prediction], in the order of ``rows``.
        idle: clips that are excluded from accuracy, by label.
        unreadable: clips that could not be streamed.
        clips: predictions for each clip.
    """

    file: str
    sha256: str
    model: str
    precision: str
    runtime: str
    ran_on: Placement | None = None
    trained: bool
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    frame_spacing: float | None
    hop: Annotated[int, msgspec.Meta(ge=1)] | None = None
    without: Literal["sound", "video"] | None = None
    rule: RuleSpec
    assumed: bool
    accuracy: dict[str, Share]
    subset: dict[str, Share] | None
    running: dict[str, Share]
    first: float | None
    rows: tuple[LabelResult, ...]
    matrix: tuple[tuple[int, ...], ...]
    idle: tuple[ExcludedClips, ...]
    unreadable: tuple[Unreadable, ...]
    clips: tuple[ClipScore, ...]

    @property
    def placement(self) -> Placement:
        """Where the graph ran."""
        return placement_of(self.ran_on, self.runtime)

    @property
    def unit(self) -> str:
        """What the artifact gives logits for: "frame" or "answer"."""
        return unit_of(self.hop)


class Comparison(Struct, frozen=True, kw_only=True):
    """The comparison of an artifact with the first one, on the clips that both could read.

    Attributes:
        file, clips: name of the artifact, and number of clips.
        changed: number of clips for which the two consensus predictions differ.
        lost, won: number of clips that only the first artifact predicts correctly, and that only this one does.
        p: p-value of McNemar's exact test.
        difference: accuracy of this artifact minus that of the first.
        low, high: ends of its 95% interval.
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
    """One run of ``edgeshift eval``.

    Attributes:
        version: version of the format.
        data, data_sha256: name of the data set, and hash of its clips' names and labels.
        split: split that was measured; None: all clips.
        subset: labels for which accuracy is also given separately; None: none.
        subjects: the artifacts, in the order in which they were given.
        comparisons: one entry per artifact but the first.
        date: time at which the report was made; None: the report is older than this field.
    """

    version: int = VERSION
    data: str
    data_sha256: str
    split: str | None
    subset: tuple[str, ...] | None
    subjects: tuple[ArtifactResult, ...]
    comparisons: tuple[Comparison, ...]
    date: Date | None = None


def make_report(
    measured: Sequence[Measured], data: DataSet, split: str | None = None, subset: Sequence[str] | None = None
) -> Report:
    """Return the report of artifacts that were measured on one data set.

    Args:
        measured: one entry per artifact; the others are compared with the first.
        data, split: the data set, and the split of it that was measured.
        subset: labels for which accuracy is also given separately.
    """
    results = tuple(_artifact_result(artifact, subset) for artifact in measured)
    return Report(
        data=data.name,
        data_sha256=data.sha256,
        split=split,
        subset=None if subset is None else tuple(subset),
        subjects=results,
        comparisons=tuple(compare_artifacts(results[0], other) for other in results[1:]),
        date=now(),
    )


def compare_artifacts(first: ArtifactResult, other: ArtifactResult) -> Comparison:
    """Compare an artifact with another one, on the clips that both could read and whose label both have."""
    labels = {row.label for row in first.rows} & {row.label for row in other.rows}
    before = {(clip.file, clip.label): clip for clip in first.clips if clip.label in labels}
    pairs = [(before[clip.file, clip.label], clip) for clip in other.clips if (clip.file, clip.label) in before]
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
    """Raise EdgeshiftError if the model does not have one of the labels in ``subset``."""
    for label in subset:
        if label not in labels:
            raise EdgeshiftError(unknown("label", label, labels))


def gestures(labels: Sequence[str], rule: RuleSpec) -> tuple[str, ...]:
    """Return the labels of a model that are gestures: all except the event rule's label for "no gesture"."""
    idle = no_gesture_index(rule, labels)
    return tuple(label for index, label in enumerate(labels) if index != idle)


def why_no_gesture(found: Iterable[str], labels: Sequence[str], gestures: Sequence[str]) -> str:
    """Return why none of the labels of the data, ``found``, is a gesture of a model with these labels."""
    unknown_labels = sorted(set(found) - set(labels))
    if unknown_labels:
        return f"{unknown('label', unknown_labels[0], gestures)}; --label-map renames labels of the data"
    return f"there are only clips of {', '.join(sorted(set(found)))}, which is no gesture"


def _artifact_result(measured: Measured, subset: Sequence[str] | None) -> ArtifactResult:
    spec, known = measured.spec, gestures(measured.spec.labels, measured.rule)
    counted = [clip for clip in measured.clips if clip.label in known]
    firsts = [clip.first for clip in counted if clip.first is not None]
    by_label = {label: [clip for clip in measured.clips if clip.label == label] for label in known}
    others = sorted({clip.label for clip in measured.clips} - set(known))
    return ArtifactResult(
        file=measured.file,
        sha256=measured.sha256,
        model=spec.model.name,
        precision=spec.precision,
        runtime=measured.runtime,
        ran_on=measured.ran_on,
        trained=spec.weights.trained,
        problems=spec.problems,
        notes=spec.notes,
        frame_spacing=spec.frame_spacing,
        hop=spec.hop,
        without=measured.without,
        rule=measured.rule,
        assumed=spec.rule is None,
        accuracy=_accuracy(counted),
        subset=None if subset is None else _accuracy([clip for clip in counted if clip.label in subset]),
        running=_running(counted),
        first=float(median(firsts)) if firsts else None,
        rows=tuple(
            LabelResult(label=name, clips=len(clips), right=_correct(clips)) for name, clips in by_label.items()
        ),
        matrix=tuple(
            tuple(sum(clip.consensus == predicted for clip in clips) for predicted in known)
            for clips in by_label.values()
        ),
        idle=tuple(_excluded(label, [clip for clip in measured.clips if clip.label == label]) for label in others),
        unreadable=tuple(Unreadable(file=file, reason=reason) for file, reason in measured.unreadable),
        clips=measured.clips,
    )


def _correct(clips: Sequence[ClipScore]) -> dict[str, int]:
    return {name: sum(getattr(clip, name) == clip.label for clip in clips) for name in PREDICTIONS}


def _accuracy(clips: Sequence[ClipScore]) -> dict[str, Share]:
    return {name: share(correct, len(clips)) for name, correct in _correct(clips).items()}


def _running(clips: Sequence[ClipScore]) -> dict[str, Share]:
    names = [*map(str, RUNNING_FRAMES), "end"]
    correct = [sum(clip.running[index] == clip.label for clip in clips) for index in range(len(names))]
    return {name: share(count, len(clips)) for name, count in zip(names, correct, strict=True)}


def _excluded(label: str, clips: Sequence[ClipScore]) -> ExcludedClips:
    frames = [clip.idle for clip in clips if clip.idle is not None]
    return ExcludedClips(
        label=label,
        clips=len(clips),
        frames=round(sum(frames) / len(frames), 6) if frames else None,
        silent=share(sum(clip.spotted is None for clip in clips), len(clips)),
    )
