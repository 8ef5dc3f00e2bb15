"""Export of the step with torch.export, and rewrites with which a delegate can run the whole graph.

Operators that change a tensor in place become ordinary ones. Constants are folded and common subexpressions merged.
Numbers in sums and products become tensors, and ``1 - x`` becomes the difference of two tensors. ``ones_like(x)``
becomes a constant, zeros around the input of a max pool become the pool's own padding, and a concatenation with a
tensor without values is replaced. A concatenation of a tensor with itself gets a copy of the operator that makes the
tensor. An adaptive pool to one pixel becomes a mean. In their original form, these operators cannot be quantized, or
the partitioner leaves them out of the delegate.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from edgeshift.converters.job import Job
from edgeshift.converters.tools import run_tool

ATEN = torch.ops.aten


def export(job: Job, module: nn.Module, inputs: tuple[Tensor, ...]) -> Any:
    """Export a module.

    Args:
        job: the conversion, for error messages.
        module: the module.
        inputs: example inputs.

    Raises:
        ConversionError: torch.export cannot export the module.
    """
    with run_tool(f"torch.export cannot export {job.name}"), torch.no_grad():
        return torch.export.export(module, inputs, strict=False)


def export_step(job: Job, module: nn.Module, inputs: tuple[Tensor, ...]) -> fx.GraphModule:
    """Export a float step as a graph that can be changed. A state held in a buffer would become a constant."""
    from torch.fx.passes.dialect.common.cse_pass import CSEPass

    exported = export(job, module, inputs)
    with run_tool(f"ExecuTorch cannot fold the constants of {job.name}"):
        from executorch.exir.passes.constant_prop_pass import constant_prop_pass

        functional = exported.run_decompositions({})
        folded: fx.GraphModule = constant_prop_pass(functional).module(check_guards=False)
    for node in list(folded.graph.nodes):
        _rewrite(folded, node)
    folded.graph.eliminate_dead_code()
    folded.recompile()
    merged = CSEPass()(folded)
    assert merged is not None
    graph: fx.GraphModule = merged.graph_module
    for node in graph.graph.find_nodes(op="call_function", target=ATEN.cat.default):
        _separate_inputs(node)
    graph.recompile()
    return graph


def _rewrite(module: fx.GraphModule, node: fx.Node) -> None:
    """Replace a node if it cannot be quantized or delegated (see the docstring of this module)."""
    graph = module.graph
    with graph.inserting_before(node):
        if node.target in (ATEN.dropout.default, ATEN.alias.default):  # does nothing here, and would be quantized
            replacement = node.args[0]
        elif node.target == ATEN.cat.default and (empty := _empty_slice(node.args[0])):
            # A program must not return a constant. The state is 0 or 1, so that 1 - state + state is 1.
            one, state = node.args[0][0], empty.args[0]  # type: ignore[index]
            rest = _call(node, ATEN.sub.Tensor, (one, state))
            replacement = _call(node, ATEN.add.Tensor, (rest, state))
        elif node.target == ATEN.ones_like.default:
            replacement = _constant(module, node, torch.ones(node.meta["val"].shape))
        elif node.target == ATEN.rsub.Scalar:
            minuend = _constant(module, node, torch.full((1, 1, 1, 1), float(node.args[1])))  # type: ignore[arg-type]
            replacement = _call(node, ATEN.sub.Tensor, (minuend, node.args[0]))
        elif _is_with_number(node):
            number = _constant(module, node, torch.full([1] * node.meta["val"].ndim, float(node.args[1])))  # type: ignore[arg-type]
            replacement = _call(node, node.target, (node.args[0], number))
        elif node.target == ATEN.adaptive_avg_pool2d.default and list(node.args[1]) == [1, 1]:  # type: ignore[arg-type]
            replacement = _call(node, ATEN.mean.dim, (node.args[0], [2, 3], True))
        elif node.target == ATEN.max_pool2d.default and (padding := _zeros_around(node.args[0])):
            source, kernel, stride = node.args[0].args[0], *node.args[1:3]  # type: ignore[union-attr]
            replacement = _call(node, ATEN.max_pool2d.default, (source, kernel, stride, padding))
        else:
            return
    assert isinstance(replacement, fx.Node)
    node.replace_all_uses_with(replacement)
    graph.erase_node(node)


def _call(node: fx.Node, target: Any, arguments: tuple[Any, ...]) -> fx.Node:
    """Return a new call of an operator at the place where the graph inserts, with the shape and dtype of ``node``."""
    call = node.graph.call_function(target, arguments)
    call.meta = {**node.meta}
    return call


def _is_with_number(node: fx.Node) -> bool:
    """Return True for the sum or product of a tensor and a number."""
    return (
        node.target in (ATEN.add.Tensor, ATEN.mul.Tensor) and not isinstance(node.args[1], fx.Node) and not node.kwargs
    )


def _separate_inputs(cat: fx.Node) -> None:
    """Let a concatenation read each tensor once, by a copy of the operator that makes the tensor.

    The partitioner counts different inputs, and leaves a concatenation with fewer than two of them out of the delegate.
    An example is a shift by half of a clip, whose fill is the same slice as the frames that it moves.
    """
    inputs: list[fx.Node] = []
    for source in cast("Sequence[fx.Node]", cat.args[0]):
        if source in inputs and source.op == "call_function":
            with cat.graph.inserting_before(cat):
                source = cat.graph.node_copy(source)
        inputs.append(source)
    cat.args = (inputs, *cat.args[1:])


def _empty_slice(nodes: Any) -> fx.Node | None:
    """Return the second of two concatenated tensors if it has no values; None: it is something else.

    This is the state that counts the frames of a shift of depth 1: a one, followed by all but the last of one value.
    """
    if len(nodes) != 2 or nodes[1].target != ATEN.slice.Tensor or nodes[1].meta["val"].numel():
        return None
    second: fx.Node = nodes[1]
    return second


def _zeros_around(node: Any) -> list[int] | None:
    """Return [height, width] of a zero padding around the output of a ReLU; None: the node is something else."""
    if node.target != ATEN.pad.default or len(node.args) > 2 or node.args[0].target != ATEN.relu.default:
        return None
    left, right, top, bottom = node.args[1]
    return [top, left] if (top, left) == (bottom, right) else None


def _constant(module: fx.GraphModule, node: fx.Node, values: Tensor) -> fx.Node:
    """Return a node that reads a constant with the dtype of ``node``. Equal constants share a node."""
    value, graph = node.meta["val"], module.graph
    name = re.sub(r"\W", "_", f"constant_{float(values.flatten()[0])!r}_{list(values.shape)}")
    if hasattr(module, name):
        existing: fx.Node = next(other for other in graph.nodes if other.op == "get_attr" and other.target == name)
        return existing
    module.register_buffer(name, values.to(value.dtype))
    with graph.inserting_before(next(iter(graph.nodes))):
        constant = graph.get_attr(name)
    constant.meta["val"] = value.new_ones(values.shape)
    return constant
