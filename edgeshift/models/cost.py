"""What a model costs, counted on the model itself.

Parameters are those of the network at the given number of classes, biases and batch norms' scale and shift included.
Multiply-adds are counted by PyTorch's own flop counter over convolutions and linear layers (a multiply-add is one;
its flops are two), without batch norms, activations and pooling, as the papers count them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from edgeshift.models import ModelConfig, build


@dataclass(frozen=True)
class Cost:
    """Parameters; multiply-adds per frame; values of state carried from frame to frame."""

    parameters: int
    multiply_adds: int
    state_values: int


def cost(config: ModelConfig) -> Cost:
    """Count a model, without computing anything.

    Raises:
        ModelError, ShiftError: a configuration that does not work.
    """
    network = build(config)
    with torch.device("meta"), torch.no_grad():
        meta = build(config).to("meta")
        with FlopCounterMode(display=False) as counter:
            meta(torch.empty(1, 1, 3, config.size, config.size))
    values = sum(torch.Size(shape).numel() for shape in network.state_shapes().values())
    return Cost(sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2, values)
