"""Rules about shapes: sides that are not fixed, too many dimensions, and sizes that waste memory or time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from edgeshift.runtimes.lint.graph import UNKNOWN, Graph, short
from edgeshift.runtimes.lint.rule import Rule

#: Largest number of dimensions of a tensor for LiteRT's GPU accelerator.
GPU_DIMENSIONS = 4
#: The HTP stores and computes channels in groups of this size.
HTP_CHANNELS = 32
#: The Neural Engine pads the last dimension of inputs and outputs to this many bytes.
ANE_BYTES = 64
BYTES = {"float16": 2, "float32": 4, "int8": 1, "uint8": 1, "int32": 4}
#: {operator: (position of its weights among its inputs, dimension of the weights that is its output channels)}.
CONVOLUTIONS = {"CONV_2D": (1, 0), "DEPTHWISE_CONV_2D": (1, 3), "Conv": (1, 0)}
TRANSPOSES = ("TRANSPOSE", "Transpose", "transpose")


def not_fixed(graph: Graph) -> Iterator[str]:
    """Yield the tensors with a side that is not fixed."""
    for tensor in graph.tensors:
        if tensor.shape is not None and UNKNOWN in tensor.shape:
            sides = ", ".join("?" if side == UNKNOWN else str(side) for side in tensor.shape)
            yield f"{short(tensor.name)} has the shape ({sides})"


def many_dimensions(graph: Graph) -> Iterator[str]:
    """Yield the tensors that operators read or write and that have more than four dimensions."""
    used = {tensor for node in graph.nodes for tensor in (*node.inputs, *node.outputs)}
    for index in sorted(used):
        tensor = graph.tensors[index]
        if tensor.shape is not None and len(tensor.shape) > GPU_DIMENSIONS:
            yield f"{short(tensor.name)} has {len(tensor.shape)} dimensions"


def unaligned_channels(graph: Graph) -> Iterator[str]:
    """Yield each number of output channels of convolutions that is no multiple of 32."""
    counts: Counter[int] = Counter()
    for node in graph.nodes_of(*CONVOLUTIONS):
        position, dimension = CONVOLUTIONS[node.kind]
        shape = graph.tensors[node.inputs[position]].shape if len(node.inputs) > position else None
        if shape is not None and len(shape) > dimension and shape[dimension] % HTP_CHANNELS:
            counts[shape[dimension]] += 1
    for channels, count in sorted(counts.items()):
        padded = math.ceil(channels / HTP_CHANNELS) * HTP_CHANNELS
        yield f"{count} convolution{'s' * (count > 1)} with {channels} channels, stored as {padded}"


def transposes(graph: Graph) -> Iterator[str]:
    """Yield the operators that reorder the dimensions of a computed tensor."""
    for node in graph.nodes_of(*TRANSPOSES):
        if graph.computed_inputs(node):
            yield graph.place(node)


def padded_last_dimension(graph: Graph) -> Iterator[str]:
    """Yield the states whose last dimension the Neural Engine pads."""
    for kind, ends in (("input", graph.inputs), ("output", graph.outputs)):
        for name, index in ends.items():
            tensor = graph.tensors[index]
            size = BYTES.get(tensor.dtype)
            if tensor.shape is None or len(tensor.shape) < 4 or size is None or UNKNOWN in tensor.shape:
                continue
            length = tensor.shape[-1] * size
            padded = math.ceil(length / ANE_BYTES) * ANE_BYTES
            if length != padded:
                yield f"{kind} {name}: {length} bytes in the last dimension, stored as {padded}"


SHAPE_RULES = (
    Rule(
        name="dynamic-shape",
        devices=("mali", "adreno"),
        effect="refused",
        finds="a tensor with a side that is not fixed",
        why="The accelerator compiles a graph for one set of shapes. It refuses the graph, which then runs on the CPU.",
        source="https://github.com/tensorflow/tensorflow/issues/38036",
        remedy="export the network again with fixed shapes",
        find=not_fixed,
    ),
    Rule(
        name="dynamic-shape-npu",
        devices=("htp", "ethos-u", "coreml-ane"),
        effect="refused",
        finds="a tensor with a side that is not fixed",
        why="NPUs are programmed ahead of time for one set of shapes. The operators run on the CPU.",
        source="https://onnxruntime.ai/docs/execution-providers/QNN-ExecutionProvider.html, "
        "https://onnxruntime.ai/docs/tutorials/mobile/helpers/make-dynamic-shape-fixed.html (Core ML), and "
        "the report of `vela --supported-ops-report`, version 5.2",
        remedy="export the network again with fixed shapes",
        find=not_fixed,
    ),
    Rule(
        name="gpu-dimensions",
        devices=("mali", "adreno"),
        effect="refused",
        finds=f"a tensor with more than {GPU_DIMENSIONS} dimensions",
        why="The accelerator cannot compile it, as for the five-dimensional states of MoViNet.",
        source="https://github.com/google-ai-edge/litert-samples/pull/198",
        remedy="write the network so that no tensor has more than four dimensions",
        find=many_dimensions,
    ),
    Rule(
        name="htp-channels",
        devices=("htp",),
        effect="slow",
        finds=f"convolutions whose number of output channels is no multiple of {HTP_CHANNELS}",
        why=f"The HTP stores channels in groups of {HTP_CHANNELS}. The rest of a group is padding, which takes memory "
        "and time as real channels do.",
        source="https://docs.qualcomm.com/doc/80-63442-10/topic/htp_guidelines_channels.html",
        remedy="nothing for a given network: add --ignore htp-channels. For a new one, choose multiples of 32",
        find=unaligned_channels,
    ),
    Rule(
        name="transpose",
        devices=("mali", "adreno", "coreml-ane"),
        effect="slow",
        finds="an operator that reorders the dimensions of a tensor while the graph runs",
        why="It copies the whole tensor and computes nothing. Such copies cost more on a GPU or NPU than on a CPU.",
        source="https://www.tensorflow.org/lite/performance/gpu (Optimizing for GPUs) and "
        "https://machinelearning.apple.com/research/neural-engine-transformers (Principle 3)",
        remedy="keep one order of dimensions in the network: channels last for LiteRT, channels first for Core ML",
        find=transposes,
    ),
    Rule(
        name="ane-last-dimension",
        devices=("coreml-ane",),
        effect="slow",
        finds=f"an input or output with four dimensions whose last one does not fill a multiple of {ANE_BYTES} bytes",
        why=f"The Neural Engine pads the last dimension of its buffers to {ANE_BYTES} bytes, so they take more memory.",
        source="https://machinelearning.apple.com/research/neural-engine-transformers (Principle 1)",
        remedy="nothing for a given network: add --ignore ane-last-dimension",
        find=padded_last_dimension,
    ),
)
