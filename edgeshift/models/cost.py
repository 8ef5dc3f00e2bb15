"""The cost of a model: its parameters, its arithmetic and the size of its states, counted on the network itself.

Arithmetic is counted in two ways. PyTorch's flop counter gives the multiply-adds of convolutions and linear layers,
which are most of the work once batch norms are folded. The "FLOPs" of papers are counted as MMCV's tools count them:
multiply-adds, plus two for each value of a batch norm and one for each value of an activation or a pooling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from edgeshift.models import ModelConfig, build

aten = torch.ops.aten


def _per_value(count: int) -> Any:
    """Return a rule that counts ``2 * count`` per input value, because the flop counter counts 2 per multiply-add."""
    return lambda shape, *_args, **_kwargs: 2 * count * math.prod(shape)


#: Rules for the operators that MMCV counts in addition to multiply-adds.
POINTWISE = {
    aten.native_batch_norm: _per_value(2),
    aten._native_batch_norm_legit_no_training: _per_value(2),
    aten.cudnn_batch_norm: _per_value(2),
    aten.relu: _per_value(1),
    aten.hardtanh: _per_value(1),
    aten.mean: _per_value(1),
    aten.max_pool2d_with_indices: _per_value(1),
}


@dataclass(frozen=True)
class Cost:
    """The cost of one frame.

    Attributes:
        parameters: number of trainable values, including the head and the scale and offset of batch norms.
        multiply_adds: multiply-adds of convolutions and linear layers.
        paper_flops: multiply-adds plus the work of pointwise layers, as MMCV counts it.
        state_values: number of values that are carried from frame to frame.
    """

    parameters: int
    multiply_adds: int
    paper_flops: int
    state_values: int


def cost(config: ModelConfig) -> Cost:
    """Return the cost of a model. The network runs on PyTorch's meta device, which computes shapes but no values.

    Raises:
        ModelError, ShiftError: the model cannot be built.
    """
    network = build(config)
    with torch.device("meta"), torch.no_grad():
        meta = build(config).to("meta")
        frame = torch.empty(1, 1, 3, config.size, config.size)
        with FlopCounterMode(display=False) as counter:
            meta(frame)
        with FlopCounterMode(display=False, custom_mapping=POINTWISE) as paper_counter:
            meta(frame)
    return Cost(
        parameters=sum(p.numel() for p in network.parameters()),
        multiply_adds=counter.get_total_flops() // 2,
        paper_flops=paper_counter.get_total_flops() // 2,
        state_values=sum(torch.Size(shape).numel() for shape in network.state_shapes().values()),
    )
