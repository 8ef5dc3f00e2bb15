"""Reading a step that torch.export has captured as a torch.fx graph of aten operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from edgeshift.artifact.spec import FRAME, LOGITS
from edgeshift.converters.quantization.ranges import ADD, DEPTHWISE, MUL, SUB, Graph, Operator

ATEN = torch.ops.aten
CONV, LINEAR = ATEN.conv2d.default, ATEN.linear.default
#: Operators with the arguments input, weight [output channels, ...] and bias.
WEIGHTED = (CONV, LINEAR)
#: {activation: operators that runtimes fuse it into}. The tensor between the two is never stored.
FUSED: dict[Any, tuple[Any, ...]] = {
    ATEN.hardtanh.default: WEIGHTED,
    ATEN.relu6.default: WEIGHTED,
    ATEN.relu.default: (*WEIGHTED, ATEN.add.Tensor),
}
#: {operator: its kind in ``edgeshift.converters.quantization.ranges``}.
KINDS = {
    ATEN.slice.Tensor: "SLICE",
    ATEN.cat.default: "CONCATENATION",
    ATEN.pad.default: "PAD",
    ATEN.flatten.using_ints: "RESHAPE",
    ATEN.view.default: "RESHAPE",
    ATEN.expand.default: "RESHAPE",
    ATEN.dropout.default: "RESHAPE",
    ATEN.ones_like.default: "RESHAPE",
    ATEN.permute.default: "TRANSPOSE",
    ATEN._to_copy.default: "TRANSPOSE",
    ATEN.max_pool2d.default: "MAX_POOL_2D",
    ATEN.maximum.default: "MAXIMUM",
    ATEN.mul.Tensor: MUL,
    ATEN.add.Tensor: ADD,
    ATEN.sub.Tensor: SUB,
    ATEN.rsub.Scalar: SUB,
}


def read_graph(module: fx.GraphModule, state_names: Sequence[str]) -> Graph:
    """Return a captured step in the form that ``ranges`` reads. Tensors have the names of their nodes."""
    nodes = [node for node in module.graph.nodes if node.op != "output"]
    index = {node: position for position, node in enumerate(nodes)}
    graph = Graph(names=[node.name for node in nodes])
    for node in nodes:
        if node.op == "get_attr":
            graph.constants[index[node]] = constant(module, node).detach().numpy()
        elif node.op == "call_function":
            inputs = tuple(index[source] for source in node.all_input_nodes)
            graph.operators.append(Operator(_kind(node), inputs, (index[node],)))
    placeholders = [node for node in nodes if node.op == "placeholder"]
    graph.inputs = dict(zip((FRAME, *state_names), (index[node] for node in placeholders), strict=True))
    graph.outputs = dict(zip((LOGITS, *state_names), (index[node] for node in returned(module)), strict=True))
    return graph


def returned(module: fx.GraphModule) -> list[fx.Node]:
    """Return the nodes of the step's results: logits, then next states."""
    (output,) = [node for node in module.graph.nodes if node.op == "output"]
    results = output.args[0]
    assert isinstance(results, (tuple, list))
    return [node for node in results if isinstance(node, fx.Node)]


def constant(module: fx.GraphModule, node: fx.Node) -> Tensor:
    """Return the tensor that a get_attr node reads."""
    value: Any = module
    for part in str(node.target).split("."):
        value = getattr(value, part)
    assert isinstance(value, Tensor)
    return value


def fused_activation(node: fx.Node) -> fx.Node | None:
    """Return the activation that runtimes fuse into an operator; None: there is none."""
    users = list(node.users)
    return users[0] if len(users) == 1 and node.target in FUSED.get(users[0].target, ()) else None


def _kind(node: fx.Node) -> str:
    if node.target is CONV:
        groups = node.args[6] if len(node.args) > 6 else 1
        return "CONV_2D" if groups == 1 else DEPTHWISE
    return KINDS.get(node.target, str(node.target))  # type: ignore[call-overload, no-any-return]
