"""The yardstick: how many multiply-adds a second LiteRT reaches on plain 1x1 convolutions.

A pointwise convolution is a matrix product and nothing else, the best case of any runtime. A network's rate as a
share of it says how much time goes into everything that is not a matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeshift.benchmarks.studies.naive_conversion import Inputs

if TYPE_CHECKING:
    from torch import nn

#: Convolutions in a stack: enough that a call's own cost does not show.
LAYERS = 8


@dataclass(frozen=True)
class Pointwise:
    """A stack of equal 1x1 convolutions over [1, side, side, channels]."""

    side: int
    channels: int

    @property
    def name(self) -> str:
        """Such as ``1x1 stack 14x14x384``."""
        return f"1x1 stack {self.side}x{self.side}x{self.channels}"

    @property
    def macs(self) -> int:
        """Multiply-adds of the whole stack."""
        return LAYERS * self.side * self.side * self.channels * self.channels

    def module(self) -> nn.Module:
        """The stack in torch, channels last at its boundary, with weights that keep the variance."""
        import torch
        from torch import Tensor, nn

        class Stack(nn.Module):
            def __init__(self, channels: int) -> None:
                super().__init__()
                self.layers = nn.Sequential(*(nn.Conv2d(channels, channels, 1) for _ in range(LAYERS)))

            def forward(self, frame: Tensor) -> dict[str, Tensor]:
                return {"logits": self.layers(frame.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)}

        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            stack = Stack(self.channels)
            for weight in (parameter for parameter in stack.parameters() if parameter.ndim > 1):
                nn.init.normal_(weight, std=self.channels**-0.5)
        return stack.eval()

    def sample(self) -> Inputs:
        """An input, to trace and to calibrate with."""
        random = np.random.default_rng(0)
        return {"frame": random.standard_normal((1, self.side, self.side, self.channels)).astype(np.float32)}


#: MobileNetV2's own sizes at its wide layers. All are timed and the fastest is the yardstick, so that nobody chose it.
SHAPES = (Pointwise(28, 96), Pointwise(28, 192), Pointwise(14, 384), Pointwise(14, 576))
