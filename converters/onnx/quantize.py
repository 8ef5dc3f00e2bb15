"""int8 for ONNX, by ONNX Runtime's own quantizer with tied ranges.

    float        x ---------------- Conv -- Clip -- y              the range of y is measured after the Clip
    int8   x' -- DequantizeLinear -- Conv -- QuantizeLinear -- y'

ONNX Runtime and TensorRT compute the operators between DequantizeLinear and QuantizeLinear in integers. Weights are
symmetric, with one scale per output channel (Krishnamoorthi, arXiv 1806.08342).

The quantizer removes a Clip or Relu before QuantizeLinear, because the int8 range has the same limits. It leaves inputs
and outputs in float; here they become int8. docs/lab/quantizers.md compares it with a quantizer of our own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from edgeshift.artifact.spec import FRAME
from edgeshift.converters.onnx.graph import read_graph
from edgeshift.converters.quantization.ranges import Range, groups, tied
from edgeshift.converters.tools import run_tool
from edgeshift.stream import Array

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Form:
    """Which int8 graph to write.

    Attributes:
        float_boundary: frames, states and logits are float; the graph converts them from and to int8.
        symmetric: the form that TensorRT can build: int8 with zero point 0 everywhere, a pair of operators after each
            float weight, biases and the first convolution in float. False: activations are uint8 inside,
            which ONNX Runtime multiplies 13 times as fast as int8 on x86-64 with VNNI (aarch64: not measured).
    """

    float_boundary: bool = False
    symmetric: bool = False


def measure(model: onnx.ModelProto, samples: Sequence[Mapping[str, Array]]) -> dict[str, Range]:
    """Run a float model over calibration samples and return {tensor name: smallest and largest value}.

    Args:
        model: the float model.
        samples: {input: values} each.
    """
    import onnx

    with tempfile.TemporaryDirectory() as folder, run_tool("ONNX Runtime cannot calibrate the graph"):
        from onnxruntime.quantization import CalibrationMethod, create_calibrator

        path = Path(folder) / "step.onnx"
        onnx.save(onnx.shape_inference.infer_shapes(model), str(path))
        meter = create_calibrator(
            path, augmented_model_path=f"{folder}/measured.onnx", calibrate_method=CalibrationMethod.MinMax
        )
        rest = iter(samples)
        meter.collect_data(SimpleNamespace(get_next=lambda: dict(next(rest, {}))))  # {}: no more samples
        values = {name: data.range_value for name, data in meter.compute_data().items()}
    return {name: (float(np.min(low)), float(np.max(high))) for name, (low, high) in values.items()}


def quantize(
    model: onnx.ModelProto, measured: Mapping[str, Range], form: Form, in_float: Sequence[str] = ()
) -> onnx.ModelProto:
    """Return the int8 form of a float model, which is not changed.

    Args:
        model: the model that ``edgeshift.converters.onnx.target`` exports.
        measured: the ranges from ``measure``.
        form: which int8 graph to write.
        in_float: names of the nodes that stay in float.
    """
    graph = read_graph(model)
    ranges = {**measured, **tied(graph, measured)}
    excluded = list(in_float)
    if form.symmetric:
        # With zero point 0, 255 pixel values would share 127 integers: operators that read the frame stay in float.
        group = next(group for group in groups(graph) if graph.inputs[FRAME] in group)
        frame = {graph.names[index] for index in group}
        excluded += [node.name for node in model.graph.node if frame.intersection(node.input)]
    quantized = _run_quantizer(model, ranges, form, excluded)
    if not form.float_boundary:
        _store_boundary(quantized)
    del quantized.graph.value_info[:], quantized.metadata_props[:]
    return quantized


def _run_quantizer(
    model: onnx.ModelProto, ranges: Mapping[str, Range], form: Form, excluded: list[str]
) -> onnx.ModelProto:
    """Quantize with ONNX Runtime's quantizer. Inputs and outputs are float; each tensor with a range is quantized."""
    with run_tool("ONNX Runtime cannot quantize the graph"):
        from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType, TensorsData

        constants = {tensor.name for tensor in model.graph.initializer}
        pairs = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
        quantizer = QDQQuantizer(
            model,
            per_channel=True,
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QInt8 if form.symmetric else QuantType.QUInt8,
            tensors_range=TensorsData(CalibrationMethod.MinMax, pairs),
            nodes_to_quantize=[],
            nodes_to_exclude=excluded,
            op_types_to_quantize=sorted({node.op_type for node in model.graph.node}),
            extra_options={
                "ActivationSymmetric": form.symmetric,
                "AddQDQPairToWeight": form.symmetric,  # TensorRT 8 reads float weights with a pair behind them
                "QuantizeBias": not form.symmetric,
                "ForceQuantizeNoInputCheck": True,  # quantize operators that only move values, too
                # A Clip or Relu stays if ranges are symmetric, and no pair may separate it from its Conv or Add.
                "OpTypesToExcludeOutputQuantization": ["Conv", "Add"] if form.symmetric else [],
                # Constants that are concatenated with activations get the range of their group.
                "TensorQuantOverrides": {
                    name: [{"rmin": low, "rmax": high}] for name, (low, high) in pairs.items() if name in constants
                },
            },
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
    result: onnx.ModelProto = quantizer.model.model
    return result


def _store_boundary(model: onnx.ModelProto) -> None:
    """Make the inputs and outputs of a quantized model int8. Inside, the same values are stored plus 128, as uint8."""
    import onnx
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    zeros: dict[str, onnx.TensorProto] = {}

    def signed(scale: str, zero: str) -> list[str]:
        """Return the names of the scale and of the int8 zero point that stand for a uint8 grid."""
        name = f"{zero}/int8"
        zeros[name] = numpy_helper.from_array(np.int8(int(constants[zero]) - 128), name)
        return [scale, name]

    inputs, outputs = ({value.name for value in side} for side in (graph.input, graph.output))
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        source, result = node.input[0], node.output[0]
        if node.op_type == "QuantizeLinear" and source in inputs:
            node.input[0] = f"{source}/real"
            grid = signed(*node.input[1:3])
            nodes.append(helper.make_node("DequantizeLinear", [source, *grid], [node.input[0]], f"{source}/read"))
        nodes.append(node)
        if node.op_type == "DequantizeLinear" and result in outputs:
            node.output[0] = f"{result}/real"
            grid = signed(*node.input[1:3])
            nodes.append(helper.make_node("QuantizeLinear", [node.output[0], *grid], [result], f"{result}/written"))
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(zeros.values())
    stored = {node.input[0] for node in nodes if node.op_type == "DequantizeLinear"}
    stored |= {node.output[0] for node in nodes if node.op_type == "QuantizeLinear"}
    for value in (*graph.input, *graph.output):
        if value.name in stored:  # an output of a layer that stays in float is float
            value.type.tensor_type.elem_type = onnx.TensorProto.INT8
