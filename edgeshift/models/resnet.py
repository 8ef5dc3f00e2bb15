"""ResNet-18, 34, 50 and 101 (He et al., CVPR 2016) with temporal shifts, as in the code of MIT's TSM and mmaction2.

The tensors have torchvision's names, and the 3x3 convolution of a bottleneck has the stride, as in torchvision. What a
block shifts depends on the position of the shift:

    "blockres"   the input of conv1; the identity path is not shifted
    "block"      the input of the whole block, with its identity path

Temporal pooling (before the second stage) and non-local blocks are optional. Both need a whole clip.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from edgeshift.models.config import NonLocalKind, ShiftPlace
from edgeshift.models.network import Features, ShiftFunction
from edgeshift.models.non_local import NonLocal
from edgeshift.models.temporal_pool import pool_frames

#: (width, stride of the first block) of each stage.
STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
#: (stage, block) of the blocks of ResNet-50 that a non-local block follows.
NON_LOCAL = ((2, 0), (2, 2), (3, 0), (3, 2), (3, 4))
#: If a stage has at least this number of blocks (ResNet-101), only every second block of each stage is shifted.
DEEP = 23


class Block(nn.Module):
    """A residual block: shift, compute the branch, add the input. Subclasses add the layers of the branch.

    Args:
        place: name of the place where the block shifts; None: the block does not shift.
        position: what is shifted, "blockres" or "block"; see the top of this module.
        channels: number of input channels.
        width: number of channels inside of the branch. The output has ``EXPANSION`` times as many.
        stride: stride of the block.
        non_local: kind of the non-local block that follows; None: there is none.
    """

    #: Output channels as a multiple of the width, and names of the last convolution and batch norm of the branch.
    EXPANSION: ClassVar[int]
    LAST: ClassVar[tuple[str, str]]

    def __init__(
        self,
        place: str | None,
        position: ShiftPlace,
        channels: int,
        width: int,
        stride: int,
        non_local: NonLocalKind | None = None,
    ) -> None:
        super().__init__()
        out = width * self.EXPANSION
        self.place, self.position = place, position
        self.downsample = (
            nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
            if stride != 1 or channels != out
            else None
        )
        self.nl = None if non_local is None else NonLocal(out, non_local)
        self.add_branch(channels, width, stride)

    def add_branch(self, channels: int, width: int, stride: int) -> None:
        """Add the layers of the residual branch."""
        raise NotImplementedError

    @property
    def last_norm(self) -> nn.Module:
        """The last batch norm of the residual branch."""
        return self.get_submodule(self.LAST[1])

    def branch(self, x: Tensor) -> Tensor:
        """Compute the residual branch."""
        raise NotImplementedError

    def forward(self, x: Tensor, shift: ShiftFunction) -> Tensor:
        """Map [N, C, H, W] to [N, out, H / stride, W / stride]."""
        shifted = shift(self.place, x) if self.place else x
        x = shifted if self.position == "block" else x
        identity = x if self.downsample is None else self.downsample(x)
        y = torch.relu(self.branch(shifted) + identity)
        return y if self.nl is None else self.nl(y, shift.clips)


class BasicBlock(Block):
    """The block of ResNet-18 and 34: two 3x3 convolutions."""

    EXPANSION = 1
    LAST = ("conv2", "bn2")

    def add_branch(self, channels: int, width: int, stride: int) -> None:
        """Add the layers of the residual branch."""
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def branch(self, x: Tensor) -> Tensor:
        """Compute the residual branch."""
        x = torch.relu(self.bn1(self.conv1(x)))
        y: Tensor = self.bn2(self.conv2(x))
        return y


class Bottleneck(Block):
    """The block of ResNet-50 and 101: reduce (1x1), filter (3x3), expand (1x1)."""

    EXPANSION = 4
    LAST = ("conv3", "bn3")

    def add_branch(self, channels: int, width: int, stride: int) -> None:
        """Add the layers of the residual branch."""
        out = width * self.EXPANSION
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)

    def branch(self, x: Tensor) -> Tensor:
        """Compute the residual branch."""
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        y: Tensor = self.bn3(self.conv3(x))
        return y


class ResNet(nn.Module):
    """``forward(x, shift)`` maps normalised frames [N, 3, H, W] to logits [N, classes].

    ``OPTIONS`` names the fields of ``ModelConfig`` that the constructor takes.
    A subclass is one network of the family.

    Args:
        classes: number of outputs of the head.
        place: the position of the shift in a block, "blockres" or "block".
        every: 1: shift every block of a stage; 2: shift every second block, beginning with the first; and so on. None:
            as in MIT's and mmaction2's code, which is 2 for ResNet-101 with "blockres", and otherwise 1.
        temporal_pool: halve the number of frames before the second stage; see ``pool_frames``. The network then gives
            logits for half of the frames.
        non_local: the kind of the non-local blocks of ResNet-50; None: there are none.
        dropout: dropout rate before the head, in training.
    """

    OPTIONS = ("place", "every", "temporal_pool", "non_local")
    BLOCK: ClassVar[type[BasicBlock] | type[Bottleneck]]
    #: Number of blocks of each stage.
    REPEATS: ClassVar[tuple[int, ...]]

    def __init__(
        self,
        classes: int = 400,
        place: ShiftPlace = "blockres",
        every: int | None = None,
        temporal_pool: bool = False,
        non_local: NonLocalKind | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        every = every or (2 if place == "blockres" and max(self.REPEATS) >= DEEP else 1)
        self.temporal_pool = temporal_pool
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = 64
        for number, ((width, stride), repeats) in enumerate(zip(STAGES, self.REPEATS, strict=True), 1):
            blocks = []
            for i in range(repeats):
                name = f"layer{number}_{i}" if i % every == 0 else None
                kind = non_local if (number, i) in NON_LOCAL else None
                blocks.append(self.BLOCK(name, place, channels, width, stride if i == 0 else 1, kind))
                channels = width * self.BLOCK.EXPANSION
            self.add_module(f"layer{number}", nn.ModuleList(blocks))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor, shift: ShiftFunction) -> Tensor:
        """Map [N, 3, H, W] to [N, classes]; with temporal pooling, N frames of one clip to [N / 2, classes].

        Raises:
            ShiftError: temporal pooling or a non-local block needs whole clips, and ``shift.clips`` is None.
        """
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.maxpool(x)
        for number in range(1, len(STAGES) + 1):
            if number == 2 and self.temporal_pool:
                x = pool_frames(x, shift.clips)
            for block in self.get_submodule(f"layer{number}").children():
                x = block(x, shift)
        head: Tensor = self.fc(self.dropout(x.mean((2, 3), keepdim=True).flatten(1)))
        return head

    def stages(self) -> list[nn.Module]:
        """Return the stem and the four stages, in this order."""
        stem = nn.ModuleList([self.conv1, self.bn1])
        return [stem, *(self.get_submodule(f"layer{number}") for number in range(1, len(STAGES) + 1))]

    def feature_maps(self) -> list[Features]:
        """Return the feature maps between blocks, with the layers that write and read them.

        A block without ``downsample`` adds its branch to the feature map that it reads. A block with ``downsample``
        writes a new feature map.
        """
        features = []
        places: list[str] = []
        readers: list[nn.Module] = []
        writers: list[nn.Module] = [self.conv1, self.bn1]
        for block in (block for stage in self.stages()[1:] for block in stage.children()):
            assert isinstance(block, BasicBlock | Bottleneck)
            places += [block.place] if block.place else []
            readers.append(block.conv1)
            if block.downsample is not None:
                readers.append(block.downsample[0])
                features.append(Features(tuple(places), tuple(writers), tuple(readers)))
                places, readers, writers = [], [], [*block.downsample]
            writers += [block.get_submodule(name) for name in block.LAST]
            if block.nl is not None:
                readers += block.nl.readers
                writers += block.nl.writers
        return [*features, Features(tuple(places), tuple(writers), (*readers, self.fc))]


class ResNet18(ResNet):
    """ResNet-18."""

    BLOCK, REPEATS = BasicBlock, (2, 2, 2, 2)


class ResNet34(ResNet):
    """ResNet-34."""

    BLOCK, REPEATS = BasicBlock, (3, 4, 6, 3)


class ResNet50(ResNet):
    """ResNet-50."""

    BLOCK, REPEATS = Bottleneck, (3, 4, 6, 3)


class ResNet101(ResNet):
    """ResNet-101."""

    BLOCK, REPEATS = Bottleneck, (3, 4, 23, 3)
