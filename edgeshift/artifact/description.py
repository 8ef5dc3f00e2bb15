"""What is known about trained weights besides the network: how to prepare frames for it and how to read its logits.

Training writes these facts to a weights file, and conversion copies them to every artifact, whose description
(``edgeshift.artifact.spec.StreamSpec``) has them as its first fields. Nothing here needs torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edgeshift._system.text import PRINTABLE_PATTERN, is_printable
from edgeshift.models.config import ModelConfig
from edgeshift.video.fit import FrameSpec

#: The label that means "no gesture", unless an event rule names another one.
NONE = "none"
#: Number of frames of a clip if neither the user nor the weights say it.
CLIP_FRAMES = 8
#: Smallest and largest number of frames of a clip artifact, as in the help of ``edgeshift convert --frames``.
CLIP_RANGE = (2, 64)
# Descriptions are printed on terminals, so their texts hold no control characters.
Name = Annotated[str, Meta(min_length=1, max_length=128, pattern=PRINTABLE_PATTERN)]
Text = Annotated[str, Meta(max_length=4096, pattern=PRINTABLE_PATTERN)]
Label = Annotated[str, Meta(max_length=256, pattern=PRINTABLE_PATTERN)]
Labels = Annotated[tuple[Label, ...], Meta(max_length=100_000)]
Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
FrameSpacing = Annotated[float, Meta(ge=1e-3, le=3600)]
ClipFrames = Annotated[int, Meta(ge=1, le=4096)]
Consensus = Literal["mean", "last"]
Logits = Annotated[tuple[float, ...], Meta(min_length=1, max_length=100_000)]
Notes = Annotated[tuple[Text, ...], Meta(max_length=16)]


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base class of every part of a description. Unknown fields are an error, so that a typo is not ignored."""


class WeightsSpec(Struct, frozen=True, kw_only=True):
    """Where the weights come from.

    Attributes:
        source: origin of the weights, in words; empty: not known.
        sha256: hash of the weights file; None: there was no file.
        trained: False for weights that were never trained as this model.
        license: licence of the weights; None: not known.
    """

    source: Text
    sha256: Sha256 | None = None
    trained: bool = True
    license: Text | None = None


class RuleSpec(Struct, frozen=True, kw_only=True):
    """The event rule: when the logits of successive frames become an event (``edgeshift.events.spotter.Spotter``).

    Attributes:
        window: number of frames whose probabilities are averaged.
        threshold: averaged probability from which a label is announced, 0 to 1.
        hold_off: seconds after an event during which no other event is announced.
        none: the label that means no gesture. None: "none" if the labels contain it, otherwise every label is a
            gesture.
        memory: number of frames, at most back to the last event, whose mean logits decide which gesture it was.
            None: the mean probability over the window decides.
        silent: more labels that are never announced, such as "Doing other things".
        origin: how the rule was chosen, in words; empty: not known.
    """

    window: Annotated[int, Meta(ge=1, le=1024)]
    threshold: Annotated[float, Meta(gt=0, le=1)]
    hold_off: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    none: Label | None = None
    memory: Annotated[int, Meta(ge=1, le=4096)] | None = None
    silent: Labels = ()
    origin: Text = ""

    def no_gesture_index(self, labels: Sequence[str]) -> int | None:
        """Return the index of the label that means no gesture; None: every label is a gesture.

        Raises:
            ValueError: the rule names a label for no gesture that is not among ``labels``.
        """
        if self.none is not None and self.none not in labels:
            raise ValueError(f"the rule's label for no gesture, {self.none!r:.80}, is not one of the labels")
        name = self.none or NONE
        return list(labels).index(name) if name in labels else None

    def silent_indices(self, labels: Sequence[str]) -> frozenset[int]:
        """Return the indices of the labels that are never announced: the one for no gesture, and those in ``silent``.

        Raises:
            ValueError: one of them is not among ``labels``, or there is no other label.
        """
        if unknown := next((label for label in self.silent if label not in labels), None):
            raise ValueError(f"the rule's silent label {unknown!r:.80} is not one of the labels")
        no_gesture = self.no_gesture_index(labels)
        silent = {list(labels).index(label) for label in self.silent} | (
            {no_gesture} if no_gesture is not None else set()
        )
        if len(silent) == len(labels):
            raise ValueError("the rule never announces a label, because all of them are silent")
        return frozenset(silent)


class ModelDescription(Struct, frozen=True, kw_only=True):
    """What is known about trained weights besides the network itself.

    Attributes:
        labels: one label per output; ``class 0``, ``class 1``, ... if the names are not known.
        frame: size, fit and channel order of the frames that the network takes.
        weights: where the weights come from.
        frame_spacing: seconds between the frames the network was trained on; None: not known.
        clip_frames: number of frames of a training clip; None: not known.
        consensus: how the logits of a clip's frames become one answer.
        rule: the event rule; None: none was chosen.
        quiet: logits of a quiet room, for a network with a sound segment. They take the place of those of a sound while
            there is none; None: only the frames count then.
        notes: what everybody who uses the network must know, one line each, such as a part of the original network that
            it does not have. Commands print them with the name of the model.
    """

    labels: Labels
    frame: FrameSpec
    weights: WeightsSpec
    frame_spacing: FrameSpacing | None = None
    clip_frames: ClipFrames | None = None
    consensus: Consensus = "mean"
    rule: RuleSpec | None = None
    quiet: Logits | None = None
    notes: Notes = ()

    def __post_init__(self) -> None:
        check_labels(self.labels, len(self.labels))
        if self.rule is not None:
            self.rule.silent_indices(self.labels)


def describe_network(config: ModelConfig, **facts: Any) -> ModelDescription:
    """Return the description of a network, with default values for the fields that are not given.

    Args:
        config: the network.
        facts: fields of ``ModelDescription``. The defaults are numbered labels, RGB frames of the network's size cut
            from the centre (as public models are tested), and trained weights of unknown origin.

    Raises:
        ValueError: a label cannot be printed, or the event rule's label for no gesture is not among the labels.
    """
    defaults: dict[str, Any] = {
        "labels": numbered_labels(config.classes),
        "frame": FrameSpec(config.size, config.size, fit="crop"),
        "weights": WeightsSpec(source=""),
    }
    return ModelDescription(**(defaults | facts))


def numbered_labels(classes: int) -> tuple[str, ...]:
    """Return labels for outputs whose names are not known: ``class 0``, ``class 1``, ..."""
    return tuple(f"class {index}" for index in range(classes))


def check_labels(labels: Sequence[object], classes: int) -> None:
    """Check that there is one label of 1 to 256 printable characters for each output, and none twice.

    Raises:
        ValueError: the number of labels is wrong, or a label is empty, too long, not printable or used twice.
    """
    if len(labels) != classes:
        raise ValueError(f"{len(labels)} labels for {classes} outputs")
    for label in labels:
        if not isinstance(label, str) or not is_printable(label, longest=256):
            raise ValueError(f"label {label!r:.80} is not 1 to 256 printable characters")
    if twice := next((label for label, count in Counter(labels).items() if count > 1), None):
        raise ValueError(f"label {twice!r:.80} is given to two outputs: rename one of them")
