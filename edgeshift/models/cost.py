"""What a model costs, counted on the model itself.

Two counts of arithmetic. Multiply-adds: convolutions and linear layers, one each, by PyTorch's own flop counter; what
a processor mainly does once batch norms are folded. The papers' "FLOPs": the count of the MMCV family of tools, which
those figures come from: the same, and two per value of a batch norm, one per value of an activation or a pooling.
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
    """A count per value that goes in. The flop counter counts a multiply-add twice, and so does this."""
    return lambda shape, *_args, **_kwargs: 2 * count * math.prod(shape)


#: What MMCV counts beside multiply-adds.
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
    """Of one frame.

    Attributes:
        parameters: all that is trained, with the head, batch norms' scale and shift included.
        multiply_adds: of convolutions and linear layers. paper_flops: as MMCV counts, pointwise layers included.
        state_values: carried from frame to frame.
    """

    parameters: int
    multiply_adds: int
    paper_flops: int
    state_values: int


def cost(config: ModelConfig) -> Cost:
    """Count a model, without computing anything.

    Raises:
        ModelError, ShiftError: a configuration that does not work.
    """
    network = build(config)
    with torch.device("meta"), torch.no_grad():
        meta = build(config).to("meta")
        frame = torch.empty(1, 1, 3, config.size, config.size)
        with FlopCounterMode(display=False) as counter:
            meta(frame)
        with FlopCounterMode(display=False, custom_mapping=POINTWISE) as papers:
            meta(frame)
    values = sum(torch.Size(shape).numel() for shape in network.state_shapes().values())
    return Cost(
        sum(p.numel() for p in network.parameters()),
        counter.get_total_flops() // 2,
        papers.get_total_flops() // 2,
        values,
    )
