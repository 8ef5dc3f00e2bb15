"""int8 activations as pairs of quantize and dequantize in a captured step, on the torch side of a conversion.

    conv -- relu6 -- quantize -- dequantize --+-- conv ...
                                              +-- slice --+
    state ----------------------------------------------- concat -- quantize -- dequantize -- conv

Whatever computes writes onto a grid and reads from one, through a pair right beside it: that is the pattern by which a
runtime computes in integers. What only moves values (slices, concatenations) stays as it is: its values are on their
grid already, as ranges are tied (``edgeshift.converters.quantization.ranges``), and so are the next states. Weights are quantized
after the conversion, by the target's own tool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgeshift.artifact.spec import FRAME, GridSpec
from edgeshift.converters.quantization.fx_graph import capture, measure, read_graph, results
from edgeshift.converters.quantization.ranges import groups, tied
from edgeshift.models.network import SEEN, Step
from edgeshift.stream import Array

if TYPE_CHECKING:
    from torch import fx

_ATEN = torch.ops.aten
#: Operators that compute, and those of two tensors that may only choose between them (``ranges``).
COMPUTES = (_ATEN.conv2d.default, _ATEN.linear.default, _ATEN.mean.dim)
PAIRWISE = (_ATEN.add.Tensor, _ATEN.mul.Tensor, _ATEN.sub.Tensor)
#: Activations that runtimes fuse into the operator before; a tensor between the two is never made.
FUSED = (_ATEN.relu.default, _ATEN.hardtanh.default, _ATEN.relu6.default)


def quantized(step: Step, samples: Sequence[Mapping[str, Array]]) -> tuple[fx.GraphModule, dict[str, GridSpec]]:
    """The step with its activations on int8 grids, and the grid of each state.

    Args:
        step: deployed. samples: that calibration met (``edgeshift.converters.calibration.roll``).
    """
    module = capture(step)
    measured = measure(module, samples, (FRAME, *step.state_names))
    graph = read_graph(module, step.state_names)
    ranges = {**measured, **tied(graph, measured)}
    group = {index: number for number, one in enumerate(groups(graph)) for index in one}
    seen = group[graph.inputs[SEEN]] if SEEN in graph.inputs else None
    flags = {graph.names[index] for index, number in group.items() if number == seen}
    at = {name: index for index, name in enumerate(graph.names)}

    def chooses(node: fx.Node) -> bool:
        """True for one of two values, chosen by a flag: it stays on their grid."""
        here = group.get(at[node.name], -1)
        return any(here == group.get(at[one.name], -2) for one in node.all_input_nodes)

    makers, readers = [], []
    for node in module.graph.nodes:
        if node.target in COMPUTES or (node.target in PAIRWISE and node.name not in flags and not chooses(node)):
            readers.append(node)
            users = list(node.users)
            makers.append(users[0] if len(users) == 1 and users[0].target in FUSED else node)
    # Logits stay as they are: nothing reads them but a person.
    made = {node for node in makers if node.name not in flags} - set(results(module)[:1])
    moved = {one for node in readers for one in node.all_input_nodes if one.op != "get_attr"} - made
    fused = {node.args[0] for node in made if node.target in FUSED}
    for node in [n for n in module.graph.nodes if n in made | moved - fused and n.name not in flags]:
        _pair(module.graph, node, grid(*ranges[node.name]))
    module.graph.lint()
    module.recompile()
    states = {name: index for name, index in graph.inputs.items() if name not in (FRAME, SEEN)}
    return module, {name: grid(*ranges[graph.names[index]]) for name, index in states.items()}


def grid(low: float, high: float) -> GridSpec:
    """The finest int8 grid that holds zero and a range, and whose scale is a float16: programs keep it as one."""
    low, high = min(low, 0.0), max(high, 0.0)
    exact = (high - low) / 255 or 1.0
    scale = np.float16(max(exact, 2.0**-14))
    if float(scale) < exact:
        scale = np.nextafter(scale, np.float16(np.inf))
    return GridSpec(scale=float(scale), zero_point=max(-128, min(127, round(-128 - low / float(scale)))))


def _pair(graph: fx.Graph, node: fx.Node, one: GridSpec) -> None:
    with graph.inserting_after(node):
        stored = graph.call_function(torch.quantize_per_tensor, (node, one.scale, one.zero_point, torch.qint8))
    with graph.inserting_after(stored):
        real = graph.call_method("dequantize", (stored,))
    node.replace_all_uses_with(real, delete_user_cb=lambda user: user is not stored)
