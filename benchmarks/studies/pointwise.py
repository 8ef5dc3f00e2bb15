"""Stacks of plain 1x1 convolutions, which show the highest rate of multiply-adds that LiteRT reaches on a machine.

A 1x1 convolution is a matrix product, which every runtime executes at its highest rate. The rate of a network, divided
by this rate, shows which share of its time is spent on matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeshift.benchmarks.studies.naive_conversion import Inputs

if TYPE_CHECKING:
    from torch import nn

#: Convolutions in a stack: enough that the cost of the call is negligible.
LAYERS = 8


@dataclass(frozen=True)
class Pointwise:
    """A stack of equal 1x1 convolutions over [1, side, side, channels]."""

    side: int
    channels: int

    @property
    def name(self) -> str:
        """A name such as "1x1 stack 14x14x384"."""
        return f"1x1 stack {self.side}x{self.side}x{self.channels}"

    @property
    def macs(self) -> int:
        """Multiply-adds of the whole stack."""
        return LAYERS * self.side * self.side * self.channels * self.channels

    def module(self) -> nn.Module:
        """Return the stack as a torch module with channels-last tensors. The weights keep the variance of values."""
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
        """Return a random input to trace and calibrate with."""
        random = np.random.default_rng(0)
        return {"frame": random.standard_normal((1, self.side, self.side, self.channels)).astype(np.float32)}


#: Stacks of the sizes of MobileNetV2's wide layers. All are timed, and networks are compared with the fastest.
SHAPES = (Pointwise(28, 96), Pointwise(28, 192), Pointwise(14, 384), Pointwise(14, 576))
