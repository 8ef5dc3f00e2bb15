"""Reading an ONNX graph: its tensors and operators, its boundary, and what ONNX Runtime makes of it."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeshift._system.quiet import quiet
from edgeshift.artifact.spec import NEXT, GraphSpec, TensorSpec
from edgeshift.converters.quantization.ranges import ADD, DEPTHWISE, MUL, SUB, Graph, Operator
from edgeshift.errors import ConversionError

if TYPE_CHECKING:
    import onnx

#: What the operators are called that ``edgeshift.converters.quantization.ranges`` looks at.
KINDS = {
    "Slice": "SLICE",
    "Concat": "CONCATENATION",
    "Pad": "PAD",
    "Reshape": "RESHAPE",
    "Flatten": "RESHAPE",
    "Transpose": "TRANSPOSE",
    "MaxPool": "MAX_POOL_2D",
    "Mul": MUL,
    "Add": ADD,
    "Sub": SUB,
}


def state_name(output: str) -> str:
    """The name of the step's tensor that an output of the graph is: a next state has its state's."""
    return output.removeprefix(NEXT)


def read_graph(model: onnx.ModelProto) -> Graph:
    """A float model as ``edgeshift.converters.quantization.ranges`` reads it."""
    import numpy as np
    from onnx import numpy_helper

    names: dict[str, int] = {}

    def index(name: str) -> int:
        return names.setdefault(name, len(names)) if name else -1

    graph = Graph()
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        at = index(tensor.name)
        if values.dtype == np.float32:
            graph.constants[at] = values
    for node in model.graph.node:
        kind = KINDS.get(node.op_type, node.op_type.upper())
        if node.op_type == "Conv" and attribute(node, "group", 1) > 1:
            kind = DEPTHWISE
        graph.operators.append(Operator(kind, tuple(map(index, node.input)), tuple(map(index, node.output))))
    graph.inputs = {value.name: index(value.name) for value in model.graph.input}
    graph.outputs = {state_name(value.name): index(value.name) for value in model.graph.output}
    graph.names = list(names)
    return graph


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """An attribute of an operator."""
    from onnx import helper

    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def boundary(model: onnx.ModelProto, names: dict[str, TensorSpec]) -> dict[str, TensorSpec]:
    """The tensors at the graph's boundary as they really are, with scale and zero point.

    Args:
        model: what was converted.
        names: {name: what the float step has there}; names, shapes and orders of channels are kept.

    Raises:
        ConversionError: the two ends of a state are not the same, or a tensor has another shape.
    """
    ends: dict[str, TensorSpec] = {}
    for value in (*model.graph.output, *model.graph.input):
        name = state_name(value.name)
        shape = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
        scale, zero_point = _grid(model, value)
        spec = TensorSpec(
            name=name,
            shape=shape,
            dtype="int8" if _is_int8(value) else "float32",
            scale=scale,
            zero_point=zero_point,
            channels=names[name].channels,
        )
        if shape != names[name].shape or ends.setdefault(name, spec) != spec:
            raise ConversionError(f"the graph's {name} is {ends[name]} where it is read and {spec} where it is written")
    return ends


def _is_int8(value: onnx.ValueInfoProto) -> bool:
    import onnx

    return bool(value.type.tensor_type.elem_type == onnx.TensorProto.INT8)


def _grid(model: onnx.ModelProto, value: onnx.ValueInfoProto) -> tuple[float, int]:
    """Scale and zero point of an int8 tensor at the boundary, from the operator that makes or reads it."""
    from onnx import numpy_helper

    if not _is_int8(value):
        return 1.0, 0
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        ends = {"QuantizeLinear": node.output[0], "DequantizeLinear": node.input[0]}
        if ends.get(node.op_type) == value.name:
            scale, zero_point = (numpy_helper.to_array(constants[name]) for name in node.input[1:3])
            return float(scale), int(zero_point)
    raise ConversionError(f"the graph's {value.name} is int8 and nothing says what its values mean")


def operators(model: onnx.ModelProto) -> GraphSpec:
    """Operators by kind, as they are in the file."""
    return GraphSpec(operators=dict(Counter(node.op_type for node in model.graph.node).most_common()))


def run_operators(body: bytes) -> GraphSpec:
    """Operators by kind, as ONNX Runtime runs them on this processor: after all of its fusions."""
    import onnx

    from edgeshift.runtimes.onnxruntime import session_options

    with tempfile.TemporaryDirectory() as folder, quiet():
        import onnxruntime

        path = Path(folder) / "optimized.onnx"
        options = session_options(threads=1)
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(body, options, providers=["CPUExecutionProvider"])
        return operators(onnx.load(str(path)))
