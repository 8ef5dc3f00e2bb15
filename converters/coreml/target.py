"""Core ML, through coremltools: an ML Program in a package, for iPhones and Macs.

Tensors are channels first, as Core ML computes, so that the program has no transpose; the frame is an image, and
normalisation is inside. Two forms carry the state: ``io`` (iOS 17: inputs and outputs) and ``native`` (iOS 18: Core
ML's own states, which are float16). int8 has quantize and dequantize from the torch side (``fx_qdq``) and weights with
a scale per output channel.
"""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from edgeshift._system.quiet import quiet
from edgeshift.artifact.spec import FRAME, LOGITS, NEXT, GraphSpec, GridSpec, TensorSpec
from edgeshift.converters.coreml.package import packaged
from edgeshift.converters.coreml.quantize import quantize
from edgeshift.converters.job import Job, Lowered, make_lowered
from edgeshift.converters.quantization.finished import require_int8
from edgeshift.errors import ConversionError, one_line
from edgeshift.runtimes.mil.package import coremltools

PROBABILITIES = "probabilities"


def lower(job: Job) -> Lowered:
    """See ``edgeshift.converters.job.Converter``."""
    _require_sense(job)
    tools = coremltools("converting to Core ML")
    grids: dict[str, GridSpec] = {}
    core: nn.Module = job.step
    if job.precision == "int8":
        with job.stages.stage("quantize"):
            core, grids = quantize(job.step, job.samples)
    with job.stages.stage("export"), quiet(stdout=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter's own, about its internals
        try:
            model = _convert(tools, job, core)
            body = packaged(model, job)
        except Exception as error:
            name = job.source.network.config.name
            raise ConversionError(f"coremltools cannot convert {name}: {one_line(error)}") from error
    operations = _operations(model.get_spec())
    if job.precision == "int8":
        require_int8(floats=_float_operations(operations))
    graph = GraphSpec(operators=dict(Counter(one.type for one in operations).most_common()))
    found = {name: _described(job, tensor, grids.get(name)) for name, tensor in job.tensors().items()}
    return make_lowered(job, body, found, graph)


class StatesOutside(nn.Module):
    """(frame, *states) to (probabilities, logits, *next states)."""

    def __init__(self, core: nn.Module) -> None:
        super().__init__()
        self.core = core

    def forward(self, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Channels first."""
        logits, *following = self.core(frame, *states)
        return (torch.softmax(logits, 1), logits, *following)


class StatesInside(nn.Module):
    """(frame) to (probabilities, logits), states in buffers that coremltools makes states of the program.

    Written by slices: that is what it recognises. Nothing here is believed: parity is over frames.
    """

    def __init__(self, core: nn.Module, states: dict[str, Tensor]) -> None:
        super().__init__()
        self.core, self.names = core, tuple(states)
        for name, state in states.items():
            self.register_buffer(name, state.clone())

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        """Channels first."""
        logits, *following = self.core(frame, *(self.get_buffer(name) for name in self.names))
        for name, state in zip(self.names, following, strict=True):
            self.get_buffer(name)[:] = state
        return torch.softmax(logits, 1), logits


def _require_sense(job: Job) -> None:
    if job.state == "native" and job.precision == "fp32":
        raise ConversionError(
            "Core ML's own states are float16, so fp32 cannot carry its state in them: take --precision fp16 or int8, "
            "or leave --state native out"
        )
    if job.state == "native" and not job.step.state_names:
        raise ConversionError(f"{job.source.network.config.name} carries no state: leave --state native out")
    labels = job.source.description.labels
    if len(set(labels)) != len(labels):
        twice = next(label for label, count in Counter(labels).items() if count > 1)
        raise ConversionError(
            f"the label {twice!r:.80} is there twice; Core ML gives probabilities by label: rename one"
        )


def _convert(tools: Any, job: Job, core: nn.Module) -> Any:
    """An ML Program in two passes: coremltools cannot yet end a program with named outputs in a classifier in one."""
    size, step = job.source.network.config.size, job.step
    states = dict(zip(step.state_names, step.start(), strict=True))
    native = job.state == "native"
    half = job.precision != "fp32"
    dtype = _numpy(half)
    frame = torch.zeros(1, 3, size, size)
    module = StatesInside(core, states) if native else StatesOutside(core)
    with torch.no_grad():
        given = (frame,) if native else (frame, *states.values())
        traced = torch.jit.trace(module.eval(), given, check_trace=False)  # type: ignore[no-untyped-call]
    layout = tools.colorlayout.RGB if job.source.description.frame.order == "rgb" else tools.colorlayout.BGR
    inputs = [tools.ImageType(name=FRAME, shape=tuple(frame.shape), color_layout=layout)]
    outputs = [tools.TensorType(name=PROBABILITIES), tools.TensorType(name=LOGITS, dtype=_numpy(half=False))]
    kept = {}
    if native:
        kept["states"] = [
            tools.StateType(wrapped_type=tools.TensorType(shape=tuple(state.shape), dtype=dtype), name=name)
            for name, state in states.items()
        ]
        for name, state in states.items():  # tracing ran the step: a buffer must not begin with what that left
            traced.get_buffer(name).copy_(state)
    else:
        inputs += [tools.TensorType(name=n, shape=tuple(state.shape), dtype=dtype) for n, state in states.items()]
        outputs += [tools.TensorType(name=NEXT + name, dtype=dtype) for name in states]
    target = tools.target.iOS18 if native else tools.target.iOS17
    pipeline = tools.PassPipeline.DEFAULT
    # It would give the two sides of an addition one scale, and with that a state's ends different ones.
    pipeline.remove_passes({"common::distributive_quantized_binary_op_scale_normalization"})
    program = tools.convert(
        traced,
        inputs=inputs,
        outputs=outputs,
        **kept,
        minimum_deployment_target=target,
        compute_precision=tools.precision.FLOAT16 if half else tools.precision.FLOAT32,
        convert_to="milinternal",
        pass_pipeline=pipeline,
    )
    _write_whole(program)
    program.functions["main"].output_types = None
    return tools.convert(
        program,
        source="milinternal",
        classifier_config=tools.ClassifierConfig(
            list(job.source.description.labels), predicted_probabilities_output=PROBABILITIES
        ),
        minimum_deployment_target=target,
        compute_precision=tools.precision.FLOAT32,  # it is what it is already
        convert_to="mlprogram",
        pass_pipeline=_packed_weights(tools) if job.precision == "int8" else tools.PassPipeline.EMPTY,
        skip_model_load=True,
    )


def _write_whole(program: Any) -> None:
    """States are replaced, not read, patched from end to end and written back."""
    block = program.functions["main"]
    for update in [one for one in block.operations if one.op_type == "coreml_update_state"]:
        patch = update.value.op
        if patch is not None and patch.op_type == "slice_update" and patch.update.shape == patch.x.shape:
            with block:
                block.replace_uses_of_var_after_op(
                    anchor_op=patch, old_var=patch.outputs[0], new_var=patch.update, no_check_var_types=True
                )
                block.remove_ops([patch])


def _packed_weights(tools: Any) -> Any:
    """A pipeline that packs the weights of convolutions and of the linear layer: symmetric, a scale per channel."""
    from coremltools.optimize import coreml as optimize

    weights = optimize.OpLinearQuantizerConfig(
        mode="linear_symmetric", dtype="int8", granularity="per_channel", weight_threshold=0
    )
    config = optimize.OptimizationConfig(op_type_configs={"conv": weights, "linear": weights})
    pipeline = tools.PassPipeline.EMPTY
    pipeline.append_pass("compression::linear_quantize_weights")
    pipeline.append_pass("common::dead_code_elimination")
    pipeline.set_options("compression::linear_quantize_weights", {"config": config})
    return pipeline


def _described(job: Job, tensor: TensorSpec, grid: GridSpec | None) -> TensorSpec:
    """A tensor of the boundary as it is here; loading the artifact checks that against the program."""
    if tensor.name == FRAME:
        return msgspec.structs.replace(tensor, dtype="uint8")
    if tensor.name == LOGITS:
        return tensor
    batch, *inner, channels = tensor.shape
    dtype = "float32" if job.precision == "fp32" else "float16"
    return msgspec.structs.replace(tensor, shape=(batch, channels, *inner), dtype=dtype, channels="first", grid=grid)


def _operations(model: Any) -> list[Any]:
    """Of the program, constants aside."""
    (block,) = model.mlProgram.functions["main"].block_specializations.values()
    return [one for one in block.operations if one.type != "const"]


def _float_operations(operations: list[Any]) -> list[str]:
    """Return the convolutions and linear layers that do not read an int8 tensor and a packed weight."""
    makers = {output.name: one.type for one in operations for output in one.outputs}
    floats = []
    for one in operations:
        if one.type in ("conv", "linear"):
            x, weight = (makers.get(one.inputs[name].arguments[0].name, "const") for name in ("x", "weight"))
            if x != "dequantize" or not weight.startswith("constexpr_"):
                floats.append(f"a {one.type} of a {x} with a weight from a {weight}")
    return floats


def _numpy(half: bool) -> type:
    import numpy as np

    return np.float16 if half else np.float32
