"""Small graphs in the formats of artifacts, which break or keep one rule of ``edgeshift.runtimes.lint``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from doubles import stream_spec

from edgeshift.artifact.file import Artifact

#: Bytes of a value of a type.
SIZES = {"float32": 4, "float16": 2, "int8": 1, "int32": 4, "int64": 8}


class T(NamedTuple):
    """A tensor: its shape, its type, and whether its values are stored. -1 is a side that is not fixed.

    Stored values are zeros, or ``values``.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    stored: bool = False
    values: tuple[int, ...] | None = None


#: (kind, names of inputs, names of outputs).
Op = tuple[str, Sequence[str], Sequence[str]]


def artifact(suffix: str, body: bytes) -> Artifact:
    """Return an artifact whose description is that of another graph: lint reads only its chip."""
    return Artifact(Path(f"graph{suffix}"), stream_spec(), body)


def tflite(tensors: dict[str, T], ops: Sequence[Op], inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """Return a .tflite graph. Its operators have no options, so that LiteRT could not run it."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT()
    model.version, model.buffers = 3, [schema.BufferT()]
    names = list(tensors)
    graph = schema.SubGraphT()
    graph.tensors = []
    for name, tensor in tensors.items():
        entry = schema.TensorT()
        entry.name, entry.type = name.encode(), getattr(schema.TensorType, tensor.dtype.upper())
        entry.shape = [max(side, 1) for side in tensor.shape]
        if -1 in tensor.shape:
            entry.shapeSignature = list(tensor.shape)
        entry.buffer = 0
        if tensor.stored:
            buffer = schema.BufferT()
            values = np.zeros(tensor.shape, tensor.dtype) if tensor.values is None else tensor.values
            buffer.data = np.frombuffer(np.array(values, tensor.dtype).tobytes(), np.uint8)
            entry.buffer = len(model.buffers)
            model.buffers.append(buffer)
        if tensor.dtype == "int8":
            entry.quantization = schema.QuantizationParametersT()
            entry.quantization.scale, entry.quantization.zeroPoint = [1.0], [0]
        graph.tensors.append(entry)
    kinds = sorted({kind for kind, _, _ in ops})
    model.operatorCodes = []
    for kind in kinds:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        model.operatorCodes.append(code)
    graph.operators = []
    for kind, read, written in ops:
        operator = schema.OperatorT()
        operator.opcodeIndex = kinds.index(kind)
        operator.inputs, operator.outputs = [names.index(n) for n in read], [names.index(n) for n in written]
        graph.operators.append(operator)
    graph.inputs, graph.outputs = [names.index(n) for n in inputs], [names.index(n) for n in outputs]
    model.subgraphs = [graph]
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    signature.inputs, signature.outputs = ([_end(schema, n, names) for n in side] for side in (inputs, outputs))
    model.signatureDefs = [signature]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _end(schema: Any, name: str, names: list[str]) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name.encode(), names.index(name)
    return entry


def onnx(tensors: dict[str, T], ops: Sequence[Op], inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """Return an .onnx graph. Only its inputs, outputs and constants have shapes, as in edgeshift's artifacts."""
    from onnx import TensorProto, helper

    def value(name: str) -> Any:
        tensor = tensors[name]
        sides = ["side" if side == -1 else side for side in tensor.shape]
        return helper.make_tensor_value_info(name, _onnx_type(tensor), sides)

    def constant(name: str) -> Any:
        tensor = tensors[name]
        data = bytes(math.prod(tensor.shape) * SIZES[tensor.dtype])
        return helper.make_tensor(name, _onnx_type(tensor), tensor.shape, data, raw=True)

    graph = helper.make_graph(
        [helper.make_node(kind, list(read), list(written)) for kind, read, written in ops],
        "step",
        [value(name) for name in inputs],
        [value(name) for name in outputs],
        [constant(name) for name, tensor in tensors.items() if tensor.stored],
    )
    assert TensorProto.FLOAT == 1
    return helper.make_model(graph).SerializeToString()


def _onnx_type(tensor: T) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype)))


def mlpackage(program: Any, folder: Path, *, half: bool = True) -> bytes:
    """Return a Core ML package of a MIL program, as the body of an artifact."""
    from edgeshift.artifact import mlpackage_file
    from edgeshift.runtimes.mil.package import coremltools

    tools = coremltools("making a graph for a test")
    precision = tools.precision.FLOAT16 if half else tools.precision.FLOAT32
    model = tools.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=tools.target.iOS17,
        compute_precision=precision,
        skip_model_load=True,
    )
    path = folder / "graph.mlpackage"
    model.save(str(path))
    return mlpackage_file.read(path, 1 << 24)
