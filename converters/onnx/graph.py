"""Reading an ONNX graph: tensors and operators, inputs and outputs, and the operators that ONNX Runtime runs."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeshift._system.quiet import quiet
from edgeshift.artifact.spec import NEXT, GraphSpec, GridSpec, TensorSpec
from edgeshift.converters.quantization.finished import End, describe_boundary
from edgeshift.converters.quantization.ranges import ADD, DEPTHWISE, MUL, SUB, Graph, Operator

if TYPE_CHECKING:
    import onnx

#: {operator: its kind in ``edgeshift.converters.quantization.ranges``}.
KINDS = {
    "Slice": "SLICE",
    "Concat": "CONCATENATION",
    "Pad": "PAD",
    "Reshape": "RESHAPE",
    "Flatten": "RESHAPE",
    "Transpose": "TRANSPOSE",
    "MaxPool": "MAX_POOL_2D",
    "Max": "MAXIMUM",
    "Mul": MUL,
    "Add": ADD,
    "Sub": SUB,
}


def state_name(output: str) -> str:
    """Return the name that the step function has for an output of the graph: "next_state_x" becomes "state_x"."""
    return output.removeprefix(NEXT)


def read_graph(model: onnx.ModelProto) -> Graph:
    """Return a float model in the form that ``edgeshift.converters.quantization.ranges`` reads."""
    import numpy as np
    from onnx import numpy_helper

    names: dict[str, int] = {}

    def index(name: str) -> int:
        return names.setdefault(name, len(names)) if name else -1

    graph = Graph()
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        position = index(tensor.name)
        if values.dtype == np.float32:
            graph.constants[position] = values
    for node in model.graph.node:
        kind = KINDS.get(node.op_type, node.op_type.upper())
        if node.op_type == "Conv" and attribute(node, "group", 1) > 1:
            kind = DEPTHWISE
        graph.operators.append(Operator(kind, tuple(map(index, node.input)), tuple(map(index, node.output))))
    graph.inputs = {value.name: index(value.name) for value in model.graph.input}
    graph.outputs = {state_name(value.name): index(value.name) for value in model.graph.output}
    graph.names = list(names)
    return graph


def drop_unused_constants(graph: onnx.GraphProto) -> None:
    """Remove constants that no operator reads."""
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """Return an attribute of an operator, or the default if the operator does not have it."""
    from onnx import helper

    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def boundary(model: onnx.ModelProto, expected: dict[str, TensorSpec]) -> dict[str, TensorSpec]:
    """Return the description of inputs and outputs, with shapes, types and grids read back from the graph.

    Args:
        model: the converted model.
        expected: {name: description of the float step's frame, logits or state}.

    Raises:
        ConversionError: a state's input and output differ, or a tensor has another shape than expected.
    """
    from onnx import TensorProto, numpy_helper

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    grids = {}
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            end = node.output[0] if node.op_type == "QuantizeLinear" else node.input[0]
            grids[end] = node.input[1:3]

    def end_of(value: onnx.ValueInfoProto) -> End:
        tensor = value.type.tensor_type
        shape = tuple(size.dim_value for size in tensor.shape.dim)
        if tensor.elem_type != TensorProto.INT8:
            return End(shape, "float32")
        scale, zero_point = (numpy_helper.to_array(constants[name]) for name in grids[value.name])
        return End(shape, "int8", GridSpec(scale=float(scale), zero_point=int(zero_point)))

    inputs, outputs = (
        {state_name(v.name): end_of(v) for v in side} for side in (model.graph.input, model.graph.output)
    )
    return describe_boundary(expected, inputs, outputs)


def count_operators(model: onnx.ModelProto) -> GraphSpec:
    """Return the number of operators of each kind in the file."""
    return GraphSpec(operators=dict(Counter(node.op_type for node in model.graph.node).most_common()))


def count_fused_operators(body: bytes) -> GraphSpec:
    """Return the number of operators of each kind that ONNX Runtime runs on this processor, after its fusions."""
    import onnx

    from edgeshift.runtimes.onnxruntime import session_options

    with tempfile.TemporaryDirectory() as folder, quiet():
        import onnxruntime

        path = Path(folder) / "optimized.onnx"
        options = session_options(threads=1)
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(body, options, providers=["CPUExecutionProvider"])
        return count_operators(onnx.load(str(path)))
