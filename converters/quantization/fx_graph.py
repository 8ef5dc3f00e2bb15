"""Reading a step as torch.export captures it: its operators as ``ranges`` looks at them, and the ranges it meets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from edgeshift.artifact.spec import FRAME, LOGITS
from edgeshift.converters.quantization.ranges import ADD, DEPTHWISE, MUL, SUB, Graph, Operator, Range
from edgeshift.models.network import Step
from edgeshift.stream import Array

_ATEN = torch.ops.aten
#: What the operators are called that ``edgeshift.converters.quantization.ranges`` looks at.
KINDS = {
    _ATEN.slice.Tensor: "SLICE",
    _ATEN.cat.default: "CONCATENATION",
    _ATEN.pad.default: "PAD",
    _ATEN.flatten.using_ints: "RESHAPE",
    _ATEN.expand.default: "RESHAPE",
    _ATEN.dropout.default: "RESHAPE",
    _ATEN.ones_like.default: "RESHAPE",
    _ATEN.permute.default: "TRANSPOSE",
    _ATEN.max_pool2d.default: "MAX_POOL_2D",
    _ATEN.mul.Tensor: MUL,
    _ATEN.add.Tensor: ADD,
    _ATEN.sub.Tensor: SUB,
    _ATEN.rsub.Scalar: SUB,
}
CONV = _ATEN.conv2d.default


def capture(step: Step) -> fx.GraphModule:
    """The step, channels first, as a graph of aten operators that can be called and changed."""
    size = step.network.config.size
    module = torch.export.export(step, (torch.zeros(1, 3, size, size), *step.start())).module()
    for node in list(module.graph.nodes):
        if node.op == "call_module" and not node.users:  # checks of shapes, which are fixed here
            module.graph.erase_node(node)
    # A module like any other: what export returns refuses to be set to evaluation.
    return fx.GraphModule(module, module.graph)


def read_graph(module: fx.GraphModule, state_names: Sequence[str]) -> Graph:
    """A captured step as ``edgeshift.converters.quantization.ranges`` reads it. Tensors have the names of their nodes."""
    nodes = [node for node in module.graph.nodes if node.op != "output"]
    index = {node: at for at, node in enumerate(nodes)}
    graph = Graph(names=[node.name for node in nodes])
    for node in nodes:
        if node.op == "get_attr":
            graph.constants[index[node]] = constant(module, node).detach().numpy()
        elif node.op == "call_function":
            inputs = tuple(index[given] for given in node.all_input_nodes)
            graph.operators.append(Operator(_kind(module, node), inputs, (index[node],)))
    given = [node for node in nodes if node.op == "placeholder"]
    graph.inputs = dict(zip((FRAME, *state_names), (index[node] for node in given), strict=True))
    graph.outputs = dict(zip((LOGITS, *state_names), (index[node] for node in results(module)), strict=True))
    return graph


def results(module: fx.GraphModule) -> list[fx.Node]:
    """The nodes that the step returns: logits, then next states."""
    (output,) = [node for node in module.graph.nodes if node.op == "output"]
    returned = output.args[0]
    assert isinstance(returned, (tuple, list))
    return [node for node in returned if isinstance(node, fx.Node)]


def constant(module: fx.GraphModule, node: fx.Node) -> Tensor:
    """What a get_attr node reads."""
    value: Any = module
    for part in str(node.target).split("."):
        value = getattr(value, part)
    assert isinstance(value, Tensor)
    return value


def measure(module: fx.GraphModule, samples: Sequence[Mapping[str, Array]], names: Sequence[str]) -> dict[str, Range]:
    """Run the float step over samples and take the smallest and largest value of every tensor.

    Args:
        samples: {name: values}, channels last (``edgeshift.converters.calibration.roll``). names: of the step's inputs, in order.
    """
    meter = _Meter(module)
    with torch.inference_mode():
        for sample in samples:
            given = (torch.from_numpy(sample[name]) for name in names)
            meter.run(*(one.permute(0, 3, 1, 2).contiguous() if one.ndim == 4 else one for one in given))
    return meter.ranges


class _Meter(fx.Interpreter):
    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.ranges: dict[str, Range] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor) and value.is_floating_point() and value.numel():
            low, high = self.ranges.get(n.name, (float("inf"), float("-inf")))
            self.ranges[n.name] = min(low, float(value.min())), max(high, float(value.max()))
        return value


def _kind(module: fx.GraphModule, node: fx.Node) -> str:
    if node.target is CONV:
        weight = node.args[1]
        assert isinstance(weight, fx.Node)
        return DEPTHWISE if constant(module, weight).shape[1] == 1 else "CONV_2D"
    return KINDS.get(node.target, str(node.target))  # type: ignore[call-overload, no-any-return]
