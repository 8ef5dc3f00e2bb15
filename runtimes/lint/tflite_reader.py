"""Read the graph of a .tflite artifact, after the checks that the runtime makes before it reads one."""

from __future__ import annotations

import struct
from typing import Any

from edgeshift.artifact.file import Artifact
from edgeshift.errors import ArtifactError, missing
from edgeshift.runtimes.lint.graph import Graph, Node, Tensor
from edgeshift.runtimes.tflite_graph import examine


def read(artifact: Artifact) -> Graph:
    """See ``edgeshift.runtimes.lint.check.read_graph``."""
    try:
        examine(artifact)
        return _read(artifact.body)
    except ImportError as error:
        raise missing("ai-edge-litert", "tflite", f"reading the graph of {artifact.path}") from error
    except (ValueError, struct.error, IndexError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{artifact.path}: its graph is damaged or hostile: {error}; convert the model again"
        ) from error


def _read(body: bytes) -> Graph:
    from ai_edge_litert import schema_py_generated as schema

    kinds = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    types = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    model = schema.Model.GetRootAs(body, 0)
    subgraph = model.Subgraphs(0)
    codes = [
        max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        for code in map(model.OperatorCodes, range(model.OperatorCodesLength()))
    ]
    graph = Graph()
    for tensor in map(subgraph.Tensors, range(subgraph.TensorsLength())):
        buffer = model.Buffers(tensor.Buffer())
        graph.tensors.append(
            Tensor(
                name=(tensor.Name() or b"").decode(errors="replace"),
                shape=_shape(tensor),
                dtype=types[tensor.Type()],
                constant=bool(buffer.DataLength() or buffer.Offset() > 1),
            )
        )
    for operator in map(subgraph.Operators, range(subgraph.OperatorsLength())):
        code = codes[operator.OpcodeIndex()]
        inputs = tuple(number for number in _numbers(operator.InputsAsNumpy()) if number >= 0)
        graph.nodes.append(Node(kinds.get(code, f"operator {code}"), inputs, _numbers(operator.OutputsAsNumpy())))
    if model.SignatureDefsLength():
        signature = model.SignatureDefs(0)
        for ends, count, get in (
            (graph.inputs, signature.InputsLength(), signature.Inputs),
            (graph.outputs, signature.OutputsLength(), signature.Outputs),
        ):
            ends.update({get(i).Name().decode(errors="replace"): int(get(i).TensorIndex()) for i in range(count)})
    else:
        for ends, indices in ((graph.inputs, subgraph.InputsAsNumpy()), (graph.outputs, subgraph.OutputsAsNumpy())):
            ends.update({graph.tensors[index].name: index for index in _numbers(indices)})
    return graph


def _shape(tensor: Any) -> tuple[int, ...]:
    """Return the shape with -1 for sides that are not fixed. Only the signature of the shape records these."""
    signature = _numbers(tensor.ShapeSignatureAsNumpy())
    return signature or _numbers(tensor.ShapeAsNumpy())


def _numbers(array: Any) -> tuple[int, ...]:
    """Return the numbers of a vector, which the schema gives as an array, or as 0 if it is empty."""
    return () if isinstance(array, int) else tuple(int(number) for number in array.tolist())
