"""ONNX, through torch.onnx: for ONNX Runtime, and what else reads ONNX.

The step is exported with frames channels last, as every artifact has them, states channels first, as ONNX computes,
and under fixed names: ``frame`` and ``state_*`` in, ``logits`` and ``next_state_*`` out. int8 is made from the float
graph afterwards (``onnx_qdq``), with ranges tied (``ranges``), and for ONNX Runtime with states channels last
(``onnx_layout``).
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from edgeshift._system.quiet import quiet
from edgeshift.artifact.spec import LOGITS, NEXT
from edgeshift.converters.job import Job, Lowered, make_lowered
from edgeshift.converters.onnx.graph import PRODUCER, boundary, operators, run_operators
from edgeshift.converters.onnx.layout import channels_first, moved_whole, states_last
from edgeshift.converters.onnx.quantize import Form, measure, quantize
from edgeshift.converters.quantization.finished import require_int8
from edgeshift.errors import ConversionError, one_line

if TYPE_CHECKING:
    import onnx

#: What is written: ONNX Runtime reads it from 1.13 (October 2022) on. Every operator here means the same in the newer
#: set that torch exports, once the mean over the picture is a pooling.
OPSET, IR_VERSION = 17, 8
#: Operators whose second input is a weight.
WEIGHTED = ("Conv", "Gemm")
#: Operators of a graph, after ONNX Runtime's fusions, that compute in float.
COMPUTES = ("Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul")
#: The name of the float graph among what targets share.
EXPORTED = "onnx"


def lower(job: Job) -> Lowered:
    """See ``edgeshift.converters.job.Converter``."""
    return lower_as(job, Form(float_boundary=job.float_boundary))


def lower_as(job: Job, form: Form) -> Lowered:
    """Lower the step for a target that reads ONNX.

    Args:
        form: of the int8 graph.
    """
    import onnx

    if EXPORTED not in job.shared:
        with job.stages.stage("export"):
            job.shared[EXPORTED] = _export(job).SerializeToString()
    model = onnx.load_model_from_string(job.shared[EXPORTED])
    if job.precision != "fp32":
        with job.stages.stage("quantize"):
            model = _to_int8(model, job, form) if job.precision == "int8" else _to_fp16(model)
    names = job.tensors()
    if job.precision != "int8" or form.symmetric:
        names = {name: channels_first(tensor) for name, tensor in names.items()}
    found = boundary(model, names)
    body = model.SerializeToString(deterministic=True)
    try:
        onnx.checker.check_model(body, full_check=True)
    except Exception as error:
        raise ConversionError(f"the graph does not pass ONNX's own checker: {one_line(error)}") from error
    graph = operators(model) if form.symmetric else run_operators(body)
    if job.precision == "int8" and not form.symmetric:
        require_int8(floats=[kind for kind in COMPUTES if kind in graph.operators])
    return make_lowered(job, body, found, graph)


def _export(job: Job) -> onnx.ModelProto:
    """The float graph, without what the exporter notes about this machine."""
    import torch

    from edgeshift.converters.onnx.step import FrameLast, example

    arguments, names = example(job), job.step.state_names
    with quiet(stdout=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about its internals
        try:
            program = torch.onnx.export(
                FrameLast(job.step).eval(),
                tuple(arguments.values()),
                input_names=list(arguments),
                output_names=[LOGITS, *(NEXT + name for name in names)],
                dynamo=True,
                verbose=False,
            )
            assert program is not None
            model: onnx.ModelProto = program.model_proto
        except Exception as error:
            name = job.source.network.config.name
            raise ConversionError(f"torch.onnx cannot export {name}: {one_line(error)}") from error
    return moved_whole(_tidied(model))


def _tidied(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph in the operator set we write, and with one name for the mean that runtimes have in integers."""
    from onnx import helper

    graph = model.graph
    for node in graph.node:
        if node.op_type == "ReduceMean":  # over height and width, dimensions kept (``edgeshift.models``)
            node.op_type = "GlobalAveragePool"
            del node.input[1:], node.attribute[:]
        del node.metadata_props[:]
        node.doc_string = ""
    outputs = {value.name for value in graph.output}
    for tensor in graph.initializer:
        if tensor.name in outputs:  # after one frame, the count of frames up to one is one: no operator makes it
            graph.node.append(helper.make_node("Identity", [f"{tensor.name}/constant"], [tensor.name]))
            tensor.name = f"{tensor.name}/constant"
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:], graph.value_info[:], graph.metadata_props[:], model.metadata_props[:]
    graph.initializer.extend(kept)
    for value in (*graph.input, *graph.output):
        del value.metadata_props[:]
    graph.name, model.producer_name, model.producer_version = "step", PRODUCER, ""
    model.ir_version = IR_VERSION
    for domain in model.opset_import:
        if not domain.domain:
            domain.version = OPSET
    return model


def _to_int8(model: onnx.ModelProto, job: Job, form: Form) -> onnx.ModelProto:
    """int8, states channels last for ONNX Runtime and first for TensorRT. Samples have them last."""
    last = states_last(model)
    return quantize(model if form.symmetric else last, measure(last, job.samples), form)


def _to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights as float16; the runtime computes in float32, or in float16 where the processor has it."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    weights = {node.input[1] for node in model.graph.node if node.op_type in WEIGHTED}
    casts = []
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            name = tensor.name
            half = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}/half"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], name=f"Cast/{name}", to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
    return model
