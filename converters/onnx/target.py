"""The target ONNX, through torch.onnx, for ONNX Runtime and other programs that read ONNX.

The step is exported with frames channels last, as in every artifact, and states channels first, the order in which ONNX
computes. Inputs are named ``frame`` and ``state_*``, outputs ``logits`` and ``next_state_*``. int8 is made from the
float graph (``quantize``); for ONNX Runtime its states are channels last (``layout``).
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgeshift.artifact.spec import LOGITS, NEXT, GraphSpec
from edgeshift.converters.channels_last import ChannelsLast
from edgeshift.converters.job import Job, Lowered, make_lowered
from edgeshift.converters.onnx.graph import (
    attribute,
    boundary,
    count_fused_operators,
    count_operators,
    drop_unused_constants,
)
from edgeshift.converters.onnx.layout import channels_first, move_spatial_shifts, states_last
from edgeshift.converters.onnx.quantize import Form, measure, quantize
from edgeshift.converters.quantization.finished import require_int8
from edgeshift.converters.quantization.layer_paths import matches, require_matches, shown
from edgeshift.converters.tools import run_tool
from edgeshift.errors import ConversionError, one_line
from edgeshift.models.clip_step import with_pooled_frames

if TYPE_CHECKING:
    import onnx

#: The operator set and the version of the file format. ONNX Runtime 1.13 (October 2022) and later read them. torch
#: exports a newer operator set, in which all operators used here are the same, except ReduceMean, which is replaced.
OPSET, IR_VERSION = 17, 8
#: Operators whose second input is a weight.
WEIGHTED = ("Conv", "Gemm")
#: Operators that compute in float, with the names that they have after ONNX Runtime's fusions.
FLOAT_OPERATORS = ("Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul")
#: What separates the path of a layer from the rest of the name of a node.
LAYER_END = "//"
#: The name of the float graph in ``Job.shared``.
EXPORTED = "onnx"


def lower(job: Job) -> Lowered:
    """See ``edgeshift.converters.job.Converter``."""
    return lower_as(job, Form(float_boundary=job.float_boundary))


def lower_as(job: Job, form: Form) -> Lowered:
    """Lower the step for a target that reads ONNX.

    Args:
        job: the conversion.
        form: which int8 graph to write.

    Raises:
        ConversionError: the step cannot be exported, or the graph is not valid.
    """
    import onnx

    if EXPORTED not in job.shared:
        with job.stages.stage("export"):
            job.shared[EXPORTED] = _export(job).SerializeToString()
    model = onnx.load_model_from_string(job.shared[EXPORTED])
    if job.precision != "fp32":
        with job.stages.stage("quantize"):
            model = _to_int8(model, job, form) if job.precision == "int8" else _to_fp16(model)
    expected = job.tensors()
    if job.precision != "int8" or form.symmetric:
        expected = {name: channels_first(tensor) for name, tensor in expected.items()}
    ends = boundary(model, expected)
    model.producer_name, model.producer_version = "edgeshift", ""
    body = model.SerializeToString(deterministic=True)
    try:
        onnx.checker.check_model(body, full_check=True)
    except Exception as error:
        raise ConversionError(f"the graph does not pass ONNX's own checker: {one_line(error)}") from error
    graph = count_operators(model) if form.symmetric else count_fused_operators(body)
    if job.precision == "int8" and not form.symmetric:
        floats = [kind for kind in FLOAT_OPERATORS if kind in graph.operators]
        require_int8(floats=[] if _only_float_layers(job, graph) else floats)
    return make_lowered(job, body, ends, graph)


def _only_float_layers(job: Job, graph: GraphSpec) -> bool:
    """Return True if a graph computes no more layers in float than ``--float-layers`` names."""
    import onnx

    exported = onnx.load_model_from_string(job.shared[EXPORTED])
    named = [
        node
        for node in exported.graph.node
        if node.op_type in (*WEIGHTED, "MatMul") and matches(node.name.partition(LAYER_END)[0], job.float_layers)
    ]
    return 0 < sum(graph.operators.get(kind, 0) for kind in FLOAT_OPERATORS) <= len(named)


def _export(job: Job) -> onnx.ModelProto:
    """Export the float graph, without the metadata that the exporter adds, such as paths on this machine."""
    names = job.step.state_names
    with run_tool(f"torch.onnx cannot export {job.name}"):
        program = torch.onnx.export(
            ChannelsLast(with_pooled_frames(job.step), states=False).eval(),
            (torch.zeros(job.input_shape), *job.step.start()),
            input_names=[job.input_name, *names],
            output_names=[LOGITS, *(NEXT + name for name in names)],
            dynamo=True,
            verbose=False,
        )
        assert program is not None
        model: onnx.ModelProto = program.model_proto
    if job.float_layers:
        _name_layers(model)
    return move_spatial_shifts(_clean(model))


def _name_layers(model: onnx.ModelProto) -> None:
    """Let the name of each node of a layer begin with the layer's path. Shifts are left out: they stay in int8."""
    for node in model.graph.node:
        text = {entry.key: entry.value for entry in node.metadata_props}.get("pkg.torch.onnx.name_scopes", "[]")
        scopes = [str(scope) for scope in ast.literal_eval(text)]
        paths = [shown(scope.removeprefix("step.")) for scope in scopes]
        layer = next((path for path in reversed(paths) if path), "")
        if layer and not any("shifts." in scope for scope in scopes):
            node.name = f"{layer}{LAYER_END}{node.name}"


