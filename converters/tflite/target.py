"""TFLite, through litert-torch and ai-edge-quantizer.

The step is exported with frames and states in channels-last order at its boundary, which is the order the runtime
computes in: the layout pass then finds no transpose to insert. int8 is made from the float graph afterwards, with
ranges tied (``ranges``).
"""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

from edgeshift._system.quiet import quiet
from edgeshift.converters.channels_last import NamedChannelsLast, example
from edgeshift.converters.job import Job, Lowered, make_lowered
from edgeshift.converters.quantization.finished import require_int8
from edgeshift.converters.tflite.graph import boundary, graph_spec, read_graph
from edgeshift.converters.tflite.ranges import tie_ranges
from edgeshift.errors import ConversionError

SIGNATURE = "serving_default"


def lower(job: Job) -> Lowered:
    """See ``edgeshift.converters.job.Converter``."""
    with job.stages.stage("export"):
        body = _export(job)
    if job.precision != "fp32":
        with job.stages.stage("quantize"):
            body = _to_int8(body, job) if job.precision == "int8" else _to_fp16(body)
    found = boundary(body, job.tensors())
    graph = graph_spec(body)
    if job.precision == "int8":
        ends = 2 * (len(job.step.state_names) + 1)
        conversions = graph.operators.get("QUANTIZE", 0) + graph.operators.get("DEQUANTIZE", 0)
        require_int8(conversions, ends if job.float_boundary else 0)
    return make_lowered(job, body, found, graph)


def _export(job: Job) -> bytes:
    with quiet(stdout=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter's own, about its internals
        import litert_torch

        try:
            edge = litert_torch.convert(NamedChannelsLast(job.step).eval(), (), sample_kwargs=example(job))
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "step.tflite"
                edge.export(str(path))
                return path.read_bytes()
        except Exception as error:
            raise ConversionError(f"litert-torch cannot convert {job.source.network.config.name}: {error}") from error


def _to_int8(body: bytes, job: Job) -> bytes:
    with quiet(stdout=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ai_edge_quantizer import calibrator, quantizer, recipe
        from ai_edge_quantizer.utils import qsv_utils

        tool = quantizer.Quantizer(body)
        tool.load_quantization_recipe(recipe.static_wi8_ai8())
        if job.float_boundary:
            for side in ("INPUT", "OUTPUT"):
                tool.update_quantization_recipe(".*", side, algorithm_key="no_quantize")
        try:
            # The union of all ranges met, where the tool's own default is a moving average: a stream's states start at
            # zero and only then reach their range, and an average remembers the start.
            meter = calibrator.Calibrator(
                body, num_threads=os.cpu_count() or 1, qsv_update_func=qsv_utils.min_max_update
            )
            meter.calibrate({SIGNATURE: list(job.samples)}, tool._recipe_manager)
            results = meter.get_model_qsvs()
            tie_ranges(results, read_graph(body))
            return bytes(tool.quantize(results).quantized_model)
        except Exception as error:
            raise ConversionError(f"ai-edge-quantizer cannot quantize the graph: {error}") from error


def _to_fp16(body: bytes) -> bytes:
    """Weights as float16; the runtime computes in float32, or in float16 where the processor has it."""
    with quiet(stdout=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ai_edge_quantizer import quantizer

        tool = quantizer.Quantizer(body)
        tool.add_weight_only_config(".*", "*", 16, algorithm_key="float_casting")
        try:
            return bytes(tool.quantize().quantized_model)
        except Exception as error:
            raise ConversionError(f"ai-edge-quantizer cannot cast the weights: {error}") from error
