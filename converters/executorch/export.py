"""The step as torch.export gives it, spelled the way that delegates take whole.

Constants are computed, what is computed twice is computed once, and three things get other names: ``1 - x`` becomes the
difference of two tensors, ``ones_like(x)`` a constant, and zeros around a pool's input the pool's own padding. As they
are, a quantizer cannot give them a range, or a partitioner leaves them outside.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

from edgeshift.converters.job import Job
from edgeshift.errors import ConversionError, one_line

ATEN = torch.ops.aten


def export(job: Job, module: nn.Module, inputs: tuple[Tensor, ...]) -> Any:
    """The exported program of a module.

    Raises:
        ConversionError: torch.export refuses.
    """
    try:
        with torch.no_grad():
            return torch.export.export(module, inputs, strict=False)
    except Exception as error:
        name = job.source.network.config.name
        raise ConversionError(f"torch.export cannot export {name}: {one_line(error)}") from error


def export_step(job: Job, module: nn.Module, inputs: tuple[Tensor, ...]) -> fx.GraphModule:
    """A float step as a graph of its own. Not for what holds buffers: they would be taken for constants."""
    from executorch.exir.passes.constant_prop_pass import constant_prop_pass
    from torch.fx.passes.dialect.common.cse_pass import CSEPass

    folded: fx.GraphModule = constant_prop_pass(export(job, module, inputs)).module(check_guards=False)
    for node in list(folded.graph.nodes):
        _respell(folded, node)
    folded.graph.eliminate_dead_code()
    folded.recompile()
    once = CSEPass()(folded)
    assert once is not None
    graph: fx.GraphModule = once.graph_module
    return graph


def _respell(module: fx.GraphModule, node: fx.Node) -> None:
    """Put another node in this one's place, if it is one of ours to replace."""
    graph = module.graph
    with graph.inserting_before(node):
        if node.target == ATEN.dropout.default:  # does nothing here, and would be quantized
            replacement = node.args[0]
        elif node.target == ATEN.ones_like.default:
            replacement = _constant(module, node, torch.ones(node.meta["val"].shape))
        elif node.target == ATEN.rsub.Scalar:
            whole = _constant(module, node, torch.full((1, 1, 1, 1), float(node.args[1])))  # type: ignore[arg-type]
            replacement = graph.call_function(ATEN.sub.Tensor, (whole, node.args[0]))
            replacement.meta = {**node.meta}
        elif node.target == ATEN.max_pool2d.default and (padding := _zeros_around(node.args[0])):
            source, kernel, stride = node.args[0].args[0], *node.args[1:3]  # type: ignore[union-attr]
            replacement = graph.call_function(ATEN.max_pool2d.default, (source, kernel, stride, padding))
            replacement.meta = {**node.meta}
        else:
            return
    assert isinstance(replacement, fx.Node)
    node.replace_all_uses_with(replacement)
    graph.erase_node(node)


def _zeros_around(node: Any) -> list[int] | None:
    """[height, width] of zeros around what is never below zero; None: something else."""
    if node.target != ATEN.pad.default or len(node.args) > 2 or node.args[0].target != ATEN.relu.default:
        return None
    left, right, top, bottom = node.args[1]
    return [top, left] if (top, left) == (bottom, right) else None


def _constant(module: fx.GraphModule, node: fx.Node, values: Tensor) -> fx.Node:
    """A constant of the type that the node's tensor has; those of one shape and value are one."""
    value, graph = node.meta["val"], module.graph
    name = f"constant_{float(values.flatten()[0]):g}_{values.numel()}".replace(".", "_")
    if hasattr(module, name):
        found: fx.Node = next(one for one in graph.nodes if one.op == "get_attr" and one.target == name)
        return found
    module.register_buffer(name, values.to(value.dtype))
    with graph.inserting_before(next(iter(graph.nodes))):
        found = graph.get_attr(name)
    found.meta["val"] = value.new_ones(values.shape)
    return found
