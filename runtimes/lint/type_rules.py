"""Rules about types: parts of a graph that stay in float on devices that compute in integers or in float16."""

from __future__ import annotations

from collections.abc import Iterator

from edgeshift.runtimes.lint.graph import Graph, Node
from edgeshift.runtimes.lint.rule import Rule

#: Operators between an int8 and a float tensor.
BETWEEN = ("QuantizeLinear", "QUANTIZE", "DequantizeLinear", "DEQUANTIZE")
#: Operators of .onnx that are one with the operator before them, so that no tensor is stored in between.
FUSED = ("Relu", "Clip")
#: Core ML operations with weights.
WEIGHTED = ("conv", "conv_transpose", "linear", "matmul")


def float_on_ethos(graph: Graph) -> Iterator[str]:
    """Yield the operators that read or write a float tensor."""
    for node in graph.nodes:
        tensors = (*graph.computed_inputs(node), *node.outputs)
        if any(graph.tensors[tensor].is_float for tensor in tensors):
            yield graph.place(node)


def float_on_htp(graph: Graph) -> Iterator[str]:
    """Yield the operators that compute in float.

    In .onnx, the tensors of an int8 operator are float, between an operator that reads them from int8 and one that
    stores them as int8.
    """
    writers, readers, outputs = graph.writers(), graph.readers(), set(graph.outputs.values())

    def is_read_from_int8(tensor: int) -> bool:
        return tensor in writers and writers[tensor].kind == "DequantizeLinear"

    def is_stored_as_int8(tensor: int) -> bool:
        following = readers.get(tensor, [])
        return tensor not in outputs and all(
            reader.kind == "QuantizeLinear" or (reader.kind in FUSED and all(map(is_stored_as_int8, reader.outputs)))
            for reader in following
        )

    def is_part_of_another(node: Node) -> bool:
        return node.kind in FUSED and not any(map(is_read_from_int8, node.inputs))

    for node in graph.nodes:
        if node.kind in BETWEEN or is_part_of_another(node):
            continue
        floats = [tensor for tensor in node.outputs if _may_be_float(graph, tensor)]
        integer = all(map(is_read_from_int8, graph.computed_inputs(node))) and all(map(is_stored_as_int8, floats))
        if floats and not integer:
            yield graph.place(node)


def _may_be_float(graph: Graph, tensor: int) -> bool:
    """Return True for a float tensor, and for one whose type the graph does not record."""
    return graph.tensors[tensor].is_float or not graph.tensors[tensor].dtype


def float32_on_ane(graph: Graph) -> Iterator[str]:
    """Yield the operators with weights that compute in float32."""
    for node in graph.nodes_of(*WEIGHTED):
        if graph.tensors[node.outputs[0]].dtype == "float32":
            yield graph.place(node)


TYPE_RULES = (
    Rule(
        name="ethos-u-float",
        devices=("ethos-u",),
        effect="refused",
        finds="an operator that reads or writes a float tensor, also at the boundary of an int8 graph",
        why="The Ethos-U computes in integers only. The operator runs on the Cortex-M or Cortex-A beside it.",
        source="the table of `vela --supported-ops-report`, version 5.2 (feature-map data types), of "
        "https://gitlab.arm.com/artificial-intelligence/ethos-u/ethos-u-vela",
        remedy="convert with --precision int8, without --float-boundary and --float-layers",
        find=float_on_ethos,
    ),
    Rule(
        name="htp-float",
        devices=("htp",),
        effect="refused",
        finds="an operator that computes in float",
        why="QNN's HTP back end runs quantized graphs. A float operator runs on the CPU, or as float16 if that is "
        "allowed, and breaks the graph into parts between which tensors are converted.",
        source="https://onnxruntime.ai/docs/execution-providers/QNN-ExecutionProvider.html (Running a model with QNN "
        "EP's HTP backend)",
        remedy="convert with --precision int8, without --float-layers",
        find=float_on_htp,
    ),
    Rule(
        name="ane-float32",
        devices=("coreml-ane",),
        effect="refused",
        finds="a convolution, linear layer or product that computes in float32",
        why="The Neural Engine computes in float16. Core ML runs float32 on the CPU and the GPU.",
        source="https://apple.github.io/coremltools/docs-guides/source/typed-execution.html",
        remedy="convert with --precision fp16 or int8",
        find=float32_on_ane,
    ),
)
