"""TFLite, through litert-torch and ai-edge-quantizer.

The step is exported with frames and states in channels-last order at its boundary, which is the order the runtime
computes in: the layout pass then finds no transpose to insert. int8 is made from the float graph afterwards, with
ranges tied (``ranges``).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import tempfile
import warnings
from pathlib import Path

from torch import Tensor, nn

from edgeshift.converters.targets import Job, Lowered
from edgeshift.converters.tflite_graph import boundary, graph_spec, read_graph
from edgeshift.converters.tflite_ranges import tie_ranges
from edgeshift.errors import ConversionError, missing
from edgeshift.models.network import Step
from edgeshift.runtimes.quiet import quiet
from edgeshift.source import FRAME, LOGITS
from edgeshift.spec import GraphSpec, Precision

SUFFIX = ".tflite"
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
SIGNATURE = "serving_default"
PACKAGES = ("torch", "litert-torch", "litert-converter", "ai-edge-quantizer", "ai-edge-litert")


def lower(job: Job) -> Lowered:
    """See ``edgeshift.converters.targets.Target``."""
    for package, module in (("litert-torch", "litert_torch"), ("ai-edge-quantizer", "ai_edge_quantizer")):
        if importlib.util.find_spec(module) is None:
            raise missing(package, "convert", "converting to TFLite")
    with job.stages.stage("export"):
        body = _export(job)
    if job.precision != "fp32":
        with job.stages.stage("quantize"):
            body = _to_int8(body, job) if job.precision == "int8" else _to_fp16(body)
    spec = job.source.describe("tflite", job.precision, job.step)
    tensors = {tensor.name: tensor for tensor in (spec.input, spec.output, *spec.states)}
    found = boundary(body, tensors)
    graph = graph_spec(body)
    if job.precision == "int8":
        _require_int8(graph, job.float_boundary)
    return Lowered(
        body=body,
        input=found[FRAME],
        output=found[LOGITS],
        states=tuple(found[name] for name in job.step.state_names),
        graph=graph,
        tools={package: importlib.metadata.version(package) for package in PACKAGES},
    )


class ChannelsLast(nn.Module):
    """The step with frames and states in channels-last order, as keyword arguments: names end up in the signature."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step

    def forward(self, frame: Tensor, **states: Tensor) -> dict[str, Tensor]:
        """{"logits": ..., state name: next state}."""
        first = [s.permute(0, 3, 1, 2) if s.ndim == 4 else s for s in (frame, *states.values())]
        logits, *following = self.step(*first)
        last = [s.permute(0, 2, 3, 1) if s.ndim == 4 else s for s in following]
        return {LOGITS: logits, **dict(zip(states, last, strict=True))}


def _export(job: Job) -> bytes:
    import torch

    size = job.source.network.config.size
    arguments = {FRAME: torch.zeros(1, size, size, 3)}
    for name, state in zip(job.step.state_names, job.step.start(), strict=True):
        arguments[name] = state.permute(0, 2, 3, 1).contiguous() if state.ndim == 4 else state
    with quiet(stdout=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter's own, about its internals
        import litert_torch

        try:
            edge = litert_torch.convert(ChannelsLast(job.step).eval(), (), sample_kwargs=arguments)
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


def _require_int8(graph: GraphSpec, float_boundary: bool) -> None:
    """Asked for int8 and got something else is an error, never a float file."""
    conversions = graph.operators.get("QUANTIZE", 0) + graph.operators.get("DEQUANTIZE", 0)
    if conversions and not float_boundary:
        raise ConversionError(
            f"the int8 graph still has {conversions} conversions between float and int8 inside; it was not written"
        )
