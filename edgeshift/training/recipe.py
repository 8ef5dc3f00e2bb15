"""The hyperparameters of a training run. They are stored in the resulting checkpoint."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from edgeshift.gestures import SPACING
from edgeshift.models.config import ShiftPlace
from edgeshift.sound import SoundSettings


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hyperparameters of one training run.

    Attributes:
        model: a registry name.
        bidirectional: also shift from the future. Such a model cannot stream.
        size: height and width of the frames, pixels.
        width: MobileNetV2's width multiplier.
        depth: TSAM's K, the number of past frames; None: that of the starting weights, or 2.
        div: the shift divisor of TSM and TSAM; None: that of the starting weights, or 8.
        place: what a block of a ResNet shifts, "blockres" or "block"; None: as the starting weights, or "blockres".
        spacing: seconds between frames.
        frames: frames of a training sequence.
        batch: sequences in a batch.
        steps: optimizer steps.
        rate: highest learning rate of the one-cycle schedule.
        decay: weight decay.
        smoothing: label smoothing.
        dropout: dropout rate before the head.
        clip: largest norm of the gradient.
        motion: weight of the auxiliary loss on the fingertip's position and displacement; 0: no such loss.
        frozen: number of stages, from the first one, whose weights are not trained.
        settle: share of the steps, at the end of the run, in which batch norms do not update their statistics.
        sound: the settings of the sound segment; None: the network takes frames only.
        gestures, sounds: names of the drawn gestures and of the drawn sounds of a network with a sound segment.
        seed: seed of the initial weights, of the order of the data, and of the drawings.
    """

    model: str = "tsm_mobilenet_v2"
    bidirectional: bool = False
    size: Annotated[int, Meta(ge=64, le=1024)] = 128
    width: Annotated[float, Meta(gt=0, le=4)] = 1.0
    depth: Annotated[int, Meta(ge=1, le=16)] | None = None
    div: Annotated[int, Meta(ge=2, le=64)] | None = None
    place: ShiftPlace | None = None
    spacing: Annotated[float, Meta(gt=0, le=60)] = SPACING
    frames: Annotated[int, Meta(ge=2, le=1024)] = 24
    batch: Annotated[int, Meta(ge=1, le=1024)] = 4
    steps: Annotated[int, Meta(ge=1)] = 2400
    rate: Annotated[float, Meta(gt=0, le=1)] = 6e-4
    decay: Annotated[float, Meta(ge=0, le=1)] = 0.02
    smoothing: Annotated[float, Meta(ge=0, lt=1)] = 0.1
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.3
    clip: Annotated[float, Meta(gt=0)] = 5.0
    motion: Annotated[float, Meta(ge=0)] = 1.0
    frozen: Annotated[int, Meta(ge=0, le=16)] = 2
    settle: Annotated[float, Meta(ge=0, le=1)] = 0.25
    sound: SoundSettings | None = None
    gestures: tuple[str, ...] = ()
    sounds: tuple[str, ...] = ()
    seed: Annotated[int, Meta(ge=0, le=65_535)] = 0
