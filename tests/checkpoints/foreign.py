"""The networks of other systems, rebuilt from descriptions of their public code.

Their modules are nested as in the original code, so that ``state_dict()`` gives the original tensor names. They are an
independent reference, because nothing here comes from edgeshift. A network maps the normalised frames [T, 3, H, W] of
one clip to logits [T, classes].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: (expansion, blocks, stride of the first block) of each stage of MobileNetV2.
SETTINGS = [(1, 1, 1), (6, 2, 2), (6, 3, 2), (6, 4, 2), (6, 3, 1), (6, 3, 2), (6, 1, 1)]
#: Numbers of channels of MobileNetV2 at width 1.0: those of the stem and of each stage.
CHANNELS = (32, 16, 24, 32, 64, 96, 160, 320)
# ImageNet's mean and standard deviation for values 0 to 255, as in mmaction2's configurations.
MEAN = torch.tensor([123.675, 116.28, 103.53]).reshape(1, 3, 1, 1)
STD = torch.tensor([58.395, 57.12, 57.375]).reshape(1, 3, 1, 1)


def shift(x: Tensor, mode: str, div: int = 8) -> Tensor:
    """Shift [T, C, H, W], of which 1/div of the channels in each direction.

    Mode "both": the first slot holds the future, and the second slot the past. "past": the first slot holds the past.
    "streamed": the first slot holds zeros, and the second slot the past.
    """
    fold = x.shape[1] // div
    y = x.clone()
    if mode == "past":
        y[0, :fold], y[1:, :fold] = 0, x[:-1, :fold]
        return y
    y[:, :fold] = 0
    if mode == "both":
        y[:-1, :fold] = x[1:, :fold]
    y[0, fold : 2 * fold], y[1:, fold : 2 * fold] = 0, x[:-1, fold : 2 * fold]
    return y


class TemporalShift(nn.Module):
    """The wrapper of a shifted layer in MIT's and mmaction2's code."""

    def __init__(self, net: nn.Module, div: int = 8) -> None:
        super().__init__()
        self.net = net
        self.mode = "both"
        self.div = div

    def forward(self, x: Tensor) -> Tensor:
        return self.net(shift(x, self.mode, self.div))


def conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


def conv_bn(*args: int, **kwargs: int) -> nn.Sequential:
    layer = conv(*args, **kwargs)
    return nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU6())


class ConvModule(nn.Module):
    """mmcv's module of a convolution, a norm and an activation."""

    def __init__(self, layer: nn.Conv2d, act: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = layer
        self.bn = nn.BatchNorm2d(layer.out_channels)
        self.act = act or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class Inverted(nn.Module):
    """An inverted residual block in one of three styles: "flat" (MIT, tonylins), "nested" (torchvision), "mm"."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int, style: str, shifted: bool) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.shifts = self.residual and expansion != 1
        convs = [conv(inputs, hidden)] if expansion != 1 else []
        convs += [conv(hidden, hidden, 3, stride, hidden), conv(hidden, outputs)]
        layers: list[nn.Module] = []
        for i, layer in enumerate(convs):
            last = i == len(convs) - 1
            norm = nn.BatchNorm2d(layer.out_channels)
            if style == "mm":
                layers.append(ConvModule(layer, None if last else nn.ReLU6()))
            elif style == "nested" and not last:
                layers.append(nn.Sequential(layer, norm, nn.ReLU6()))
            else:
                layers += [layer, norm] if last else [layer, norm, nn.ReLU6()]
        if shifted and self.shifts:
            layers[0] = TemporalShift(layers[0])
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


def inverted_blocks(style: str, shifted: bool, channels: tuple[int, ...] = CHANNELS) -> list[list[nn.Module]]:
    """Return the inverted residual blocks of each stage."""
    stages = []
    for (expansion, repeats, first_stride), inputs, outputs in zip(SETTINGS, channels, channels[1:], strict=False):
        stage: list[nn.Module] = [Inverted(inputs, outputs, first_stride, expansion, style, shifted)]
        stage += [Inverted(outputs, outputs, 1, expansion, style, shifted) for _ in range(repeats - 1)]
        stages.append(stage)
    return stages


class MobileNet(nn.Module):
    """MobileNetV2 in MIT's, tonylins' and torchvision's code, with ``features`` and ``classifier``."""

    def __init__(self, classes: int, style: str, shifted: bool, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__()
        blocks = [block for stage in inverted_blocks(style, shifted, channels) for block in stage]
        self.features = nn.Sequential(conv_bn(3, channels[0], 3, 2), *blocks, conv_bn(channels[-1], 1280))
        head = nn.Linear(1280, classes)
        self.classifier: nn.Module = nn.Sequential(nn.Dropout(), head) if style == "nested" else head

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))

    def forward_online(self, clip: Tensor) -> Tensor:
        """Run frame by frame as MIT's online demo does. It keeps an eighth of each shifted block's input."""
        kept: dict[int, Tensor] = {}
        logits = []
        for frame in clip.split(1):
            x = frame
            for i, block in enumerate(self.features):
                if isinstance(block, Inverted) and block.shifts:
                    fold = x.shape[1] // 8
                    past = kept.get(i, torch.zeros_like(x[:, :fold]))
                    kept[i] = x[:, :fold]
                    x = x + block.conv(torch.cat((past, x[:, fold:]), 1))
                else:
                    x = block(x)
            logits.append(self.classifier(x.mean((2, 3))))
        return torch.cat(logits)


