"""Synthetic accuracy reports for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from doubles import LABELS, SIZE, stream_spec, tensor

from edgeshift.artifact.description import RuleSpec
from edgeshift.benchmarks.accuracy.measure import Measured
from edgeshift.benchmarks.accuracy.report import Report, make_report
from edgeshift.benchmarks.accuracy.score import ClipScore
from edgeshift.models.config import ModelConfig
from edgeshift.video.dataset import DataSet, LabelledClip

RULE = RuleSpec(window=2, threshold=0.5, hold_off=0.5)
#: The labels of the test doubles, without "none".
GESTURES = tuple(label for label in LABELS if label != "none")


def scores(right: Sequence[bool], labels: Sequence[str] = GESTURES) -> tuple[ClipScore, ...]:
    """Return the scores of clips with the labels in turn. A wrong clip is predicted as the next label."""
    clips = []
    for index, ok in enumerate(right):
        label = labels[index % len(labels)]
        answer = label if ok else labels[(index + 1) % len(labels)]
        clips.append(
            ClipScore(
                file=f"{label}/{index:04}.avi",
                label=label,
                frames=8,
                seconds=1.4,
                consensus=answer,
                last=answer,
                window=answer,
                score=0.9,
                first=3 if ok else None,
                running=(answer,) * 6,
                idle=0.1,
                announced=(),
            )
        )
    return tuple(clips)


def accuracy_report(
    rights: dict[str, Sequence[bool]],
    *,
    hashes: dict[str, str] | None = None,
    labels: Sequence[str] = GESTURES,
    data: str = "clips",
) -> Report:
    """Return a report of artifacts.

    Args:
        rights: {file name of the artifact: for each clip, whether the predicted label is right}.
        hashes: {file name of the artifact: its hash}.
        labels: labels of the clips; the model has one more, "none".
        data: name of the data set.
    """
    classes = len(labels) + 1
    spec = stream_spec(
        rule=RULE,
        frame_spacing=0.2,
        labels=(*labels, "none"),
        output=tensor("logits", 1, classes),
        model=ModelConfig("tsm", "mobilenet_v2", classes, size=SIZE),
    )
    measured = [
        Measured(file, (hashes or {}).get(file, "0" * 64), "LiteRT 2.3.0", spec, RULE, scores(right, labels))
        for file, right in rights.items()
    ]
    clips = tuple(LabelledClip(Path(clip.file), clip.file, clip.label) for clip in measured[0].clips)
    return make_report(measured, DataSet(data, clips))