def _clean(model: onnx.ModelProto) -> onnx.ModelProto:
    """Change a model in place: set versions, delete metadata, replace ReduceMean by a pooling, which exists in int8."""
    from onnx import helper

    graph = model.graph
    for node in list(graph.node):
        if node.op_type == "ReduceMean":
            _replace_mean(graph, node)
        del node.metadata_props[:]
        node.doc_string = ""
    outputs = {value.name for value in graph.output}
    for tensor in graph.initializer:
        if tensor.name in outputs:  # TSAM of depth 1: the next "seen" flag is a constant; no operator makes it
            graph.node.append(helper.make_node("Identity", [f"{tensor.name}/constant"], [tensor.name]))
            tensor.name = f"{tensor.name}/constant"
    drop_unused_constants(graph)
    del graph.value_info[:], graph.metadata_props[:], model.metadata_props[:]
    for value in (*graph.input, *graph.output):
        del value.metadata_props[:]
    graph.name, model.ir_version = "step", IR_VERSION
    for domain in model.opset_import:
        if not domain.domain:
            domain.version = OPSET
    return model


def _replace_mean(graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    """Replace a mean over height and width by a pooling, and write other means in the form of older operator sets."""
    from onnx import helper, numpy_helper

    axes = next(numpy_helper.to_array(t).tolist() for t in graph.initializer if t.name == node.input[1])
    keeps = attribute(node, "keepdims", 1)
    del node.input[1:]
    if sorted(axis % 4 for axis in axes) != [2, 3]:
        del node.attribute[:]
        node.attribute.extend([helper.make_attribute("axes", axes), helper.make_attribute("keepdims", keeps)])
        return
    node.op_type = "GlobalAveragePool"
    del node.attribute[:]
    if not keeps:
        name = node.output[0]
        node.output[0] = f"{name}/pooled"
        at = next(index for index, other in enumerate(graph.node) if other is node or other.output[0] == node.output[0])
        graph.node.insert(at + 1, helper.make_node("Flatten", [node.output[0]], [name], f"Flatten/{name}"))


def _to_int8(model: onnx.ModelProto, job: Job, form: Form) -> onnx.ModelProto:
    """Quantize. States are channels last for ONNX Runtime and in the samples, channels first for TensorRT."""
    last = states_last(model)
    layers = [(node.name, node.name.partition(LAYER_END)[0]) for node in model.graph.node if LAYER_END in node.name]
    require_matches([layer for _, layer in layers], job.float_layers)
    in_float = [name for name, layer in layers if matches(layer, job.float_layers)]
    if in_float and all(node.name in in_float for node in model.graph.node if node.op_type in WEIGHTED):
        raise ConversionError("--float-layers keeps every layer in float: use --precision fp32")
    return quantize(model if form.symmetric else last, measure(last, job.samples), form, in_float)


def _to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store weights as float16. The runtime computes in float32, or in float16 where the processor has it."""
    from onnx import TensorProto, helper, numpy_helper

    weights = {node.input[1] for node in model.graph.node if node.op_type in WEIGHTED}
    casts = []
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            name = tensor.name
            half = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}/half"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], name=f"Cast/{name}", to=TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    return model
