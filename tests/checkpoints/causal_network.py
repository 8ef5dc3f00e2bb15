"""A causal network in the manner of MoViNets: (2+1)D convolutions, and squeeze-excite over a running mean.

The same weights have two forms. ``net.clip(frames)`` takes a whole clip. ``net(frame)`` takes one frame per call, and
keeps what it needs of earlier frames in attributes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CausalConv(nn.Module):
    """A convolution over the last three frames, for each channel alone. The past is padded with zeros."""

    def __init__(self, channels: int, taps: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(taps, channels, 1, 1) / taps)
        self.past: list[Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        past = self.past or [torch.zeros_like(x) for _ in self.weight[1:]]
        window = [*past, x]
        self.past = window[1:]
        y = window[0] * self.weight[0]
        for frame, weight in zip(window[1:], self.weight[1:], strict=True):
            y = y + frame * weight
        return y

    def clip(self, x: Tensor) -> Tensor:
        taps = len(self.weight)
        padded = torch.cat((torch.zeros_like(x[: taps - 1]), x))
        return sum(padded[i : i + len(x)] * self.weight[i] for i in range(taps))  # type: ignore[return-value]


class RunningSqueezeExcite(nn.Module):
    """Squeeze-excite over the mean of all frames so far."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, 8, 1), nn.Conv2d(8, channels, 1)
        self.register_buffer("total", None, persistent=False)
        self.count = 0

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean((2, 3), keepdim=True)
        self.total = pooled if self.total is None else self.total + pooled
        self.count = self.count + 1
        return self._scaled(x, self.total / self.count)

    def clip(self, x: Tensor) -> Tensor:
        frames = torch.arange(1, len(x) + 1).reshape(-1, 1, 1, 1)
        return self._scaled(x, x.mean((2, 3), keepdim=True).cumsum(0) / frames)

    def _scaled(self, x: Tensor, mean: Tensor) -> Tensor:
        return x * torch.sigmoid(self.expand(torch.relu(self.reduce(mean))))


class CausalBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.spatial = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU6()
        )
        self.temporal, self.gate = CausalConv(outputs), RunningSqueezeExcite(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.gate(self.temporal(self.spatial(x))))

    def clip(self, x: Tensor) -> Tensor:
        return torch.relu(self.gate.clip(self.temporal.clip(self.spatial(x))))


class CausalNetwork(nn.Module):
    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([CausalBlock(3, 16, 2), CausalBlock(16, 24, 2), CausalBlock(24, 32, 2)])
        self.head = nn.Linear(32, classes)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean((2, 3)))

    def clip(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block.clip(x)
        return self.head(x.mean((2, 3)))
