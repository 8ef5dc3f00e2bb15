"""The target TFLite, through litert-torch and ai-edge-quantizer.

Frames and states of the exported step are channels last, the order in which the runtime computes, so that the exporter
inserts no transpose for them. int8 is made from the float graph by ai-edge-quantizer with tied ranges.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from edgeshift.converters.channels_last import NamedChannelsLast, example
from edgeshift.converters.job import Job, Lowered, make_lowered
from edgeshift.converters.quantization.finished import require_int8
from edgeshift.converters.quantization.ranges import Graph, tied
from edgeshift.converters.tflite.graph import boundary, graph_spec, read_graph
from edgeshift.converters.tools import run_tool

SIGNATURE = "serving_default"
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
        conversions = graph.operators.get("QUANTIZE", 0) + graph.operators.get("DEQUANTIZE", 0)
        require_int8(conversions, allowed)
    return make_lowered(job, body, ends, graph)


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
        # Ranges are unions over all samples. The default, a moving average, is biased by the zero states at the start.
        meter = calibrator.Calibrator(body, num_threads=os.cpu_count() or 1, qsv_update_func=qsv_utils.min_max_update)
        meter.calibrate({SIGNATURE: list(job.samples)}, tool._recipe_manager)
        results = meter.get_model_qsvs()
        _tie_ranges(results, read_graph(body))
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
