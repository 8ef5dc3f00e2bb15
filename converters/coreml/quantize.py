"""int8 for Core ML: pairs of quantize and dequantize in the torch graph, before coremltools converts it.

    conv -- relu6 -- quantize -- dequantize --+-- conv ...
                                              +-- slice --+
    state ----------------------------------------------- concat -- quantize -- dequantize -- conv

Core ML computes an operator in int8 if there is a pair directly before and directly after it. Operators that only move
values (slices, concatenations) need no pair: ranges are tied, so their results, the next states among them, are on the
grid already. coremltools quantizes the weights afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import fx

from edgeshift.artifact.spec import FRAME, GridSpec
from edgeshift.converters.quantization.finished import require_same
from edgeshift.converters.quantization.fx_graph import ATEN, WEIGHTED, fused_activation, read_graph, returned
from edgeshift.converters.quantization.grid import make_grid
from edgeshift.converters.quantization.meter import tied_ranges
from edgeshift.converters.quantization.ranges import groups
from edgeshift.models.network import SEEN, Exportable
from edgeshift.stream import Array

#: Operators that compute, and so need pairs.
COMPUTES = (*WEIGHTED, ATEN.mean.dim)
#: Operators of two tensors, which compute unless a flag selects one of the two (``quantization.ranges``).
PAIRWISE = (ATEN.add.Tensor, ATEN.mul.Tensor, ATEN.sub.Tensor)


def capture(step: Exportable) -> fx.GraphModule:
    """Return the step, channels first, as a graph of aten operators that can be called and changed."""
    size = step.network.config.size
    module = torch.export.export(step, (torch.zeros(step.pictures, 3, size, size), *step.start())).module()
    for node in list(module.graph.nodes):
        if node.op == "call_module" and not node.users:  # checks of the shapes, which never change here
            module.graph.erase_node(node)
    # The module that torch.export returns cannot be set to evaluation mode; a plain GraphModule can.
    return fx.GraphModule(module, module.graph)


def quantize(step: Exportable, samples: Sequence[Mapping[str, Array]]) -> tuple[fx.GraphModule, dict[str, GridSpec]]:
    """Return the step with its activations on int8 grids, and {name of a state: its grid}.

    Args:
        step: the deployed step.
        samples: calibration samples (``edgeshift.converters.calibration.roll``).

    Raises:
        ConversionError: the input and the output of a state would have different grids.
    """
    module = capture(step)
    graph = read_graph(module, step.state_names)
    # A Core ML program stores scales as float16.
    ranges = tied_ranges(module, samples, step.state_names)
    grids = {name: make_grid(low, high, np.float16) for name, (low, high) in ranges.items()}
    group_of = {graph.names[index]: number for number, group in enumerate(groups(graph)) for index in group}
    seen = group_of[graph.names[graph.inputs[SEEN]]] if SEEN in graph.inputs else None
    flags = {name for name, number in group_of.items() if number == seen}

    def selects(node: fx.Node) -> bool:
        """Return True for an operator that selects one of two values by a flag: the result stays on their grid."""
        return any(group_of.get(node.name, -1) == group_of.get(source.name, -2) for source in node.all_input_nodes)

    written, readers = [], []
    for node in module.graph.nodes:
        if node.target in COMPUTES or (node.target in PAIRWISE and node.name not in flags and not selects(node)):
            readers.append(node)
            written.append(fused_activation(node) or node)
    # No operator reads the logits, so they stay in float.
    outputs = {node for node in written if node.name not in flags} - set(returned(module)[:1])
    inputs = {source for node in readers for source in node.all_input_nodes if source.op != "get_attr"}
    inside = {node for node in readers if fused_activation(node) in outputs}  # between an operator and its activation
    for node in [n for n in module.graph.nodes if n in outputs | inputs - inside and n.name not in flags]:
        _insert_pair(module.graph, node, grids[node.name])
    module.graph.lint()
    module.recompile()
    states = [name for name in graph.inputs if name not in (FRAME, SEEN)]
    for name in states:
        require_same(name, *(grids[graph.names[side[name]]] for side in (graph.inputs, graph.outputs)))
    return module, {name: grids[graph.names[graph.inputs[name]]] for name in states}


def _insert_pair(graph: fx.Graph, node: fx.Node, grid: GridSpec) -> None:
    """Let all readers of a tensor read it through a pair of quantize and dequantize."""
    with graph.inserting_after(node):
        stored = graph.call_function(torch.quantize_per_tensor, (node, grid.scale, grid.zero_point, torch.qint8))
    with graph.inserting_after(stored):
        real = graph.call_method("dequantize", (stored,))
    node.replace_all_uses_with(real, delete_user_cb=lambda user: user is not stored)
