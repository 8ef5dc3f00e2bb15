"""The layouts of public checkpoints: how each names the tensors of our backbones. A new layout is one new entry.

Read in the public code of each system: MIT's temporal-shift-module (``ops/models.py``, ``archs/mobilenet_v2.py``,
``online_demo/mobilenet_v2_tsm.py``), tonylins/pytorch-mobilenet-v2, torchvision, and mmaction2
(``models/backbones/resnet_tsm.py``, ``mobilenet_v2_tsm.py``). Our own names are torchvision's.

MIT and mmaction2 wrap a shifted layer in a module that keeps it under ``net``: so ``.net`` in the names is the record
that a network was trained with a shift, and where. Both shift in both directions, the future first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal

import torch

from edgeshift.checkpoints.checkpoint import ChannelOrder
from edgeshift.models import ModelConfig, build

#: Our name of each backbone's head.
HEADS = {"mobilenet_v2": "classifier.1", "resnet50": "fc"}
#: A counter that batch norm keeps and old files lack; never needed.
COUNTER = ".num_batches_tracked"

Shapes = dict[str, tuple[int, ...]]
Rounding = Literal["torchvision", "mit"]


@dataclass(frozen=True)
class Layout:
    """One way to name the tensors of one backbone.

    Attributes:
        name: what people call it; several entries share it.
        backbone: our name of it.
        rename: our name of a tensor to the file's, the head's excepted.
        heads: the head's name in the file, alternatives in order of likelihood; none: the file has no head.
        table, bidirectional: the shift the weights were trained with; "tsn": none.
        classes: the layout is only meant where the head has this many outputs.
        channel_order: of the frames the weights were trained on.
        file_name: True if MIT's training script chose the file's name, which then says more.
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
        """For messages: ``mmaction2 (tsm_resnet50)``."""
        return f"{self.name} ({self.table}_{self.backbone})"

    def names(self, present: Set[str]) -> dict[str, str]:
        """{our name: the file's} of every tensor, the head under whichever of its names is present."""
        head = HEADS[self.backbone]
        there = next((h for h in self.heads if f"{h}.weight" in present or f"{h}.bias" in present), None)
        there = there or (self.heads[0] if self.heads else None)
        names = {}
        for ours in backbone_shapes(self.backbone):
            if not ours.startswith(f"{head}."):
                names[ours] = self.rename(ours)
            elif there:
                names[ours] = there + ours[len(head) :]
        return names


@lru_cache(maxsize=32)
def backbone_shapes(backbone: str, width: float = 1.0, rounding: Rounding = "torchvision") -> Shapes:
    """{our name: shape} of every tensor of a backbone with a head of 2 outputs, without making its weights."""
    with torch.device("meta"):
        network = build(ModelConfig("tsn", backbone, 2, width=width, rounding=rounding))
    return {name: tuple(tensor.shape) for name, tensor in network.backbone.state_dict().items()}


def recognise(keys: Set[str], classes: Callable[[str], int | None]) -> Layout | None:
    """The layout whose names are most like these, or None if none shares half of them.

    Likeness is the share of names in common, so that a file with one tensor missing or too many is still taken for what
    it is and the error can name that tensor.

    Args:
        keys: names in the file, without "module." in front.
        classes: outputs of the head of this name in the file; None: it has no such head.
    """
    best, likeness = None, 0.5
    present = {key for key in keys if not key.endswith(COUNTER)}
    for layout in LAYOUTS:
        if layout.classes and not any(classes(head) == layout.classes for head in layout.heads):
            continue
        names = {name for name in layout.names(present).values() if not name.endswith(COUNTER)}
        share = len(names & present) / len(names | present)
        if share > likeness:
            best, likeness = layout, share
    return best


#: MobileNetV2 blocks that are shifted, and its stages as mmaction2 numbers them: (layer, first block).
_PLACES = (3, 5, 6, 8, 9, 10, 12, 13, 15, 16)
_STAGES = ((7, 17), (6, 14), (5, 11), (4, 7), (3, 4), (2, 2), (1, 1))

