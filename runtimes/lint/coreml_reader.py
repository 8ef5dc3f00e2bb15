"""Read the program of an .mlpackage artifact with coremltools."""

from __future__ import annotations

from typing import Any

from edgeshift._system.quiet import quiet
from edgeshift.artifact.file import Artifact
from edgeshift.artifact.spec import NEXT
from edgeshift.errors import ArtifactError, one_line
from edgeshift.runtimes.lint.graph import UNKNOWN, Graph, Node, Tensor
from edgeshift.runtimes.mil.package import coremltools, unpacked

#: {number of a type in MIL.proto: name}.
TYPES = {1: "bool", 10: "float16", 11: "float32", 12: "float64", 21: "int8", 22: "int16", 23: "int32", 31: "uint8"}


def read(artifact: Artifact) -> Graph:
    """See ``edgeshift.runtimes.lint.check.read_graph``."""
    tools = coremltools(f"reading the graph of {artifact.path}")
    with unpacked(artifact) as folder:
        try:
            with quiet(stdout=True):
                model = tools.utils.load_spec(str(folder))
            return _read(model)
        except Exception as error:  # the loader raises many kinds of exceptions
            raise ArtifactError(
                f"{artifact.path}: coremltools cannot read its program: {one_line(error)}; convert the model again"
            ) from error


def _read(model: Any) -> Graph:
    function = model.mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    graph = Graph()
    indices: dict[str, int] = {}

    def add(value: Any, *, constant: bool = False) -> int:
        indices[value.name] = len(graph.tensors)
        graph.tensors.append(_tensor(value, constant=constant))
        return indices[value.name]

    graph.inputs = {value.name: add(value) for value in function.inputs}
    for operation in block.operations:
        names = [
            argument.name
            for binding in operation.inputs.values()
            for argument in binding.arguments
            if argument.WhichOneof("binding") == "name"
        ]
        inputs = tuple(indices[name] for name in names)
        stored = operation.type == "const" or operation.type.startswith("constexpr")
        outputs = tuple(add(value, constant=stored) for value in operation.outputs)
        if not stored:
            graph.nodes.append(Node(operation.type, inputs, outputs))
    graph.outputs = {name.removeprefix(NEXT): indices[name] for name in block.outputs}
    return graph


def _tensor(value: Any, *, constant: bool) -> Tensor:
    kind = value.type
    if kind.WhichOneof("type") == "stateType":
        kind = kind.stateType.wrappedType
    if kind.WhichOneof("type") != "tensorType":
        return Tensor(value.name, constant=constant)
    sides = tuple(
        int(side.constant.size) if side.WhichOneof("dimension") == "constant" else UNKNOWN
        for side in kind.tensorType.dimensions
    )
    return Tensor(value.name, sides, TYPES.get(kind.tensorType.dataType, ""), constant)
