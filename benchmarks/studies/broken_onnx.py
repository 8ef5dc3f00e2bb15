"""Ways to break an .onnx graph: its states, its weights, the order of its values, and what NPUs refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from edgeshift.errors import EdgeshiftError, missing

#: Makes one change to a graph, an ``onnx.GraphProto``.
Change = Callable[[Any], None]


def breaks(body: bytes, states: Sequence[str]) -> Iterator[tuple[str, str, bytes]]:
    """Yield (what is broken, where, the broken graph).

    Args:
        body: an .onnx graph of one step.
        states: names of its states. A state that comes in and the next state have different names in the graph.

    Raises:
        EdgeshiftError: the graph has other inputs than a frame and the states, or other outputs than logits and states.
    """
    onnx = _onnx()
    whole = onnx.load_model_from_string(body)
    names = [value.name for value in whole.graph.input][1:], [value.name for value in whole.graph.output][1:]
    if any(len(side) != len(states) for side in names):
        raise EdgeshiftError("only graphs that take a frame and the states can be broken: give another artifact")
    ends = list(zip(states, *names, strict=True))
    for kind, name, change in (
        *_state_breaks(whole.graph, ends),
        *_value_breaks(whole.graph),
        *_refused(whole.graph),
    ):
        model = onnx.load_model_from_string(body)
        change(model.graph)
        yield kind, name, model.SerializeToString()


def _state_breaks(whole: Any, ends: Sequence[tuple[str, str, str]]) -> Iterator[tuple[str, str, Change]]:
    for state, start, end in ends:

        def old(graph: Any, start: str = start, end: str = end) -> None:
            _rename(graph, end)
            _add(graph, "Identity", [start], end)

        def lost(graph: Any, start: str = start, end: str = end) -> None:
            value = next(value for value in graph.input if value.name == start)
            shape = [side.dim_value for side in value.type.tensor_type.shape.dim]
            dtype = _onnx().helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            graph.initializer.append(_onnx().numpy_helper.from_array(np.zeros(shape, dtype), f"{end}_zeros"))
            _rename(graph, end)
            _add(graph, "Identity", [f"{end}_zeros"], end)

        yield "a next state is the old one", state, old
        yield "a next state is always zero", state, lost
    shapes = {value.name: value.type.tensor_type.SerializeToString() for value in whole.output}
    for (a, _, first), (b, _, second) in pairwise(ends):
        if shapes[first] == shapes[second]:

            def swap(graph: Any, first: str = first, second: str = second) -> None:
                one, other = _rename(graph, first), _rename(graph, second)
                _add(graph, "Identity", [other], first)
                _add(graph, "Identity", [one], second)

            yield "two next states are swapped", f"{a}, {b}", swap


def _value_breaks(whole: Any) -> Iterator[tuple[str, str, Change]]:
    stored = {value.name: value for value in whole.initializer}
    sources = {output: node for node in whole.node for output in node.output}
    for index, node in enumerate(whole.node):
        place = f"operator {index}"
        if node.op_type == "Concat" and not any(name in stored for name in node.input):

            def reverse(graph: Any, index: int = index) -> None:
                names = list(graph.node[index].input)
                del graph.node[index].input[:]
                graph.node[index].input.extend(reversed(names))

            yield "a concatenation has another order", place, reverse
        if node.op_type == "Conv":
            source = sources.get(node.input[1])
            weights = node.input[1] if source is None else source.input[0]  # int8 weights pass DequantizeLinear

            def permute(graph: Any, weights: str = weights) -> None:
                _change(graph, weights, lambda values: np.flip(values, 0))

            yield "the filters of a layer are in another order", place, permute
        if node.op_type == "Clip":

            def linear(graph: Any, index: int = index) -> None:
                del graph.node[index].input[1:]

            yield "an activation is left out", place, linear
        if node.op_type == "DequantizeLinear" and node.input[0] not in stored:

            def larger(graph: Any, index: int = index) -> None:
                scale = graph.node[index].input[1]
                graph.node[index].input[1] = f"{scale}_larger_{index}"
                value = next(value for value in graph.initializer if value.name == scale)
                copy = _onnx().numpy_helper.to_array(value) * np.float32(1.5)
                graph.initializer.append(_onnx().numpy_helper.from_array(copy, f"{scale}_larger_{index}"))

            yield "the scale of a tensor is 1.5 times too large", place, larger


def _refused(whole: Any) -> Iterator[tuple[str, str, Change]]:
    writers = {output: node.op_type for node in whole.node for output in node.output}
    for position, value in enumerate(whole.input):

        def dynamic(graph: Any, position: int = position) -> None:
            graph.input[position].type.tensor_type.shape.dim[0].dim_param = "side"

        yield "an input has a side that is not fixed", value.name, dynamic
    for index, node in enumerate(whole.node):
        if node.op_type != "QuantizeLinear":
            continue
        reader = [other for other in whole.node if node.output[0] in other.input]
        if len(reader) != 1 or reader[0].op_type != "DequantizeLinear":
            continue
        # Without a pair at an output, or a pair that only changes the scale of an int8 tensor, nothing is computed in
        # float. Such pairs are left as they are.
        if node.output[0] in {value.name for value in whole.output} or writers.get(node.input[0]) == "DequantizeLinear":
            continue
        if all(other.op_type == "QuantizeLinear" for other in whole.node if reader[0].output[0] in other.input):
            continue

        def bypass(graph: Any, index: int = index) -> None:
            node = graph.node[index]
            reader = next(other for other in graph.node if node.output[0] in other.input)
            for other in graph.node:
                for at, name in enumerate(other.input):
                    if name == reader.output[0]:
                        other.input[at] = node.input[0]

        yield "a tensor of an int8 graph stays in float", f"operator {index}", bypass


def _rename(graph: Any, output: str) -> str:
    """Give the tensor of an output another name, so that another tensor can be that output. Returns the new name."""
    new = f"{output}_before"
    for node in graph.node:
        for names in (node.input, node.output):
            for at, name in enumerate(names):
                if name == output:
                    names[at] = new
    return new


def _add(graph: Any, kind: str, inputs: Sequence[str], output: str) -> None:
    """Add an operator at the end."""
    graph.node.append(_onnx().helper.make_node(kind, list(inputs), [output]))


def _change(graph: Any, name: str, change: Callable[[Any], Any]) -> None:
    """Change the values of a stored tensor."""
    value = next(value for value in graph.initializer if value.name == name)
    values = change(_onnx().numpy_helper.to_array(value))
    value.CopyFrom(_onnx().numpy_helper.from_array(np.ascontiguousarray(values), name))


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise missing("onnx", "onnx", "breaking an .onnx file") from error
    return onnx
