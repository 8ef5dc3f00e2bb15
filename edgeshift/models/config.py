"""``ModelConfig``: what defines a network apart from its weights. It is stored in checkpoints and in artifacts."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from edgeshift.errors import ModelError, unknown
from edgeshift.shift import TABLES, Fill, ShiftTable
from edgeshift.sound import SoundSettings

#: Mean and standard deviation of ImageNet's RGB values, which are 0 to 255.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)

#: {name: "module:class"} of every backbone. The class is imported when a model is built, so that listing models needs
#: no torch.
BACKBONES = {
    "mobilenet_v2": "edgeshift.models.mobilenet_v2:MobileNetV2",
    "resnet18": "edgeshift.models.resnet:ResNet18",
    "resnet34": "edgeshift.models.resnet:ResNet34",
    "resnet50": "edgeshift.models.resnet:ResNet50",
    "resnet101": "edgeshift.models.resnet:ResNet101",
}
#: The name in place of a shift table for a network of the user's own code (``edgeshift.adopt``). Its shift tables are
#: in the description of the artifact, and ``ModelConfig.backbone`` is a name for the network, such as "resnet18".
ADOPTED = "adopted"
#: Name of an additional state that records how many frames there were. Only tables with the fill "keep" need it.
SEEN = "state_seen"
#: Smallest height and width of a frame, pixels.
SMALLEST_SIZE = 64

Name = Annotated[str, msgspec.Meta(max_length=64)]
Rgb = tuple[float, float, float]
Rounding = Literal["torchvision", "mit"]
ShiftPlace = Literal["blockres", "block"]
NonLocalKind = Literal["embedded_gaussian", "scaled_embedded_gaussian", "dot_product", "gaussian"]

#: The share of the channels that a table shifts in one direction, 1 / div, if nothing else is said.
DIV = 8
#: The tables that a shift divisor applies to.
DIVIDED = ("tsm", "tsam")
#: The tables whose networks can have a sound segment.
HEARING = ("tsam", "tsn")


class ModelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What defines a network apart from its weights.

    Attributes:
        table: name of the shift table, one of ``TABLES``; or ``ADOPTED`` for a network of the user's own code.
        backbone: name of the backbone, one of ``BACKBONES``; any name of letters, digits and _ if it is adopted.
        classes: number of outputs.
        size: height and width of the frames that the network takes, pixels.
        bidirectional: whether the weights were trained with slots for the future as well as for the past.
        streamed_bidirectional: whether bi-directional weights are streamed; the slots of the future then hold the fill.
        depth: TSAM's K, the number of past frames that a place reads.
        fill: the value where a neighbour does not exist; None: the default of the shift table.
        width: MobileNetV2's width multiplier.
        rounding: the rule by which MobileNetV2 rounds its scaled widths; see ``MobileNetV2``.
        mean: mean of each colour, which is subtracted from RGB values of 0 to 255.
        std: standard deviation of each colour, by which the difference is divided.
        div: TSM's shift divisor: 1 / div of the channels are shifted in each direction. For TSAM, all depths together.
        place: what a block of a ResNet shifts: "blockres", the input of its first convolution; or "block", the input of
            the whole block.
        every: the first of every so many blocks of a ResNet's stages is shifted. None: every block, but in ResNet-101
            with "blockres" every second block, as in MIT's code.
        temporal_pool: whether a ResNet halves the number of frames before its second stage.
        non_local: the kind of the non-local blocks of ResNet-50; None: there are none.
        sound: the settings of the sound segment; None: the network takes frames only.
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
    rounding: Rounding = "torchvision"
    mean: Rgb = IMAGENET_MEAN
    std: Rgb = IMAGENET_STD
    div: Annotated[int, msgspec.Meta(ge=2, le=64)] = DIV
    place: ShiftPlace = "blockres"
    every: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None
    temporal_pool: bool = False
    non_local: NonLocalKind | None = None
    sound: SoundSettings | None = None

    def __post_init__(self) -> None:
        if self.table not in (*TABLES, ADOPTED):
            raise ModelError(unknown("shift table", self.table, TABLES))
        if self.adopted and not re.fullmatch(r"[a-z0-9_]+", self.backbone):
            raise ModelError(f"the name {self.backbone!r} of an adopted network has other signs than a-z, 0-9 and _")
        if not self.adopted and self.backbone not in BACKBONES:
            raise ModelError(unknown("backbone", self.backbone, BACKBONES))
        if self.size < SMALLEST_SIZE:
            raise ModelError(f"frames of {self.size}x{self.size} are too small; the smallest size is {SMALLEST_SIZE}")
        if min(self.std) <= 0:
            raise ModelError(f"std {self.std} must be positive, because frames are divided by it")
        if self.div != DIV and self.table not in DIVIDED:
            raise ModelError(f"{self.table} takes no shift divisor, which is for {' and '.join(DIVIDED)}")
        if "resnet" not in self.backbone and (self.place, self.every, self.temporal_pool) != ("blockres", None, False):
            raise ModelError(f"{self.backbone} has no choice of place, every or temporal_pool, which are for ResNets")
        if self.non_local is not None and self.backbone != "resnet50":
            raise ModelError(f"{self.backbone} has no non-local blocks, which are for resnet50")
        if self.sound is not None:
            self._require_sound()

    def _require_sound(self) -> None:
        """Raise ModelError if the network cannot have a sound segment.

        A sound is run by the step function with the states of a new stream. With these states, no shift may change it.
        """
        if self.table not in HEARING or self.fill not in (None, "keep"):
            raise ModelError(
                f"{self.table} cannot have a sound segment, which needs a shift that keeps a frame's own features "
                f"where there is no earlier frame: use {' or '.join(HEARING)} with the fill keep"
            )
        if part := self.clip_only:
            raise ModelError(f"{part} and a sound segment do not work together")

    @property
    def clip_only(self) -> str | None:
        """The part because of which the network needs whole clips and cannot stream; None: there is no such part."""
        if self.temporal_pool:
            return "temporal pooling"
        return None if self.non_local is None else "non-local blocks"

    @property
    def name(self) -> str:
        """The registry name, such as ``tsm_mobilenet_v2``."""
        return f"{self.table}_{self.backbone}"

    @property
    def adopted(self) -> bool:
        """Whether this is a network of the user's own code (``edgeshift.adopt``)."""
        return self.table == ADOPTED

    def shift_table(self, channels: int) -> ShiftTable:
        """Return the shift table of a place with this many channels.

        Raises:
            ModelError: the network is adopted, so that its tables are in the description of the artifact.
            ShiftError: the channels are too few.
        """
        if self.adopted:
            raise ModelError(f"{self.name} is a network of a user's own code, whose tables its name does not define")
        options: dict[str, object] = {}
        if self.table != "tsn":
            options["bidirectional"] = self.bidirectional
            if self.fill is not None:
                options["fill"] = self.fill
        if self.table in DIVIDED:
            options["div"] = self.div
        if self.table == "tsam":
            options["depth"] = self.depth
        table = TABLES[self.table](channels, **options)
        return table.past_only() if self.streamed_bidirectional else table
