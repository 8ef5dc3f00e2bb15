"""Rules about operators that a device is known to refuse."""

from __future__ import annotations

from collections.abc import Iterator

from edgeshift.runtimes.lint.graph import Graph
from edgeshift.runtimes.lint.rule import Rule

#: Operators for which LiteRT 2.3's GPU accelerator answers "Operation is not supported".
GPU_REFUSED = (
    *("BATCH_TO_SPACE_ND", "GATHER_ND", "L2_NORMALIZATION", "LOCAL_RESPONSE_NORMALIZATION", "LOG_SOFTMAX"),
    *("SCATTER_ND", "SPACE_TO_BATCH_ND", "ZEROS_LIKE"),
)
#: Operators on two tensors that LiteRT's GPU accelerator refuses if both tensors are the same.
#: It accepts ADD and MUL.
GPU_PAIRS = ("DIV", "MAXIMUM", "MINIMUM", "POW", "SQUARED_DIFFERENCE", "SUB")
#: All operators that Vela 5.2 places on an Ethos-U85. Those that it places on an Ethos-U55 or U65 are among them.
_ETHOS_ROWS = (
    "ABS ADD ARG_MAX ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_MATMUL CAST CONCATENATION CONV_2D DEPTHWISE_CONV_2D",
    "DIV ELU EQUAL EXP EXPAND_DIMS FULLY_CONNECTED GATHER GELU GREATER GREATER_EQUAL HARD_SWISH LEAKY_RELU",
    "LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC MAXIMUM MAX_POOL_2D MEAN MINIMUM",
    "MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD PADV2 PRELU QUANTIZE READ_VARIABLE REDUCE_ALL REDUCE_ANY REDUCE_MAX",
    "REDUCE_MIN RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2",
    "RSQRT SCATTER_ND SELECT SELECT_V2 SLICE SOFTMAX SPLIT SPLIT_V SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE",
    "SUB SUM TANH TILE TRANSPOSE TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK",
)
ETHOS_OPERATORS = frozenset(name for row in _ETHOS_ROWS for name in row.split())
#: Core ML operations that the list of the Neural Engine's users names as never run there.
ANE_REFUSED = ("gather", "gather_along_axis", "gather_nd", "gru", "lstm", "rnn")


def refused_by_gpu(graph: Graph) -> Iterator[str]:
    """Yield the operators that LiteRT's GPU accelerator refuses."""
    return map(graph.place, graph.nodes_of(*GPU_REFUSED))


def identical_inputs(graph: Graph) -> Iterator[str]:
    """Yield the operators on two tensors that are given one tensor twice."""
    for node in graph.nodes_of(*GPU_PAIRS):
        if len(node.inputs) == 2 and node.inputs[0] == node.inputs[1]:
            yield graph.place(node)


def not_on_ethos(graph: Graph) -> Iterator[str]:
    """Yield the operators that Vela leaves on the CPU. DEQUANTIZE is about float tensors, which have their own rule."""
    for node in graph.nodes:
        if node.kind not in ETHOS_OPERATORS and node.kind != "DEQUANTIZE":
            yield graph.place(node)


def refused_by_ane(graph: Graph) -> Iterator[str]:
    """Yield the operations that the Neural Engine does not run."""
    return map(graph.place, graph.nodes_of(*ANE_REFUSED))


OPERATOR_RULES = (
    Rule(
        name="gpu-operator",
        devices=("mali", "adreno"),
        effect="refused",
        finds=f"one of the operators {', '.join(GPU_REFUSED)}",
        why="The accelerator refuses it. The graph is cut there, and a part runs on the CPU, without an error.",
        source="https://github.com/google-ai-edge/litert-samples/pull/156 (GATHER_ND), and the answers of the "
        "accelerator of LiteRT 2.3.0 (https://github.com/google-ai-edge/LiteRT), which the tests ask again",
        remedy="compute this in the app, after the graph, or write the layer with other operators",
        find=refused_by_gpu,
    ),
    Rule(
        name="gpu-same-input-twice",
        devices=("mali", "adreno"),
        effect="refused",
        finds=f"one of the operators {', '.join(GPU_PAIRS)} that is given the same tensor twice, such as x / x",
        why="The accelerator refuses few identical inputs in the same operation, and cuts the graph there.",
        source="https://github.com/google-ai-edge/LiteRT/issues/9192",
        remedy="write the layer without it: the result is a constant or the tensor itself, except for POW",
        find=identical_inputs,
    ),
    Rule(
        name="ethos-u-operator",
        devices=("ethos-u",),
        effect="refused",
        finds="an operator that Vela places on no Ethos-U",
        why="It runs on the processor beside the NPU, which is many times slower, and the graph is cut there.",
        source="the table of `vela --supported-ops-report`, version 5.2, of https://gitlab.arm.com/artificial-intelligence/ethos-u/ethos-u-vela",
        remedy="write the layer with operators of that table",
        find=not_on_ethos,
    ),
    Rule(
        name="ane-operator",
        devices=("coreml-ane",),
        effect="refused",
        finds=f"one of the operations {', '.join(ANE_REFUSED)}",
        why="Core ML runs it on the CPU or the GPU, and tensors are copied between them and the Neural Engine.",
        source="https://github.com/hollance/neural-engine/blob/master/docs/unsupported-layers.md, which users of the "
        "Neural Engine have collected; Apple publishes no list",
        remedy="write the layer with other operations",
        find=refused_by_ane,
    ),
)
