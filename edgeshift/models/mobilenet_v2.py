"""MobileNetV2 (Sandler et al., CVPR 2018) with a place in every block that TSM shifts.

The layers have torchvision's names, so that its checkpoints load unchanged. As in MIT's online model, each block with
an expansion and a residual connection has a place: the input of its residual branch. The identity path is not shifted.
"""

from __future__ import annotations

from itertools import zip_longest

from torch import Tensor, nn

from edgeshift.models.config import Rounding
from edgeshift.models.network import Features, ShiftFunction

#: (expansion, channels, blocks, stride of the first block) of each stage, from table 2 of the paper.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class MobileNetV2(nn.Module):
    """``forward(x, shift)`` maps normalised frames [N, 3, H, W] to logits [N, classes].

    ``OPTIONS`` names the fields of ``ModelConfig`` that the constructor takes.

    Args:
        classes: number of outputs of the head.
        width: the width multiplier.
        rounding: how scaled widths become multiples of 8. "torchvision" rounds to the nearest one, but not down by more
            than 10%, and scales the stem; "mit" rounds up and does not scale the stem. Both agree only at width 1.0.
        dropout: dropout rate before the head, in training.
    """

    OPTIONS = ("width", "rounding")

    def __init__(
        self, classes: int = 27, width: float = 1.0, rounding: Rounding = "torchvision", dropout: float = 0.2
    ) -> None:
        super().__init__()
        scale = _nearest if rounding == "torchvision" else _up
        stem = scale(32 * width) if rounding == "torchvision" else 32
        last = scale(1280 * max(width, 1.0))
        blocks: list[nn.Module] = [conv_bn(3, stem, 3, stride=2)]
        channels = stem
        for expansion, base, repeats, stride in STAGES:
            # MIT does not scale the stage without expansion.
            out = base if rounding == "mit" and expansion == 1 else scale(base * width)
            for i in range(repeats):
                place = f"features_{len(blocks)}"
                blocks.append(InvertedResidual(place, channels, out, stride if i == 0 else 1, expansion))
                channels = out
        blocks.append(conv_bn(channels, last, 1))
        self.features = nn.Sequential(*blocks)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, classes))

    def forward(self, x: Tensor, shift: ShiftFunction) -> Tensor:
        """Map [N, 3, H, W] to [N, classes]."""
        for block in self.features:
            x = block(x, shift) if isinstance(block, InvertedResidual) else block(x)
        # With keepdim the pooling keeps the layout of the convolutions, so that no transpose is exported.
        head: Tensor = self.classifier(x.mean((2, 3), keepdim=True).flatten(1))
        return head

    def stages(self) -> list[nn.Module]:
        """Return the stem, the blocks and the last convolution, in this order."""
        return list(self.features)

    def feature_maps(self) -> list[Features]:
        """Return the feature maps between blocks, with the layers that write and read them."""
        blocks = [block for block in self.features if isinstance(block, InvertedResidual)]
        groups: list[list[InvertedResidual]] = []
        for block in blocks:
            if block.residual:
                groups[-1].append(block)
            else:
                groups.append([block])
        last = self.features[-1]
        assert isinstance(last, nn.Sequential)
        features = []
        for group, following in zip_longest(groups, groups[1:]):
            readers = [block.expand for block in group[1:]]
            readers.append(following[0].expand if following else last[0])
            writers = [layer for block in group for layer in list(block.conv.children())[-2:]]
            places = tuple(block.place for block in group if block.place)
            features.append(Features(places, tuple(writers), tuple(readers)))
        return features


class InvertedResidual(nn.Module):
    """Expand (1x1), filter (depthwise 3x3), project (1x1), and add the input if it has the same shape."""

    def __init__(self, place: str, channels: int, out: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels * expansion
        self.residual = stride == 1 and channels == out
        self.place = place if self.residual and expansion != 1 else None
        layers: list[nn.Module] = [] if expansion == 1 else [conv_bn(channels, hidden, 1)]
        layers += [
            conv_bn(hidden, hidden, 3, stride=stride, groups=hidden),
            nn.Conv2d(hidden, out, 1, bias=False),
            nn.BatchNorm2d(out),
        ]
        self.conv = nn.Sequential(*layers)

    @property
    def expand(self) -> nn.Module:
        """The convolution that reads the input of the block."""
        return self.conv.get_submodule("0.0")

    @property
    def last_norm(self) -> nn.Module | None:
        """The last batch norm of the residual branch; None: the block has no residual connection."""
        return self.conv[-1] if self.residual else None

    def forward(self, x: Tensor, shift: ShiftFunction) -> Tensor:
        """Map [N, C, H, W] to [N, out, H / stride, W / stride]."""
        y: Tensor = self.conv(shift(self.place, x) if self.place else x)
        return x + y if self.residual else y


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a convolution with batch norm and ReLU6."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    )


def _nearest(value: float) -> int:
    """Return the nearest multiple of 8, at least 8 and at least 90% of the value."""
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def _up(value: float) -> int:
    """Return the smallest multiple of 8 that is not below the value."""
    return -int(-value // 8) * 8
