"""Variants of the ResNets of MIT's TSM, mmaction2 and TSAM, rebuilt from descriptions of their public code.

As in the original code, a plain ResNet is built first, and parts of it are then wrapped: blocks or convolutions in a
shift, blocks in a non-local block, the second stage in temporal pooling. Nothing here comes from edgeshift. A network
maps the normalised frames [T, 3, H, W] of one clip to logits [T, classes]; with temporal pooling [T / 2, classes].
"""

from __future__ import annotations

import foreign
import torch
from foreign import ConvModule, conv
from torch import Tensor, nn

REPEATS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


class TvBasic(nn.Module):
    """torchvision's block of two 3x3 convolutions."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, _shifted: bool) -> None:
        super().__init__()
        self.conv1: nn.Module = conv(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3), nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1 or inputs != width:
            self.downsample = nn.Sequential(conv(inputs, width, 1, stride), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class MmBasic(nn.Module):
    """mmaction2's block of two 3x3 convolutions."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, _shifted: bool) -> None:
        super().__init__()
        self.conv1 = ConvModule(conv(inputs, width, 3, stride), nn.ReLU())
        self.conv2 = ConvModule(conv(width, width, 3))
        self.downsample = None
        if stride != 1 or inputs != width:
            self.downsample = ConvModule(conv(inputs, width, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.conv1(x))
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class PooledStage(nn.Module):
    """A stage behind temporal pooling: the maximum over three frames, for every second frame."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        over_time = x.permute(1, 0, 2, 3).flatten(2)[None]  # [1, C, T, H * W]
        pooled = nn.functional.max_pool2d(over_time, (3, 1), (2, 1), (1, 0))[0]
        return self.net(pooled.unflatten(2, x.shape[2:]).permute(1, 0, 2, 3))


def attend(queries: Tensor, keys: Tensor, values: Tensor, kind: str) -> Tensor:
    """Attention over all pixels of all frames, as sums over [C, T, H, W], without a matrix product."""
    scores = torch.einsum("cthw,cuij->thwuij", queries, keys)
    count = scores[0, 0, 0].numel()
    if kind == "dot_product":
        weights = scores / count
    else:
        if kind == "scaled_embedded_gaussian":
            scores = scores / len(queries) ** 0.5
        flat = scores.flatten(3)
        weights = (flat - flat.amax(-1, keepdim=True)).exp()
        weights = (weights / weights.sum(-1, keepdim=True)).reshape(scores.shape)
    return torch.einsum("thwuij,cuij->cthw", weights, values)


class Mit3d(nn.Module):
    """MIT's non-local block, of 3-D layers: ``g.0``, ``theta``, ``phi.0``, ``W.0`` and ``W.1``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        pool = nn.MaxPool3d((1, 2, 2))
        self.g = nn.Sequential(nn.Conv3d(channels, inner, 1), pool)
        self.W = nn.Sequential(nn.Conv3d(inner, channels, 1), nn.BatchNorm3d(channels))
        self.theta = nn.Conv3d(channels, inner, 1)
        self.phi = nn.Sequential(nn.Conv3d(channels, inner, 1), pool)

    def forward(self, x: Tensor) -> Tensor:
        clip = x.transpose(0, 1)[None]
        read = attend(self.theta(clip)[0], self.phi(clip)[0], self.g(clip)[0], "embedded_gaussian")
        return x + self.W(read[None])[0].transpose(0, 1)


class Layer3d(nn.Module):
    """mmcv's module of a 3-D convolution and, if it has one, a norm."""

    def __init__(self, inputs: int, outputs: int, norm: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 1, bias=not norm)
        if norm:
            self.bn = nn.BatchNorm3d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)) if hasattr(self, "bn") else self.conv(x)


class Mm3d(nn.Module):
    """mmcv's non-local block: ``g.0.conv``, ``theta.conv``, ``phi.0.conv``, ``conv_out.conv`` and ``conv_out.bn``."""

    def __init__(self, channels: int, kind: str) -> None:
        super().__init__()
        inner = channels // 2
        self.kind = kind
        pool = nn.MaxPool3d((1, 2, 2))
        self.g = nn.Sequential(Layer3d(channels, inner), pool)
        self.conv_out = Layer3d(inner, channels, norm=True)
        if kind == "gaussian":
            self.theta, self.phi = nn.Identity(), pool
        else:
            self.theta, self.phi = Layer3d(channels, inner), nn.Sequential(Layer3d(channels, inner), pool)

    def forward(self, x: Tensor) -> Tensor:
        clip = x.transpose(0, 1)[None]
        read = attend(self.theta(clip)[0], self.phi(clip)[0], self.g(clip)[0], self.kind)
        return x + self.conv_out(read[None])[0].transpose(0, 1)


