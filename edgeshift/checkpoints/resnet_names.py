"""The names of a ResNet's tensors in the files of other systems. Our own names are torchvision's and timm's.

ours        layer2.0.conv1.weight
MIT         base_model.layer2.0.conv1.net.weight            shifted, "blockres"
            base_model.layer2.0.net.conv1.weight            shifted, "block"
            base_model.layer2.net.0.conv1.net.weight        with temporal pooling before this stage
            base_model.layer2.0.block.conv1.net.weight      followed by a non-local block, layer2.0.nl.*
mmaction2   backbone.layer2.0.conv1.conv.net.weight         and likewise; layer2.0.non_local_block.*
TSAM        nn_backbone.base_model.layer2.0.conv1.layer.weight
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from edgeshift.models.config import ModelConfig
from edgeshift.models.resnet import NON_LOCAL

_BLOCK = re.compile(r"layer(\d)\.(\d+)\.(.+)")
_MM_LAYER = re.compile(r"\b(conv|bn)(\d)\.(\w+)$")
_MM_DOWN = re.compile(r"^downsample\.(\d)\.")

#: {our name of a layer in a non-local block: MIT's}.
MIT_NON_LOCAL = {"theta": "theta", "phi": "phi.0", "g": "g.0", "out": "W.0", "norm": "W.1"}
#: {our name of a layer in a non-local block: mmaction2's}.
MM_NON_LOCAL = {
    "theta": "theta.conv",
    "phi": "phi.0.conv",
    "g": "g.0.conv",
    "out": "conv_out.conv",
    "norm": "conv_out.bn",
}


@dataclass(frozen=True)
class ResNetNames:
    """``names(our name)`` returns the name in the file; None: the file has no such tensor.

    Attributes:
        network: the network. Its shift, place, temporal pooling and non-local blocks show in the names.
        shifted: which blocks are shifted: a block ``n`` of a stage is if ``n % shifted == 0``; 0: none is.
        prefix: what all names begin with.
        wrapper: name of the shifted layer in the module that shifts its input.
        non_local: name of the module of a non-local block in a block.
        inner: {our name of a layer in a non-local block: its name}.
        leaf: function that renames a layer in a block, such as ``conv1.weight``, or the stem.
        absent: our names of tensors in a non-local block that the file does not have.
    """

    network: ModelConfig
    shifted: int
    prefix: str
    wrapper: str = "net"
    non_local: str = "nl"
    inner: dict[str, str] = field(default_factory=lambda: MIT_NON_LOCAL, hash=False)
    leaf: Callable[[str], str] = str
    absent: frozenset[str] = frozenset()

    def __call__(self, name: str) -> str | None:
        """Return the name in the file."""
        match = _BLOCK.fullmatch(name)
        if not match:
            return self.prefix + self.leaf(name)
        stage, block, rest = int(match[1]), int(match[2]), match[3]
        if rest.startswith("nl."):
            _, layer, parameter = rest.split(".")
            if f"{layer}.{parameter}" in self.absent:
                return None
            path = f"{self.non_local}.{self.inner[layer]}.{parameter}"
        else:
            path = self._in_block(block, rest)
            if self.network.non_local and (stage, block) in NON_LOCAL:
                path = f"block.{path}"
        pool = "net." if self.network.temporal_pool and stage == 2 else ""
        return f"{self.prefix}layer{stage}.{pool}{block}.{path}"

    def _in_block(self, block: int, rest: str) -> str:
        path = self.leaf(rest)
        if not self.shifted or block % self.shifted:
            return path
        if self.network.place == "block":
            return f"{self.wrapper}.{path}"
        return re.sub(r"\.(\w+)$", rf".{self.wrapper}.\1", path) if rest.startswith("conv1.") else path


def mmaction2_leaf(name: str) -> str:
    """Rename a layer for mmaction2, whose modules hold a convolution and its norm: ``bn1`` is ``conv1.bn``."""
    name = _MM_DOWN.sub(lambda m: f"downsample.{('conv', 'bn')[int(m[1])]}.", name)
    return _MM_LAYER.sub(r"conv\2.\1.\3", name)
