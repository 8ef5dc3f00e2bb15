"""The target TFLite, through litert-torch and ai-edge-quantizer.

Frames and states of the exported step are channels last, the order in which the runtime computes, so that the exporter
inserts no transpose for them. int8 is made from the float graph by ai-edge-quantizer with tied ranges.
"""

from __future__ import annotations

import dataclasses
import os
import re
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshift._system.progress import Stages
from edgeshift.checkpoints import Checkpoint
from edgeshift.converters.channels_last import NamedChannelsLast, example
from edgeshift.converters.job import Job, Lowered, make_lowered
from edgeshift.converters.quantization.finished import require_int8
from edgeshift.converters.quantization.ranges import Graph, tied
from edgeshift.converters.tflite.aot import compile_ahead
from edgeshift.converters.tflite.graph import SIGNATURE, boundary, graph_spec, read_graph
from edgeshift.converters.tflite.layer_names import matching
from edgeshift.converters.tflite.layers import compare_layers, worst_layers
from edgeshift.converters.tools import run_tool
from edgeshift.errors import ConversionError
from edgeshift.models.deploy import deploy, deploy_clip
from edgeshift.models.network import Exportable
from edgeshift.targets import find_target

#: Operators with weights.
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
#: The name of the float graph in ``Job.shared``.
EXPORTED = "tflite"


def lower(job: Job) -> Lowered:
    """See ``edgeshift.converters.job.Converter``."""
    if EXPORTED not in job.shared:
        with job.stages.stage("export"):
            job.shared[EXPORTED] = _export(job)
    body = job.shared[EXPORTED]
    if job.precision != "fp32":
        with job.stages.stage("quantize"):
            body = _to_int8(body, job) if job.precision == "int8" else _to_fp16(body)
    ends = boundary(body, job.tensors())
    graph = graph_spec(body)
    if job.precision == "int8":
        allowed = 2 * (len(job.step.state_names) + 1) if job.float_boundary else 0
        allowed += _float_ends(job)
        conversions = graph.operators.get("QUANTIZE", 0) + graph.operators.get("DEQUANTIZE", 0)
        require_int8(conversions, allowed)
    lowered = make_lowered(job, body, ends, graph)
    if job.chip is None:
        return lowered
    return dataclasses.replace(lowered, ahead=partial(compile_ahead, job, lowered, job.chip))


def worst_layer(job: Job, body: bytes, frames: Sequence[npt.NDArray[np.uint8]]) -> str:
    """Return the layer of an int8 graph with which it loses most, its range and its grid, in words."""
    errors = compare_layers(job.shared[EXPORTED], body, job.step, frames)
    return str(worst_layers(errors, 1)[0])


def export_float(source: Checkpoint, frames: int = 1) -> tuple[bytes, Exportable]:
    """Return the float graph of a checkpoint, and the function that was exported.

    Args:
        source: the checkpoint.
        frames: number of frames that the graph takes in one call: 1, or the frames of a clip.
    """
    step = deploy(source.network) if frames == 1 else deploy_clip(source.network, frames)
    job = Job(find_target("tflite"), source, step, "fp32", (), float_boundary=False, stages=Stages())
    return _export(job), step


def _float_ends(job: Job) -> int:
    """Return the largest number of conversions at the layers that stay in float."""
    graph = read_graph(job.shared[EXPORTED])
    return sum(
        len([index for index in operator.inputs if index not in graph.constants]) + len(operator.outputs)
        for operator in matching(graph, job.step, job.float_layers)
    )


def _export(job: Job) -> bytes:
    with run_tool(f"litert-torch cannot convert {job.name}"), tempfile.TemporaryDirectory() as folder:
        import litert_torch

        edge = litert_torch.convert(NamedChannelsLast(job.step).eval(), (), sample_kwargs=example(job))
        path = Path(folder) / "step.tflite"
        edge.export(str(path))
        return path.read_bytes()


def _to_int8(body: bytes, job: Job) -> bytes:
    with run_tool("ai-edge-quantizer cannot quantize the graph"):
        from ai_edge_quantizer import calibrator, quantizer, recipe
        from ai_edge_quantizer.utils import qsv_utils

        tool = quantizer.Quantizer(body)
        tool.load_quantization_recipe(recipe.static_wi8_ai8())
        if job.float_boundary:
            for side in ("INPUT", "OUTPUT"):
                tool.update_quantization_recipe(".*", side, algorithm_key="no_quantize")
        graph = read_graph(body)
        in_float = matching(graph, job.step, job.float_layers)
        if all(operator in in_float for operator in graph.operators if operator.kind in WEIGHTED):
            raise ConversionError("--float-layers keeps every layer in float: use --precision fp32")
        for operator in in_float:
            name = re.escape(graph.names[operator.outputs[0]])
            tool.update_quantization_recipe(f"^{name};$", "*", algorithm_key="no_quantize")
        # Ranges are unions over all samples. The default, a moving average, is biased by the zero states at the start.
        meter = calibrator.Calibrator(body, num_threads=os.cpu_count() or 1, qsv_update_func=qsv_utils.min_max_update)
        meter.calibrate({SIGNATURE: list(job.samples)}, tool._recipe_manager)
        results = meter.get_model_qsvs()
        _tie_ranges(results, graph)
        return bytes(tool.quantize(results).quantized_model)


def _tie_ranges(results: dict[str, Any], graph: Graph) -> None:
    """Change measured ranges in place, so that tied tensors have one range.

    Args:
        results: the quantizer's calibration result, {tensor name: {"min": array, "max": array}}.
        graph: the float model that was calibrated.
    """
    measured = {
        name: (float(np.min(results[name]["min"])), float(np.max(results[name]["max"])))
        for name in graph.names
        if {"min", "max"} <= results.get(name, {}).keys()
    }
    for name, (low, high) in tied(graph, measured).items():
        if name in measured:
            results[name]["min"] = np.full_like(results[name]["min"], low)
            results[name]["max"] = np.full_like(results[name]["max"], high)


def _to_fp16(body: bytes) -> bytes:
    """Store weights as float16. The runtime computes in float32, or in float16 where the processor has it."""
    with run_tool("ai-edge-quantizer cannot cast the weights"):
        from ai_edge_quantizer import quantizer

        tool = quantizer.Quantizer(body)
        tool.add_weight_only_config(".*", "*", 16, algorithm_key="float_casting")
        return bytes(tool.quantize().quantized_model)
