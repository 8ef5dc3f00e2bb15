"""The range meter: the smallest and largest value of every tensor while the float step runs over calibration samples.

ExecuTorch and Core ML use this meter; the libraries of the other targets have their own. A range is the union over all
samples. A moving average or a histogram, the usual defaults, would be biased towards the zero states at the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from edgeshift._system.threads import one_thread
from edgeshift.converters.channels_last import channels_first_view
from edgeshift.converters.quantization.fx_graph import read_graph
from edgeshift.converters.quantization.ranges import Range, picture, tied
from edgeshift.stream import Array


def tied_ranges(
    module: fx.GraphModule, samples: Sequence[Mapping[str, Array]], state_names: Sequence[str]
) -> dict[str, Range]:
    """Measure the range of every tensor of a captured step, and give tied tensors one range.

    Args:
        module: takes a frame [1, 3, H, W] and states [1, C, H, W], or a clip [T, 3, H, W].
        samples: {name: values} each, channels last (``edgeshift.converters.calibration.roll``).
        state_names: names of the states, in the order of the step's inputs.

    Returns:
        {name of the node: range}.
    """
    meter = _Meter(module)
    with torch.inference_mode(), one_thread():
        for sample in samples:
            arrays = (picture(sample), *(sample[name] for name in state_names))
            meter.run(*(channels_first_view(torch.from_numpy(array)) for array in arrays))
    return {**meter.ranges, **tied(read_graph(module, state_names), meter.ranges)}


class _Meter(fx.Interpreter):
    """Runs a graph node by node and keeps the range of every float tensor."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.ranges: dict[str, Range] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor) and value.is_floating_point() and value.numel():
            low, high = self.ranges.get(n.name, (float("inf"), float("-inf")))
            smallest, largest = torch.aminmax(value)
            self.ranges[n.name] = min(low, float(smallest)), max(high, float(largest))
        return value