class MitWrapper(nn.Module):
    """A block and MIT's non-local block behind it."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.nl = Mit3d(block.bn3.num_features)

    def forward(self, x: Tensor) -> Tensor:
        return self.nl(self.block(x))


class MmWrapper(nn.Module):
    """A block and mmcv's non-local block behind it."""

    def __init__(self, block: nn.Module, kind: str) -> None:
        super().__init__()
        self.block = block
        self.non_local_block = Mm3d(block.conv3.bn.num_features, kind)

    def forward(self, x: Tensor) -> Tensor:
        return self.non_local_block(self.block(x))


class TsamShift(nn.Module):
    """TSAM's wrapper of a convolution, ``layer``. A frame without a neighbour keeps its own features.

    The last ``sounds`` pictures of the batch are not shifted.
    """

    def __init__(self, layer: nn.Module, depth: int) -> None:
        super().__init__()
        self.layer = layer
        self.depth, self.sounds = depth, 0

    def forward(self, x: Tensor) -> Tensor:
        frames, channels = len(x) - self.sounds, x.shape[1]
        group = channels // 8 // self.depth
        y = x.clone()
        for t in range(frames):
            for d in range(self.depth):
                ahead, back = slice(2 * d * group, (2 * d + 1) * group), slice((2 * d + 1) * group, (2 * d + 2) * group)
                y[t, ahead] = x[t + d + 1 if t + d + 1 < frames else t, ahead]
                y[t, back] = x[t - d - 1 if t - d - 1 >= 0 else t, back]
        return self.layer(y)


def backbone(
    system: str,
    depth: int = 50,
    *,
    place: str | None = "blockres",
    div: int = 8,
    pool: bool = False,
    non_local: str | None = None,
) -> foreign.ResNet:
    """Return a ResNet of "mit" or "mm" without its head. ``place`` None: it is not shifted."""
    kinds = {"mit": (TvBasic, foreign.TvBottleneck), "mm": (MmBasic, foreign.MmBottleneck)}
    network = foreign.ResNet(kinds[system][depth >= 50], False, repeats=REPEATS[depth])
    every = 2 if place == "blockres" and len(network.layer3) >= 23 else 1
    for number in range(1, 5):
        stage = network.get_submodule(f"layer{number}")
        for n in range(0, len(stage), every):
            if place == "block":
                stage[n] = foreign.TemporalShift(stage[n], div)
            elif place and system == "mit":
                stage[n].conv1 = foreign.TemporalShift(stage[n].conv1, div)
            elif place:
                stage[n].conv1.conv = foreign.TemporalShift(stage[n].conv1.conv, div)
    for number, n in ((2, 0), (2, 2), (3, 0), (3, 2), (3, 4)) if non_local else ():
        stage = network.get_submodule(f"layer{number}")
        stage[n] = MitWrapper(stage[n]) if system == "mit" else MmWrapper(stage[n], non_local)
    if pool:
        network.layer2 = PooledStage(network.layer2)
    return network


def mit(depth: int = 50, classes: int = 5, **options: object) -> nn.Module:
    features = 512 * (4 if depth >= 50 else 1)
    return foreign.DataParallel(foreign.MitTsn(backbone("mit", depth, **options), features, classes))


def mmaction2(depth: int = 50, classes: int = 5, **options: object) -> nn.Module:
    features = 512 * (4 if depth >= 50 else 1)
    return foreign.Recognizer(backbone("mm", depth, **options), features, classes)


class Tsam(nn.Module):
    """The public TSAM: the backbone ``base_model`` and the head ``last_fc``."""

    def __init__(self, depth: int = 1, every: int = 2, classes: int = 8) -> None:
        super().__init__()
        self.nn_backbone = nn.Module()
        self.nn_backbone.base_model = foreign.ResNet(foreign.TvBottleneck, False)
        self.last_fc = nn.Linear(2048, classes)
        for number in range(1, 5):
            for block in list(self.nn_backbone.base_model.get_submodule(f"layer{number}"))[::every]:
                block.conv1 = TsamShift(block.conv1, depth)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the frames of a clip, [T, classes]."""
        return self.last_fc(self.nn_backbone.base_model(x))

    def answer(self, frames: Tensor, sound: Tensor) -> Tensor:
        """Return the logits of a clip [T, 3, H, W] and the picture of its sound [3, H, W]: the head of their mean."""
        shifts = [module for module in self.modules() if isinstance(module, TsamShift)]
        for shift in shifts:
            shift.sounds = 1
        features = self.nn_backbone.base_model(torch.cat((frames, sound[None])))
        for shift in shifts:
            shift.sounds = 0
        return self.last_fc(features.mean(0))

    def file(self, *, data_parallel: bool = False) -> dict[str, object]:
        """Return what its training saves."""
        prefix = "module." if data_parallel else ""
        parts = {"nn_backbone": self.nn_backbone, "last_fc": self.last_fc}
        state = {
            part: {prefix + name: tensor for name, tensor in module.state_dict().items()}
            for part, module in parts.items()
        }
        return {
            "data_state": {"epoch": 7, "best": 0.5},
            "model_state": {"nn_X_input": {}, **state},
            "optimizer_state_dict": {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]},
        }
