"""Networks as users write them: shifts as wrapper modules, in several styles. Only ``settled`` knows edgeshift."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeshift.gestures.fitted_clips import drawn_clips
from edgeshift.models.config import IMAGENET_MEAN, IMAGENET_STD
from edgeshift.video.fit import FrameSpec

#: Frames of a clip.
FRAMES = 8


class MitShift(nn.Module):
    """The module of MIT's TSM: it views the batch as clips, and shifts the input of a layer to both sides."""

    def __init__(self, net: nn.Module, n_segment: int = FRAMES, n_div: int = 8, *, past_only: bool = False) -> None:
        super().__init__()
        self.net, self.n_segment, self.fold_div, self.past_only = net, n_segment, n_div, past_only

    def forward(self, x: Tensor) -> Tensor:
        rows, c, h, w = x.size()
        x = x.view(rows // self.n_segment, self.n_segment, c, h, w)
        fold = c // self.fold_div
        out = torch.zeros_like(x)
        if self.past_only:
            out[:, 1:, :fold] = x[:, :-1, :fold]
            out[:, :, fold:] = x[:, :, fold:]
        else:
            out[:, :-1, :fold] = x[:, 1:, :fold]
            out[:, 1:, fold : 2 * fold] = x[:, :-1, fold : 2 * fold]
            out[:, :, 2 * fold :] = x[:, :, 2 * fold :]
        return self.net(out.view(rows, c, h, w))


class MmactionShift(nn.Module):
    """The module of mmaction2: it splits the channels, shifts by concatenation with zeros, and joins them again."""

    def __init__(self, net: nn.Module, num_segments: int = FRAMES, shift_div: int = 8) -> None:
        super().__init__()
        self.net, self.num_segments, self.shift_div = net, num_segments, shift_div

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.size()
        x = x.view(-1, self.num_segments, c, h * w)
        fold = c // self.shift_div
        left, mid, right = x[:, :, :fold], x[:, :, fold : 2 * fold], x[:, :, 2 * fold :]
        zeros = left - left
        left = torch.cat((left[:, 1:], zeros[:, :1]), 1)
        mid = torch.cat((zeros[:, :1], mid[:, :-1]), 1)
        return self.net(torch.cat((left, mid, right), 2).view(n, c, h, w))


class WholeBatchShift(nn.Module):
    """A shift that takes the whole batch as one clip, of any length, and reads up to ``depth`` frames back.

    A frame without such a neighbour keeps its own features.
    """

    def __init__(self, conv: nn.Module, depth: int = 1, *, keep: bool = False) -> None:
        super().__init__()
        self.conv, self.depth, self.keep = conv, depth, keep

    def forward(self, x: Tensor) -> Tensor:
        out = x.clone()
        fold = x.shape[1] // 8 // self.depth
        for d in range(1, self.depth + 1):
            group = slice((d - 1) * fold, d * fold)
            out[d:, group] = x[:-d, group]
            if not self.keep:
                out[:d, group] = 0
        return self.conv(out)


def past_mit(layer: nn.Module) -> nn.Module:
    return MitShift(layer, past_only=True)


class BasicBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, wrap: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__()
        self.conv1 = wrap(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False))
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class ResNet18(nn.Module):
    """ResNet-18, narrow, in which ``wrap`` shifts the input of conv1 in each block."""

    def __init__(self, wrap: Callable[[nn.Module], nn.Module] = past_mit, width: int = 16, classes: int = 5) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs = width
        for number, outputs in enumerate((width, 2 * width, 4 * width, 8 * width), 1):
            blocks = [BasicBlock(inputs, outputs, 1 if number == 1 else 2, wrap), BasicBlock(outputs, outputs, 1, wrap)]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            inputs = outputs
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
        return self.fc(self.avgpool(x).flatten(1))


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int, gate: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, max(8, channels // 4), 1)
        self.expand = nn.Conv2d(max(8, channels // 4), channels, 1)
        self.gate, self.act = gate, act

    def forward(self, x: Tensor) -> Tensor:
        scale = F.adaptive_avg_pool2d(x, 1)
        return x * self.gate(self.expand(self.act(self.reduce(scale))))


class InvertedResidual(nn.Module):
    """The block of MobileNetV3 and EfficientNet, which differ in activation and gate."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        wrap: Callable[[nn.Module], nn.Module],
        act: Callable[[], nn.Module],
        gate: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        hidden = 4 * inputs
        self.residual = stride == 1 and inputs == outputs
        expand = nn.Conv2d(inputs, hidden, 1, bias=False)
        self.block = nn.Sequential(
            nn.Sequential(wrap(expand) if self.residual else expand, nn.BatchNorm2d(hidden), act()),
            nn.Sequential(
                nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False),
                nn.BatchNorm2d(hidden),
                act(),
            ),
            SqueezeExcite(hidden, gate(), nn.ReLU() if act is nn.Hardswish else act()),
            nn.Sequential(nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs)),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.block(x)
        return x + y if self.residual else y


class InvertedNetwork(nn.Module):
    """A network in the manner of MobileNetV3 or EfficientNet."""

    def __init__(
        self,
        wrap: Callable[[nn.Module], nn.Module],
        act: Callable[[], nn.Module],
        gate: Callable[[], nn.Module],
        classes: int = 5,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), act())
        settings = [(16, 16, 3, 1), (16, 24, 3, 2), (24, 24, 5, 1), (24, 40, 5, 2), (40, 40, 5, 1), (40, 40, 5, 1)]
        self.blocks = nn.Sequential(*(InvertedResidual(*row, wrap, act, gate) for row in settings))
        self.head = nn.Sequential(nn.Conv2d(40, 96, 1, bias=False), nn.BatchNorm2d(96), act())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Linear(96, 64), act(), nn.Dropout(0.2), nn.Linear(64, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.pool(self.head(self.blocks(self.stem(x)))).flatten(1))


def mobilenet_v3_like() -> nn.Module:
    return InvertedNetwork(past_mit, nn.Hardswish, nn.Hardsigmoid)


def efficientnet_like(depth: int = 2) -> nn.Module:
    """An EfficientNet with a shift that reads two frames back, and the frame's own features where there are none."""
    return InvertedNetwork(lambda layer: WholeBatchShift(layer, depth, keep=True), nn.SiLU, nn.Sigmoid)


def settled(net: nn.Module, size: int = 64, seed: int = 0) -> nn.Module:
    """Return the network with random weights and batch norms measured on drawn gestures.

    As in trained networks, the values of all layers have usual ranges, and frames and states matter. The squeeze-excite
    layers have no batch norm. They keep PyTorch's small weights, because their gates would otherwise be 0 or 1.
    """
    torch.manual_seed(seed)
    drawn = drawn_clips(FrameSpec(size, size), 16, seed=5, frames=FRAMES).frames
    mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    clips = [(torch.from_numpy(clip).permute(0, 3, 1, 2).float() - mean) / std for clip in drawn]
    without_norm = {module for block in net.modules() if isinstance(block, SqueezeExcite) for module in block.modules()}
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.reset_parameters()
            if isinstance(module, nn.Conv2d) and module not in without_norm:
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
        net.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        for module in net.modules():
            if isinstance(module, InvertedResidual) and module.residual:
                module.block[3][1].weight.fill_(0.3)  # as in trained networks, small differences do not grow
        net(torch.cat(clips))  # together: single clips vary too little
        for norm in norms:
            norm.momentum = 0.1
        net.eval()
        # The logits lie along the directions in which the features vary, so that rounding does not decide the label.
        head = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
        inputs: list[Tensor] = []
        hook = head.register_forward_pre_hook(lambda _module, arguments: inputs.append(arguments[0]))
        for clip in clips:
            net(clip)
        hook.remove()
        features = torch.cat(inputs)
        _, scales, directions = torch.linalg.svd(features - features.mean(0), full_matrices=False)
        classes = torch.arange(head.out_features)
        signs = 1.0 - 2.0 * (classes % 2)
        head.weight.copy_(signs[:, None] * directions[classes // 2] * (len(features) ** 0.5 / scales[0]))
        head.bias.copy_(-head.weight @ features.mean(0))
    return net
