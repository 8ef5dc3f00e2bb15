"""The layouts of public checkpoints: how each one names the tensors of our backbones.

A new layout is one new entry in ``LAYOUTS``. The names were taken from the public code of each system: MIT's
temporal-shift-module (``ops/models.py``, ``archs/mobilenet_v2.py``, ``online_demo/mobilenet_v2_tsm.py``),
tonylins/pytorch-mobilenet-v2, torchvision, and mmaction2 (``models/backbones/resnet_tsm.py``,
``mobilenet_v2_tsm.py``). Our own names are torchvision's.

MIT and mmaction2 wrap a shifted layer in a module that stores it as ``net``. So ``.net`` in a name shows that the
network was trained with a shift, and at which place. Both systems train with a bi-directional shift, whose first slot
holds the future.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal

import torch

from edgeshift.models import ModelConfig, build
from edgeshift.models.config import Rounding

#: {backbone: our name of its head}.
HEADS = {"mobilenet_v2": "classifier.1", "resnet50": "fc"}
#: End of the name of a batch norm's batch counter. Old files lack these counters, and inference does not need them.
COUNTER = ".num_batches_tracked"

Shapes = dict[str, tuple[int, ...]]
ChannelOrder = Literal["rgb", "bgr", "unknown"]


@dataclass(frozen=True)
class Layout:
    """One way to name the tensors of one backbone.

    Attributes:
        name: name of the system; several layouts share it.
        backbone: our name of the backbone.
        rename: function that maps our name of a tensor to its name in the file. It is not used for the head.
        heads: possible names of the head in the file, the most likely one first; empty: the file has no head.
        table: the shift table that the weights were trained with; "tsn": no shift.
        bidirectional: whether this shift also reads the future.
        classes: number of outputs that the head must have for this layout to be recognised; None: any number.
        channel_order: channel order of the frames that the weights were trained on.
        file_name: whether MIT's training script names the file, so that ``mit_name`` can read the name.
    """

    name: str
    backbone: str
    rename: Callable[[str], str]
    heads: tuple[str, ...]
    table: str = "tsn"
    bidirectional: bool = False
    classes: int | None = None
    channel_order: ChannelOrder = "rgb"
    file_name: bool = False

    @property
    def title(self) -> str:
        """The name in messages, such as ``mmaction2 (tsm_resnet50)``."""
        return f"{self.name} ({self.table}_{self.backbone})"

    def names(self, present: Set[str]) -> dict[str, str]:
        """Return {our name: the file's name} of every tensor.

        Args:
            present: the names in the file. They decide between the possible names of the head.
        """
        head = HEADS[self.backbone]
        file_head = next((h for h in self.heads if f"{h}.weight" in present or f"{h}.bias" in present), None)
        file_head = file_head or (self.heads[0] if self.heads else None)
        names = {}
        for name in backbone_shapes(self.backbone):
            if not name.startswith(f"{head}."):
                names[name] = self.rename(name)
            elif file_head:
                names[name] = file_head + name[len(head) :]
        return names


@lru_cache(maxsize=32)
def backbone_shapes(backbone: str, width: float = 1.0, rounding: Rounding = "torchvision") -> Shapes:
    """Return {our name: shape} of every tensor of a backbone with 2 outputs. No memory is allocated for weights."""
    with torch.device("meta"):
        network = build(ModelConfig("tsn", backbone, 2, width=width, rounding=rounding))
    return {name: tuple(tensor.shape) for name, tensor in network.backbone.state_dict().items()}


def recognise(keys: Set[str], classes: Callable[[str], int | None]) -> tuple[Layout | None, float]:
    """Return the layout whose names are most similar to the names in a file, and this similarity.

    The layout is None if no similarity is above one half.

    The similarity is the share of common names (intersection over union). So a file with one missing or additional
    tensor is still recognised, and the error can name this tensor.

    Args:
        keys: names in the file, without a common prefix such as "module.".
        classes: returns the number of outputs of the head with this name in the file; None: there is no such head.
    """
    best, highest = None, 0.5
    present = {key for key in keys if not key.endswith(COUNTER)}
    for layout in LAYOUTS:
        if layout.classes and not any(classes(head) == layout.classes for head in layout.heads):
            continue
        names = {name for name in layout.names(present).values() if not name.endswith(COUNTER)}
        similarity = len(names & present) / len(names | present)
        if similarity > highest:
            best, highest = layout, similarity
    return best, highest


#: The MobileNetV2 blocks that are shifted.
_PLACES = (3, 5, 6, 8, 9, 10, 12, 13, 15, 16)
#: The stages of MobileNetV2 as mmaction2 numbers them: (layer, first block).
_STAGES = ((7, 17), (6, 14), (5, 11), (4, 7), (3, 4), (2, 2), (1, 1))

_BLOCK = re.compile(r"features\.(\d+)\.conv\.(\d+)(?:\.(\d))?\.(\w+)")
_ENDS = re.compile(r"features\.(0|18)\.(\d)\.(\w+)")
_DOWN = re.compile(r"\.downsample\.(\d)\.")
_LAYER = re.compile(r"\b(conv|bn)(\d)\.(\w+)$")


def _block(name: str) -> tuple[int, int, int, str] | None:
    """Split our name into (block, convolution in the block, 0 for the convolution or 1 for its norm, parameter)."""
    match = _BLOCK.fullmatch(name)
    if not match:
        return None
    block, unit = int(match[1]), int(match[2])
    if match[3] is not None:
        return block, unit, int(match[3]), match[4]
    # The projection has no activation and is not nested: its convolution and its norm are numbered one after the other.
    last = 1 if block == 1 else 2
    return block, last, unit - last, match[4]


def _flat(name: str, prefix: str = "", shifted: bool = False) -> str:
    """Rename for MIT's and tonylins' MobileNetV2, which number the convolutions, norms and activations of a block."""
    part = _block(name)
    if not part:
        return prefix + name
    block, unit, norm, leaf = part
    net = ".net" if shifted and block in _PLACES and (unit, norm) == (0, 0) else ""
    return f"{prefix}features.{block}.conv.{3 * unit + norm}{net}.{leaf}"


def _mm_mobilenet(name: str, shifted: bool = False) -> str:
    """Rename for mmaction2's MobileNetV2, which has stages. The shift wraps a module of convolution and norm."""
    end = _ENDS.fullmatch(name)
    if end:
        return f"backbone.conv{1 if end[1] == '0' else 2}.{('conv', 'bn')[int(end[2])]}.{end[3]}"
    part = _block(name)
    assert part, name
    block, unit, norm, leaf = part
    layer, first = next((layer, first) for layer, first in _STAGES if block >= first)
    net = ".net" if shifted and block in _PLACES and unit == 0 else ""
    return f"backbone.layer{layer}.{block - first}.conv.{unit}{net}.{('conv', 'bn')[norm]}.{leaf}"


def _resnet(name: str, prefix: str = "", shifted: bool = False) -> str:
    """Rename for torchvision's and MIT's ResNet-50."""
    if shifted and name.startswith("layer"):
        name = name.replace(".conv1.", ".conv1.net.")
    return prefix + name


def _mm_resnet(name: str, shifted: bool = False) -> str:
    """Rename for mmaction2's ResNet-50: the norm of ``conv1`` is ``conv1.bn``, the shift wraps only the convolution."""
    net = ".net" if shifted and name.startswith("layer") and ".conv1." in name else ""
    name = _DOWN.sub(lambda m: f".downsample.{('conv', 'bn')[int(m[1])]}.", name)
    return "backbone." + _LAYER.sub(lambda m: f"conv{m[2]}.{m[1]}{net}.{m[3]}", name)


def _with_and_without_shift(
    name: str, backbone: str, rename: Callable[..., str], heads: tuple[str, ...], *, file_name: bool = False
) -> tuple[Layout, Layout]:
    """Return the two layouts of a system that trains with and without a shift."""
    return (
        Layout(name, backbone, partial(rename, shifted=True), heads, "tsm", True, file_name=file_name),
        Layout(name, backbone, partial(rename, shifted=False), heads, file_name=file_name),
    )


_mit = partial(_flat, prefix="base_model.")
_mit_resnet = partial(_resnet, prefix="base_model.")

#: Every layout. If two are equally similar to a file, the first one is taken.
LAYOUTS: tuple[Layout, ...] = (
    # MIT's script leaves the head in the backbone if it trains without dropout.
    *_with_and_without_shift("mit-training", "mobilenet_v2", _mit, ("new_fc", "base_model.classifier"), file_name=True),
    *_with_and_without_shift("mit-training", "resnet50", _mit_resnet, ("new_fc", "base_model.fc"), file_name=True),
    # A network of tonylins has the names of MIT's online network, but 1000 outputs instead of 27 (Jester) or no head.
    Layout("tonylins", "mobilenet_v2", _flat, ("classifier", "classifier.1"), classes=1000),
    Layout("tonylins", "mobilenet_v2", _flat, ()),
    # MIT's demo feeds this network BGR frames and calls them RGB, so it is not documented which order it needs.
    Layout("mit-online", "mobilenet_v2", _flat, ("classifier",), "tsm", channel_order="unknown"),
    Layout("torchvision", "mobilenet_v2", str, ("classifier.1",)),
    Layout("torchvision", "resnet50", str, ("fc",)),
    *_with_and_without_shift("mmaction2", "mobilenet_v2", _mm_mobilenet, ("cls_head.fc_cls",)),
    *_with_and_without_shift("mmaction2", "resnet50", _mm_resnet, ("cls_head.fc_cls",)),
)
