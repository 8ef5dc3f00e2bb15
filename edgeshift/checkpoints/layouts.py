"""The layouts of public checkpoints: how each one names the tensors of our backbones.

A new layout is one new entry in ``LAYOUTS``. The names were taken from the public code of each system: MIT's
temporal-shift-module (``ops/models.py``, ``ops/temporal_shift.py``, ``ops/non_local.py``, ``archs/mobilenet_v2.py``,
``online_demo/mobilenet_v2_tsm.py``), tonylins/pytorch-mobilenet-v2, torchvision, and mmaction2
(``models/backbones/resnet_tsm.py``, ``mobilenet_v2_tsm.py``). Those of TSAM are from a description of its file. Our own
names are torchvision's.

MIT and mmaction2 wrap a shifted layer or block in a module that stores it as ``net``. So ``.net`` in a name shows that
the network was trained with a shift, and at which place. Both systems train with a bi-directional shift, whose first
slot holds the future.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Literal

import torch

from edgeshift.checkpoints import mobilenet_names
from edgeshift.checkpoints.resnet_names import MM_NON_LOCAL, ResNetNames, mmaction2_leaf
from edgeshift.models import BACKBONES, ModelConfig, build
from edgeshift.models.config import NonLocalKind, Rounding
from edgeshift.sound import SoundSettings
from edgeshift.sound.settings import PUBLISHED

#: {backbone: our name of its head}.
HEADS = {backbone: "classifier.1" if backbone == "mobilenet_v2" else "fc" for backbone in BACKBONES}
#: End of the name of a batch norm's batch counter. Old files lack these counters, and inference does not need them.
COUNTER = ".num_batches_tracked"
#: Mean and standard deviation of networks that take values 0 to 1 as they are.
PLAIN_MEAN, PLAIN_STD = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)
#: The kinds of non-local blocks whose tensors have the same names in mmaction2.
SAME_NAMES: tuple[NonLocalKind, ...] = ("embedded_gaussian", "scaled_embedded_gaussian", "dot_product")

#: {``every`` of the networks that are read: in words}. None: the usual blocks.
EVERY: dict[int | None, str] = {1: "every block shifted", 2: "every second block shifted"}

Shapes = dict[str, tuple[int, ...]]
ChannelOrder = Literal["rgb", "bgr", "unknown"]
#: Facts about a network that its tensors do not show.
Unknown = Literal["shift_div", "depth", "non_local"]


@dataclass(frozen=True)
class Layout:
    """One way to name the tensors of one network.

    Attributes:
        name: name of the system; several layouts share it.
        network: the network that such names show; its number of outputs has no meaning.
        rename: function that maps our name of a tensor to its name in the file; None: the file has no such tensor. It
            is not used for the head.
        heads: possible names of the head in the file, the most likely one first; empty: the file has no head.
        classes: number of outputs that the head must have for this layout to be recognised; None: any number.
        channel_order: channel order of the frames that the weights were trained on.
        file_name: whether MIT's training script names the file, so that ``mit_name`` can read the name.
        unknown: facts that the tensors do not show. The network has a usual value for them.
        frames: number of frames of a training clip; None: not known.
    """

    name: str
    network: ModelConfig
    rename: Callable[[str], str | None]
    heads: tuple[str, ...]
    classes: int | None = None
    channel_order: ChannelOrder = "rgb"
    file_name: bool = False
    unknown: tuple[Unknown, ...] = ()
    frames: int | None = None

    @property
    def backbone(self) -> str:
        """Our name of the backbone."""
        return self.network.backbone

    @property
    def head(self) -> str:
        """Our name of the head."""
        return HEADS[self.backbone]

    @property
    def variant(self) -> str:
        """What differs from the usual network, in words; empty: nothing."""
        network = self.network
        parts = [
            "whole blocks shifted" if network.place == "block" else "",
            EVERY.get(network.every, ""),
            "temporal pooling" if network.temporal_pool else "",
            f"non-local blocks ({' or '.join(self.kinds)})" if network.non_local else "",
            "sound segment" if network.sound else "",
        ]
        return ", ".join(part for part in parts if part)

    @property
    def kinds(self) -> tuple[NonLocalKind, ...]:
        """The kinds that non-local blocks with these names may have; empty: there are no such blocks."""
        if "non_local" in self.unknown:
            return SAME_NAMES
        return (self.network.non_local,) if self.network.non_local else ()

    @property
    def title(self) -> str:
        """The name in messages, such as ``mmaction2 (tsm_resnet50)``."""
        return f"{self.name} ({', '.join(part for part in (self.network.name, self.variant) if part)})"

    def names(self, present: Set[str]) -> dict[str, str]:
        """Return {our name: the file's name} of every tensor.

        Args:
            present: the names in the file. They decide between the possible names of the head.
        """
        names = dict(_names(self))
        file_head = next((h for h in self.heads if f"{h}.weight" in present or f"{h}.bias" in present), None)
        file_head = file_head or (self.heads[0] if self.heads else None)
        if file_head:
            names |= {f"{self.head}.{leaf}": f"{file_head}.{leaf}" for leaf in ("weight", "bias")}
        return names

    def shapes(self, width: float = 1.0, rounding: Rounding = "torchvision") -> Shapes:
        """Return {our name: shape} of every tensor of the network with 2 outputs."""
        return backbone_shapes(self.backbone, width, rounding, self.network.non_local, self.network.sound)


@lru_cache(maxsize=256)
def _names(layout: Layout) -> dict[str, str]:
    """Return {our name: the file's name} of every tensor but the head."""
    ours = (name for name in layout.shapes() if not name.startswith(f"{layout.head}."))
    return {name: new for name in ours if (new := layout.rename(name)) is not None}


@lru_cache(maxsize=64)
def backbone_shapes(
    backbone: str,
    width: float = 1.0,
    rounding: Rounding = "torchvision",
    non_local: NonLocalKind | None = None,
    sound: SoundSettings | None = None,
) -> Shapes:
    """Return {our name: shape} of every tensor of a backbone with 2 outputs. No memory is allocated for weights."""
    with torch.device("meta"):
        config = ModelConfig("tsn", backbone, 2, width=width, rounding=rounding, non_local=non_local, sound=sound)
        network = build(config)
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


def _network(backbone: str, table: str = "tsn", **options: Any) -> ModelConfig:
    return ModelConfig(table, backbone, 2, bidirectional=table != "tsn", **options)


def _mobilenets(
    name: str, rename: Callable[..., str], heads: tuple[str, ...], *, file_name: bool = False
) -> Iterator[Layout]:
    """Yield the two layouts of MobileNetV2 in a system that trains with and without a shift."""
    shifted = _network("mobilenet_v2", "tsm")
    yield Layout(name, shifted, partial(rename, shifted=True), heads, file_name=file_name, unknown=("shift_div",))
    yield Layout(name, _network("mobilenet_v2"), partial(rename, shifted=False), heads, file_name=file_name)


def _resnets(name: str, heads: tuple[str, ...], *, file_name: bool = False, **names: Any) -> Iterator[Layout]:
    """Yield the layouts of ResNets in a system that trains with and without a shift, and with MIT's variants of it."""
    make = partial(Layout, name, heads=heads, file_name=file_name)
    for backbone in BACKBONES:
        if backbone == "mobilenet_v2":
            continue
        for network in (
            _network(backbone, "tsm"),
            _network(backbone, "tsm", place="block"),
            _network(backbone, "tsm", temporal_pool=True),
            _network(backbone, "tsm", place="block", temporal_pool=True),
        ):
            deep = backbone == "resnet101" and network.place == "blockres"
            yield make(network, ResNetNames(network, 2 if deep else 1, **names), unknown=("shift_div",))
        yield make(_network(backbone), ResNetNames(_network(backbone), 0, **names))


def _non_local(
    name: str,
    heads: tuple[str, ...],
    kind: NonLocalKind,
    *,
    several: bool = False,
    file_name: bool = False,
    **names: Any,
) -> Iterator[Layout]:
    """Yield the layouts of ResNet-50 with non-local blocks, with and without a shift.

    Args:
        name: name of the system.
        heads: possible names of the head.
        kind: the kind of the blocks.
        several: whether blocks of other kinds have the same names.
        file_name: whether MIT's training script names the file.
        names: arguments of ``ResNetNames``.
    """
    open_: tuple[Unknown, ...] = ("non_local",) if several else ()
    for table, shifted in (("tsm", 1), ("tsn", 0)):
        network = _network("resnet50", table, non_local=kind)
        unknown: tuple[Unknown, ...] = ("shift_div", *open_) if shifted else open_
        rename = ResNetNames(network, shifted, **names)
        yield Layout(name, network, rename, heads, file_name=file_name, unknown=unknown)


def _tsam() -> Iterator[Layout]:
    """Yield the layouts of the public TSAM: ResNet-50 whose every second block (or every block) is shifted.

    Its sound segment has no weights of its own, so a file does not show it. All published networks have one.
    """
    for every in (2, 1):
        network = _network("resnet50", "tsam", depth=1, every=every, mean=PLAIN_MEAN, std=PLAIN_STD, sound=PUBLISHED)
        yield Layout(
            "tsam",
            network,
            ResNetNames(network, every, "nn_backbone.base_model.", wrapper="layer"),
            ("last_fc",),
            unknown=("depth", "shift_div"),
            frames=PUBLISHED.frames,
        )


_MIT_HEADS = ("new_fc", "base_model.fc")
_MM_HEADS = ("cls_head.fc_cls",)
_MIT: dict[str, Any] = {"prefix": "base_model."}
_MM: dict[str, Any] = {
    "prefix": "backbone.",
    "non_local": "non_local_block",
    "inner": MM_NON_LOCAL,
    "leaf": mmaction2_leaf,
    "absent": frozenset({"out.bias"}),
}

#: Every layout. If two are equally similar to a file, the first one is taken.
LAYOUTS: tuple[Layout, ...] = (
    # MIT's script leaves the head in the backbone if it trains without dropout.
    *_mobilenets(
        "mit-training",
        partial(mobilenet_names.flat, prefix="base_model."),
        ("new_fc", "base_model.classifier"),
        file_name=True,
    ),
    *_resnets("mit-training", _MIT_HEADS, file_name=True, **_MIT),
    *_non_local("mit-training", _MIT_HEADS, "embedded_gaussian", file_name=True, **_MIT),
    # A network of tonylins has the names of MIT's online network, but 1000 outputs instead of 27 (Jester) or no head.
    Layout("tonylins", _network("mobilenet_v2"), mobilenet_names.flat, ("classifier", "classifier.1"), classes=1000),
    Layout("tonylins", _network("mobilenet_v2"), mobilenet_names.flat, ()),
    # MIT's demo feeds this network BGR frames and calls them RGB, so it is not documented which order it needs.
    Layout(
        "mit-online",
        ModelConfig("tsm", "mobilenet_v2", 2),
        mobilenet_names.flat,
        ("classifier",),
        channel_order="unknown",
    ),
    # MIIL's weights of ImageNet-21k have torchvision's names, but were trained on values 0 to 1.
    Layout(
        "imagenet-21k",
        _network("resnet50", mean=PLAIN_MEAN, std=PLAIN_STD),
        str,
        ("fc",),
        classes=11_221,
    ),
    *(Layout("torchvision", _network(backbone), str, (head,)) for backbone, head in HEADS.items()),
    *_mobilenets("mmaction2", mobilenet_names.mmaction2, _MM_HEADS),
    *_resnets("mmaction2", _MM_HEADS, **_MM),
    *_non_local("mmaction2", _MM_HEADS, "embedded_gaussian", several=True, **_MM),
    *_non_local("mmaction2", _MM_HEADS, "gaussian", **_MM),
    *_tsam(),
)
