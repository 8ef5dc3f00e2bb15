"""ResNet-50 (He et al., CVPR 2016) with a place in every block. As in torchvision, the 3x3 convolution has the stride.

The places are those that TSM calls "blockres": the input of conv1 in each block. The identity path is not shifted.
"""

from __future__ import annotations

from itertools import zip_longest

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeshift.models.network import Features, Shift

#: (width, blocks, stride of the first block) of each stage. A block has EXPANSION * width output channels.
STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
EXPANSION = 4


class ResNet50(nn.Module):
    """``forward(x, shift)`` maps normalised frames [N, 3, H, W] to logits [N, classes].

    ``STEM`` names the first convolution, and ``OPTIONS`` the fields of ``ModelConfig`` that the constructor takes.
    """

    STEM = "conv1"
    OPTIONS = ()

    def __init__(self, classes: int = 400, dropout: float = 0.5) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2)
        channels = 64
        for number, (width, repeats, stride) in enumerate(STAGES, 1):
            blocks = []
            for i in range(repeats):
                blocks.append(Bottleneck(f"layer{number}_{i}", channels, width, stride if i == 0 else 1))
                channels = width * EXPANSION
            self.add_module(f"layer{number}", nn.ModuleList(blocks))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor, shift: Shift) -> Tensor:
        """Map [N, 3, H, W] to [N, classes]."""
        x = torch.relu(self.bn1(self.conv1(x)))
        # The pool's own padding is minus infinity, which int8 cannot hold. After a ReLU, zeros give the same result.
        x = self.maxpool(F.pad(x, (1, 1, 1, 1)))
        for number in range(1, len(STAGES) + 1):
            stage = self.get_submodule(f"layer{number}")
            assert isinstance(stage, nn.ModuleList)
            for block in stage:
                x = block(x, shift)
        head: Tensor = self.fc(self.dropout(x.mean((2, 3), keepdim=True).flatten(1)))
        return head

    def stages(self) -> list[nn.Module]:
        """Return the stem and the four stages, in this order."""
        stem = nn.ModuleList([self.conv1, self.bn1])
        return [stem, *(self.get_submodule(f"layer{number}") for number in range(1, len(STAGES) + 1))]

    def feature_maps(self) -> list[Features]:
        """Return the feature maps between blocks, with the layers that write and read them."""
        stages = [list(self.get_submodule(f"layer{number}").children()) for number in range(1, len(STAGES) + 1)]
        groups: list[list[nn.Module]] = [[], *stages]
        features = []
        for group, following in zip_longest(groups, groups[1:]):
            writers = [self.conv1, self.bn1] if not group else []
            readers: list[nn.Module] = []
            places = []
            for index, block in enumerate(group):
                assert isinstance(block, Bottleneck)
                writers += [block.conv3, block.bn3, *(block.downsample or ())]
                if index:
                    readers.append(block.conv1)
                    places.append(block.place)
            if following:
                first = following[0]
                assert isinstance(first, Bottleneck)
                readers += [first.conv1, *([first.downsample[0]] if first.downsample else [])]
                places.append(first.place)
            else:
                readers.append(self.fc)
            features.append(Features(tuple(places), tuple(writers), tuple(readers)))
        return features


class Bottleneck(nn.Module):
    """Reduce (1x1), filter (3x3), expand (1x1), and add the input."""

    def __init__(self, place: str, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = width * EXPANSION
        self.place = place
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample = (
            nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
            if stride != 1 or channels != out
            else None
        )

    @property
    def last_norm(self) -> nn.Module:
        """The last batch norm of the residual branch."""
        return self.bn3

    def forward(self, x: Tensor, shift: Shift) -> Tensor:
        """Map [N, C, H, W] to [N, 4 * width, H / stride, W / stride]."""
        identity = x if self.downsample is None else self.downsample(x)
        x = torch.relu(self.bn1(self.conv1(shift(self.place, x))))
        x = torch.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        return torch.relu(x + identity)