_BLOCK = re.compile(r"features\.(\d+)\.conv\.(\d+)(?:\.(\d))?\.(\w+)")
_ENDS = re.compile(r"features\.(0|18)\.(\d)\.(\w+)")
_DOWN = re.compile(r"\.downsample\.(\d)\.")
_LAYER = re.compile(r"\b(conv|bn)(\d)\.(\w+)$")


def _block(name: str) -> tuple[int, int, int, str] | None:
    """(block, convolution in the block, 0 for the convolution or 1 for its norm, parameter)."""
    match = _BLOCK.fullmatch(name)
    if not match:
        return None
    block, unit = int(match[1]), int(match[2])
    if match[3] is not None:
        return block, unit, int(match[3]), match[4]
    last = 1 if block == 1 else 2  # the projection has no activation and is not nested: conv, then norm
    return block, last, unit - last, match[4]


def _flat(name: str, prefix: str = "", shifted: bool = False) -> str:
    """MobileNetV2 by MIT and tonylins: convolution, norm and activation of a block counted through."""
    part = _block(name)
    if not part:
        return prefix + name
    block, unit, norm, leaf = part
    net = ".net" if shifted and block in _PLACES and (unit, norm) == (0, 0) else ""
    return f"{prefix}features.{block}.conv.{3 * unit + norm}{net}.{leaf}"


def _mm_mobilenet(name: str, shifted: bool = False) -> str:
    """MobileNetV2 by mmaction2: stages, and convolution and norm in one module, which is what the shift wraps."""
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
    """ResNet-50 by torchvision and MIT."""
    if shifted and name.startswith("layer"):
        name = name.replace(".conv1.", ".conv1.net.")
    return prefix + name


def _mm_resnet(name: str, shifted: bool = False) -> str:
    """ResNet-50 by mmaction2: the norm of ``conv1`` is ``conv1.bn``; the shift wraps the convolution alone."""
    net = ".net" if shifted and name.startswith("layer") and ".conv1." in name else ""
    name = _DOWN.sub(lambda m: f".downsample.{('conv', 'bn')[int(m[1])]}.", name)
    return "backbone." + _LAYER.sub(lambda m: f"conv{m[2]}.{m[1]}{net}.{m[3]}", name)


def _both(
    name: str, backbone: str, rename: Callable[..., str], heads: tuple[str, ...], *, file_name: bool = False
) -> tuple[Layout, Layout]:
    """The two entries of a system that trains with and without a shift."""
    return (
        Layout(name, backbone, partial(rename, shifted=True), heads, "tsm", True, file_name=file_name),
        Layout(name, backbone, partial(rename, shifted=False), heads, file_name=file_name),
    )


_mit = partial(_flat, prefix="base_model.")
_mit_resnet = partial(_resnet, prefix="base_model.")

#: Every layout. Where two are equally alike, the first is taken.
LAYOUTS: tuple[Layout, ...] = (
    # MIT's script keeps the head in the backbone when it trains without dropout.
    *_both("mit-training", "mobilenet_v2", _mit, ("new_fc", "base_model.classifier"), file_name=True),
    *_both("mit-training", "resnet50", _mit_resnet, ("new_fc", "base_model.fc"), file_name=True),
    # Told from an online network by its head alone; public online networks have 27 outputs (Jester).
    Layout("tonylins", "mobilenet_v2", _flat, ("classifier", "classifier.1"), classes=1000),
    Layout("tonylins", "mobilenet_v2", _flat, ()),
    # MIT's demo feeds it BGR frames and calls them RGB, so what it was trained on is not documented.
    Layout("mit-online", "mobilenet_v2", _flat, ("classifier",), "tsm", channel_order="unknown"),
    Layout("torchvision", "mobilenet_v2", str, ("classifier.1",)),
    Layout("torchvision", "resnet50", str, ("fc",)),
    *_both("mmaction2", "mobilenet_v2", _mm_mobilenet, ("cls_head.fc_cls",)),
    *_both("mmaction2", "resnet50", _mm_resnet, ("cls_head.fc_cls",)),
)