class MmMobileNet(nn.Module):
    """mmaction2's backbone: ``conv1``, ``layer1`` to ``layer7``, ``conv2``."""

    def __init__(self, shifted: bool) -> None:
        super().__init__()
        self.conv1 = ConvModule(conv(3, 32, 3, 2), nn.ReLU6())
        for i, stage in enumerate(inverted_blocks("mm", shifted), 1):
            self.add_module(f"layer{i}", nn.Sequential(*stage))
        self.conv2 = ConvModule(conv(320, 1280), nn.ReLU6())

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = layer(x)
        return x.mean((2, 3))


class TvBottleneck(nn.Module):
    """torchvision's block. If it is shifted, it is MIT's block, which wraps ``conv1``."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, shifted: bool) -> None:
        super().__init__()
        self.conv1: nn.Module = conv(inputs, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = conv(width, width * 4), nn.BatchNorm2d(width * 4)
        if shifted:
            self.conv1 = TemporalShift(self.conv1)
        self.downsample = None
        if stride != 1 or inputs != width * 4:
            self.downsample = nn.Sequential(conv(inputs, width * 4, 1, stride), nn.BatchNorm2d(width * 4))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn3(self.conv3(self.bn2(self.conv2(y)).relu()))
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class MmBottleneck(nn.Module):
    """mmaction2's block. If it is shifted, ``conv1.conv`` is wrapped."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, shifted: bool) -> None:
        super().__init__()
        self.conv1 = ConvModule(conv(inputs, width), nn.ReLU())
        self.conv2 = ConvModule(conv(width, width, 3, stride), nn.ReLU())
        self.conv3 = ConvModule(conv(width, width * 4))
        if shifted:
            self.conv1.conv = TemporalShift(self.conv1.conv)
        self.downsample = None
        if stride != 1 or inputs != width * 4:
            self.downsample = ConvModule(conv(inputs, width * 4, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv3(self.conv2(self.conv1(x)))
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet(nn.Module):
    """A ResNet with one kind of blocks. Without ``classes`` it has no head and returns features."""

    def __init__(
        self,
        kind: type[nn.Module],
        shifted: bool,
        classes: int | None = None,
        repeats: tuple[int, ...] = (3, 4, 6, 3),
    ) -> None:
        super().__init__()
        if kind.__name__.startswith("Mm"):
            self.conv1: nn.Module = ConvModule(conv(3, 64, 7, 2), nn.ReLU())
        else:
            self.conv1, self.bn1 = conv(3, 64, 7, 2), nn.BatchNorm2d(64)
        channels = 64
        for i, (width, blocks_of_stage) in enumerate(zip((64, 128, 256, 512), repeats, strict=True), 1):
            blocks = []
            for n in range(blocks_of_stage):
                blocks.append(kind(channels, width, 2 if i > 1 and n == 0 else 1, shifted))
                channels = width * kind.expansion
            self.add_module(f"layer{i}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, classes) if classes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        x = self.bn1(x).relu() if hasattr(self, "bn1") else x
        x = nn.functional.max_pool2d(x, 3, 2, 1)
        for i in range(1, 5):
            x = self.get_submodule(f"layer{i}")(x)
        return self.fc(x.mean((2, 3)))


class MitTsn(nn.Module):
    """MIT's training network: the backbone without its head, followed by ``new_fc``."""

    def __init__(self, base_model: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.base_model = base_model
        self.new_fc = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.new_fc(self.base_model(x))


class Recognizer(nn.Module):
    """mmaction2's network."""

    def __init__(self, backbone: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.cls_head = nn.Module()
        self.cls_head.fc_cls = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.cls_head.fc_cls(self.backbone(x))


class DataParallel(nn.Module):
    """A wrapper that puts "module." in front of all names, as torch's DataParallel does."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x)


def mit(classes: int = 5, *, shifted: bool = True, resnet: bool = False) -> nn.Module:
    if resnet:
        return DataParallel(MitTsn(ResNet(TvBottleneck, shifted), 2048, classes))
    base = MobileNet(2, "flat", shifted)
    base.classifier = nn.Dropout()
    return DataParallel(MitTsn(base, 1280, classes))


def mmaction2(classes: int = 5, *, shifted: bool = True, resnet: bool = False) -> nn.Module:
    backbone = ResNet(MmBottleneck, shifted) if resnet else MmMobileNet(shifted)
    return Recognizer(backbone, 2048 if resnet else 1280, classes)


def online(classes: int = 27) -> MobileNet:
    return MobileNet(classes, "flat", False)


def torchvision(classes: int = 5, *, resnet: bool = False) -> nn.Module:
    return ResNet(TvBottleneck, False, classes) if resnet else MobileNet(classes, "nested", False)


def sensitive(network: nn.Module, seed: int = 0) -> nn.Module:
    """Return the network with new weights. Its logits depend on the frames, unlike those with plain random weights."""
    torch.manual_seed(seed)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.1)
            nn.init.normal_(module.bias)
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.3)
        norm.momentum = None
    with torch.no_grad():
        network.train()(normalised(clip(8, seed=seed)))
    return network.eval()


def clip(frames: int = 4, *, seed: int = 1, size: int = 64) -> Tensor:
    """Return frames [T, 3, size, size], RGB values 0 to 255: noise of two scales, and a brightness that varies."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(frames, 3, size, size, generator=generator)
    light = torch.rand(frames, 3, 1, 1, generator=generator)
    coarse = torch.rand(frames, 3, 4, 4, generator=generator)
    return (noise + light + nn.functional.interpolate(coarse, size=(size, size)) * 2) * 63.75


def normalised(frames: Tensor) -> Tensor:
    return (frames - MEAN) / STD
