"""int8 for ExecuTorch: the float graph in the form that PT2E quantization gives, all of which XNNPACK can run.

    float   conv -- hardtanh -- cat              the range of a tensor is measured after the activation
    int8    dq -- conv -- hardtanh -- q -- dq -- cat -- q

XNNPACK computes the operators between dq (dequantize) and q (quantize) as one int8 operator. Weights are symmetric,
with one scale per output channel. Biases stay in float; XNNPACK itself stores them as integers.

ExecuTorch's own quantizer (XNNPACKQuantizer) is not used: its observers and several of its annotations would have to be
replaced to reach the same graph and the same accuracy. docs/lab/quantizers.md has the comparison.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

from edgeshift.artifact.spec import GridSpec
from edgeshift.converters.job import Job
from edgeshift.converters.quantization.finished import require_same
from edgeshift.converters.quantization.fx_graph import ATEN, FUSED, WEIGHTED, constant, fused_activation, returned
from edgeshift.converters.quantization.grid import HIGHEST, LOWEST, make_grid, store, store_weight
from edgeshift.converters.quantization.meter import tied_ranges
from edgeshift.converters.quantization.ranges import Range


def quantize(job: Job, module: fx.GraphModule) -> tuple[fx.GraphModule, list[GridSpec]]:
    """Quantize a float step.

    Args:
        job: the conversion, with its calibration samples.
        module: the step from ``edgeshift.converters.executorch.export.export_step``. It is changed.

    Returns:
        A module that takes and returns int8 (float, if ``job.float_boundary`` is set), and the grids of the frame, the
        states and the logits, in that order.

    Raises:
        ConversionError: the input and the output of a state would have different grids.
    """
    names = job.step.state_names
    ranges = tied_ranges(module, job.samples, names)
    _drop_activations(module, ranges)
    grids = {name: make_grid(*values) for name, values in ranges.items()}
    inputs = [grids[node.name] for node in module.graph.nodes if node.op == "placeholder"]
    logits, *following = (grids[node.name] for node in returned(module))
    for name, read, written in zip(names, inputs[1:], following, strict=True):
        require_same(name, read, written)
    _Writer(module, grids, job.float_boundary).write()
    return module, [*inputs, logits]


def _drop_activations(module: fx.GraphModule, ranges: dict[str, Range]) -> None:
    """Remove each relu and relu6 after a sum that XNNPACK cannot fuse into the sum.

    The sum gets the range of the activation. int8 then limits the values as the activation did.
    """
    for node in list(module.graph.nodes):
        if node.target not in FUSED or fused_activation(node.args[0]) is not None:
            continue
        source = node.args[0]
        if source.target in (ATEN.add.Tensor, ATEN.mul.Tensor) and len(source.users) == 1:
            ranges[source.name] = ranges[node.name]
            node.replace_all_uses_with(source)
            module.graph.erase_node(node)


class _Writer:
    """Changes a float graph to int8 in one pass: inserts quantize and dequantize operators, and replaces constants.

    Args:
        module: the step. It is changed.
        grids: {name of a node: grid of its tensor}.
        float_boundary: inputs and outputs stay in float.
    """

    def __init__(self, module: fx.GraphModule, grids: dict[str, GridSpec], float_boundary: bool) -> None:
        # This import registers the operators.
        import torch.ao.quantization.fx._decomposed

        self._ops = torch.ops.quantized_decomposed
        self._module, self._graph, self._grids, self._float_boundary = module, module.graph, grids, float_boundary

    def write(self) -> None:
        weighted = [node for node in self._graph.nodes if node.target in WEIGHTED]
        weights = {node.args[1] for node in weighted}
        biases = {node.args[2] for node in weighted if len(node.args) > 2}
        for node in list(self._graph.nodes):
            if node in weights:
                self._quantize_weight(node)
            elif node.op != "output" and node not in biases and fused_activation(node) is None:
                self._quantize_tensor(node)
        self._graph.eliminate_dead_code()
        self._graph.lint()
        self._module.recompile()

    def _quantize_tensor(self, node: fx.Node) -> None:
        """Store a tensor as int8, and let each of its readers dequantize it."""
        grid, users = self._grids[node.name], list(node.users)
        arguments = (grid.scale, grid.zero_point, LOWEST, HIGHEST, torch.int8)
        if node.op == "get_attr":
            stored = self._add_constant(node, "stored", store(constant(self._module, node).detach(), grid))
        elif node.op == "placeholder" and not self._float_boundary:
            stored = node
        else:
            with self._graph.inserting_after(node):
                stored = self._graph.call_function(self._ops.quantize_per_tensor.default, (node, *arguments))
        for user in users:
            real = stored
            if user.op != "output" or self._float_boundary:
                real = self._call_before(user, self._ops.dequantize_per_tensor.default, stored, *arguments)
            user.replace_input_with(node, real)

    def _quantize_weight(self, node: fx.Node) -> None:
        """Replace a float weight by int8 values with one scale per output channel."""
        values, scales = store_weight(constant(self._module, node).detach())
        zeros = torch.zeros(len(scales), dtype=torch.int64)
        parts = [
            self._add_constant(node, name, tensor)
            for name, tensor in (("stored", values), ("scale", scales), ("zero", zeros))
        ]
        for user in list(node.users):
            operator = self._ops.dequantize_per_channel.default
            real = self._call_before(user, operator, *parts, 0, -HIGHEST, HIGHEST, torch.int8)
            user.replace_input_with(node, real)

    def _add_constant(self, node: fx.Node, name: str, tensor: Tensor) -> fx.Node:
        path = f"{node.name}_{name}"
        self._module.register_buffer(path, tensor)
        with self._graph.inserting_before(node):
            return self._graph.get_attr(path)

    def _call_before(self, user: fx.Node, operator: Any, *arguments: Any) -> fx.Node:
        with self._graph.inserting_before(user):
            return self._graph.call_function(operator, arguments)
