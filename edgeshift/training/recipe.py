"""How a model is trained: every number, in one place, kept with the result."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from edgeshift.gestures import SPACING


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The numbers of one training run.

    Attributes:
        model: a registry name. bidirectional: shift from the future too; such a model cannot stream.
        size: of the frames, pixels. width: MobileNetV2's multiplier.
        spacing: seconds between frames. frames: of one training sequence. batch: sequences in a step.
        steps: optimizer steps. rate: the highest learning rate of the one-cycle schedule. decay: weight decay.
        smoothing: of labels. dropout: before the head. clip: the largest norm of a gradient.
        motion: weight of the auxiliary loss on the fingertip's place and displacement; 0: none.
        frozen: how many of the first stages keep their weights.
        settle: share of the steps, the last ones, in which batch norms keep their statistics.
        seed: of weights, order and drawings.
    """

    model: str = "tsm_mobilenet_v2"
    bidirectional: bool = False
    size: Annotated[int, Meta(ge=64, le=1024)] = 128
    width: Annotated[float, Meta(gt=0, le=4)] = 1.0
    depth: Annotated[int, Meta(ge=1, le=16)] = 2
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
    seed: Annotated[int, Meta(ge=0, le=65_535)] = 0
