"""What defines a network, apart from its weights. Plain data: it travels in checkpoints and in artifacts."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edgeshift.errors import ModelError, unknown
from edgeshift.shift import TABLES, Fill, ShiftTable

#: ImageNet mean and standard deviation of RGB, in units of 0 to 255.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)

#: Every backbone by name, as "module:class", imported when built: listing models needs no torch.
BACKBONES = {
    "mobilenet_v2": "edgeshift.models.mobilenet_v2:MobileNetV2",
    "resnet50": "edgeshift.models.resnet50:ResNet50",
}
SMALLEST_SIZE = 64

Name = Annotated[str, msgspec.Meta(max_length=64)]
Rgb = tuple[float, float, float]


class ModelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network by its numbers.

    Attributes:
        table, backbone: names in ``TABLES`` and ``BACKBONES``.
        classes: outputs.
        size: height and width of the frames the network is run on, pixels.
        bidirectional: the slots the weights were trained with (True: future and past).
        streamed_bidirectional: bi-directional slots, made to stream with the fill in place of the future.
        depth: TSAM's K. fill: what stands where a neighbour does not exist; None: the table's own default.
        width, rounding: MobileNetV2's width multiplier and how it rounds.
        mean, std: normalisation of RGB in units of 0 to 255.
    """

    table: Name
    backbone: Name
    classes: Annotated[int, msgspec.Meta(ge=2, le=100_000)]
    size: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 224
    bidirectional: bool = False
    streamed_bidirectional: bool = False
    depth: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    fill: Fill | None = None
    width: Annotated[float, msgspec.Meta(gt=0, le=8)] = 1.0
    rounding: Literal["torchvision", "mit"] = "torchvision"
    mean: Rgb = IMAGENET_MEAN
    std: Rgb = IMAGENET_STD

    def __post_init__(self) -> None:
        if self.table not in TABLES:
            raise ModelError(unknown("shift table", self.table, TABLES))
        if self.backbone not in BACKBONES:
            raise ModelError(unknown("backbone", self.backbone, BACKBONES))
        if self.size < SMALLEST_SIZE:
            raise ModelError(f"frames of {self.size}x{self.size} are too small; the smallest is {SMALLEST_SIZE}")
        if min(self.std) <= 0:
            raise ModelError(f"std {self.std} must be positive: frames are divided by it")

    @property
    def name(self) -> str:
        """The registry name, such as ``tsm_mobilenet_v2``."""
        return f"{self.table}_{self.backbone}"

    def shift_table(self, channels: int) -> ShiftTable:
        """The table of one place with this many channels, at the slots the weights know."""
        options: dict[str, object] = {}
        if self.table != "tsn":
            options["bidirectional"] = self.bidirectional
            if self.fill is not None:
                options["fill"] = self.fill
        if self.table == "tsam":
            options["depth"] = self.depth
        table = TABLES[self.table](channels, **options)
        return table.past_only() if self.streamed_bidirectional else table
