"""The target Core ML, through coremltools: an ML Program in a package, for iPhones and Macs.

Tensors are channels first, the order of Core ML, so that the program has no transpose. The frame is an image, and
normalisation is inside. There are two state forms: ``io`` (iOS 17: inputs and outputs) and ``native`` (iOS 18: Core
ML's own states, which are float16). int8 is made in the torch graph (``quantize``); coremltools then stores the
weights as int8 with one scale per output channel.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from edgeshift.artifact.spec import CLIP, FRAME, LOGITS, NEXT, GraphSpec, GridSpec, TensorSpec
from edgeshift.converters.coreml.package import packaged
from edgeshift.converters.coreml.quantize import quantize
from edgeshift.converters.fresh import fresh_states
from edgeshift.converters.job import Job, Lowered, make_lowered
from edgeshift.converters.quantization.finished import require_int8
from edgeshift.converters.tools import run_tool
from edgeshift.errors import ConversionError
from edgeshift.runtimes.mil.package import coremltools

PROBABILITIES = "probabilities"
#: In int8, only convolutions, linear layers, means and sums get pairs. Softmax and products of tensors stay in float.
FLOAT_SOFTMAX = True


def lower(job: Job) -> Lowered:
    """See ``edgeshift.converters.job.Converter``."""
    _require_possible(job)
    tools = coremltools("converting to Core ML")
    grids: dict[str, GridSpec] = {}
    core: nn.Module = job.step
    if job.precision == "int8":
        with job.stages.stage("quantize"):
            core, grids = quantize(job.step, job.samples)
    with job.stages.stage("export"), run_tool(f"coremltools cannot convert {job.name}"):
        model = _convert(tools, job, core)
        body = packaged(model, job)
    operations = _operations(model.get_spec())
    if job.precision == "int8":
        require_int8(floats=_float_operations(operations))
    graph = GraphSpec(operators=dict(Counter(operation.type for operation in operations).most_common()))
    boundary = {name: _describe(job, tensor, grids.get(name)) for name, tensor in job.tensors().items()}
    return make_lowered(job, body, boundary, graph)


class StatesOutside(nn.Module):
    """The step as a function (frame, *states) -> (probabilities, logits, *next states), for the state form "io".

    Args:
        core: the step, or its int8 form.
        fresh: return fresh states (``edgeshift.converters.fresh``).
        weights: weights of the two rows of logits, those of the frames and of the sound, of a clip with a sound; None:
            there is one row.
    """

    def __init__(self, core: nn.Module, *, fresh: bool, weights: tuple[float, float] | None = None) -> None:
        super().__init__()
        self.core, self.fresh, self.weights = core, fresh, weights

    def forward(self, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Run one frame. All tensors are channels first."""
        logits, *following = self.core(frame, *states)
        following = fresh_states(frame, following) if self.fresh else following
        answer = logits
        if self.weights is not None:
            of_frames, of_sound = self.weights
            answer = (of_frames * logits[:1] + of_sound * logits[1:]) / (of_frames + of_sound)
        return (torch.softmax(answer, 1), logits, *following)


class StatesInside(nn.Module):
    """The step as a function (frame) -> (probabilities, logits), for the state form "native".

    coremltools turns buffers into states of the program only if they are written as slices. The parity check over many
    frames fails if it did not.
    """

    def __init__(self, core: nn.Module, states: dict[str, Tensor]) -> None:
        super().__init__()
        self.core, self.names = core, tuple(states)
        for name, state in states.items():
            self.register_buffer(name, state.clone())

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        """Run one frame. All tensors are channels first."""
        logits, *following = self.core(frame, *(self.get_buffer(name) for name in self.names))
        for name, state in zip(self.names, following, strict=True):
            self.get_buffer(name)[:] = state
        return torch.softmax(logits, 1), logits


def _require_possible(job: Job) -> None:
    """Raise a ConversionError for options and labels that Core ML does not support."""
    if job.state == "native" and job.precision == "fp32":
        raise ConversionError(
            "Core ML's own states are float16 and cannot hold those of fp32: use --precision fp16 or int8, or leave "
            "out --state native"
        )
    if job.state == "native" and not job.step.state_names:
        raise ConversionError(f"{job.name} has no state: leave out --state native")
    if job.state == "native" and job.step.starts:
        name, start = next(iter(job.step.starts.items()))
        raise ConversionError(
            f"Core ML's own states start with zeros, and {name} starts with {start:g}: leave out --state native"
        )


def _convert(tools: Any, job: Job, core: nn.Module) -> Any:
    """Convert in two passes. In one pass, coremltools cannot make a classifier of a program with named outputs."""
    step = job.step
    states = dict(zip(step.state_names, step.start(), strict=True))
    native = job.state == "native"
    half = job.precision != "fp32"
    dtype = np.float16 if half else np.float32
    frame = torch.zeros(job.input_shape).permute(0, 3, 1, 2)
    sound = job.source.config.sound
    weights = (float(step.frames), sound.weight) if step.sounds and sound is not None else None
    module = StatesInside(core, states) if native else StatesOutside(core, fresh=step.fresh, weights=weights)
    with torch.no_grad():
        example = (frame,) if native else (frame, *states.values())
        traced = torch.jit.trace(module.eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
    layout = tools.colorlayout.RGB if job.source.description.frame.order == "rgb" else tools.colorlayout.BGR
    if step.frames == 1:
        inputs = [tools.ImageType(name=FRAME, shape=tuple(frame.shape), color_layout=layout)]
    else:  # an image has no place for more than one frame
        inputs = [tools.TensorType(name=CLIP, shape=tuple(frame.shape), dtype=np.float32)]
    outputs = [tools.TensorType(name=PROBABILITIES), tools.TensorType(name=LOGITS, dtype=np.float32)]
    state_types = {}
    if native:
        state_types["states"] = [
            tools.StateType(wrapped_type=tools.TensorType(shape=tuple(state.shape), dtype=dtype), name=name)
            for name, state in states.items()
        ]
        for name, state in states.items():  # tracing ran the step and changed the buffers
            traced.get_buffer(name).copy_(state)
    else:
        inputs += [tools.TensorType(name=n, shape=tuple(state.shape), dtype=dtype) for n, state in states.items()]
        outputs += [tools.TensorType(name=NEXT + name, dtype=dtype) for name in states]
    target = tools.target.iOS18 if native else tools.target.iOS17
    pipeline = tools.PassPipeline.DEFAULT
    # This pass gives both inputs of an addition one scale. A state's input and output would then have different scales.
    pipeline.remove_passes({"common::distributive_quantized_binary_op_scale_normalization"})
    program = tools.convert(
        traced,
        inputs=inputs,
        outputs=outputs,
        **state_types,
        minimum_deployment_target=target,
        compute_precision=tools.precision.FLOAT16 if half else tools.precision.FLOAT32,
        convert_to="milinternal",
        pass_pipeline=pipeline,
    )
    _replace_states_whole(program)
    program.functions["main"].output_types = None
    return tools.convert(
        program,
        source="milinternal",
        classifier_config=tools.ClassifierConfig(
            list(job.source.description.labels), predicted_probabilities_output=PROBABILITIES
        ),
        minimum_deployment_target=target,
        compute_precision=tools.precision.FLOAT32,  # the first pass has set the precision
        convert_to="mlprogram",
        pass_pipeline=_packed_weights(tools) if job.precision == "int8" else tools.PassPipeline.EMPTY,
        skip_model_load=True,
    )


def _replace_states_whole(program: Any) -> None:
    """Write next states directly. coremltools would write a copy of the state, overwritten as a whole by a slice."""
    block = program.functions["main"]
    for update in [operation for operation in block.operations if operation.op_type == "coreml_update_state"]:
        patch = update.value.op
        if patch is not None and patch.op_type == "slice_update" and patch.update.shape == patch.x.shape:
            with block:
                block.replace_uses_of_var_after_op(
                    anchor_op=patch, old_var=patch.outputs[0], new_var=patch.update, no_check_var_types=True
                )
                block.remove_ops([patch])


def _packed_weights(tools: Any) -> Any:
    """Return a pass pipeline that stores weights as int8: symmetric, with one scale per output channel."""
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


def _describe(job: Job, tensor: TensorSpec, grid: GridSpec | None) -> TensorSpec:
    """Return the description of an input or output. Loading the artifact checks it against the program."""
    if tensor.name == FRAME:
        return msgspec.structs.replace(tensor, dtype="uint8")
    if tensor.name == LOGITS:
        return tensor
    batch, *inner, channels = tensor.shape
    if tensor.name == CLIP:
        return msgspec.structs.replace(tensor, shape=(batch, channels, *inner), channels="first")
    dtype = "float32" if job.precision == "fp32" else "float16"
    return msgspec.structs.replace(tensor, shape=(batch, channels, *inner), dtype=dtype, channels="first", grid=grid)


def _operations(model: Any) -> list[Any]:
    """Return the operations of a program, without constants."""
    (block,) = model.mlProgram.functions["main"].block_specializations.values()
    return [operation for operation in block.operations if operation.type != "const"]


def _float_operations(operations: list[Any]) -> list[str]:
    """Return the convolutions and linear layers that read a float tensor or a float weight."""
    makers = {output.name: operation.type for operation in operations for output in operation.outputs}
    floats = []
    for operation in operations:
        if operation.type in ("conv", "linear"):
            x, weight = (makers.get(operation.inputs[name].arguments[0].name, "const") for name in ("x", "weight"))
            if x != "dequantize" or not weight.startswith("constexpr_"):
                floats.append(f"a {operation.type} (input from {x}, weight from {weight})")
    return floats
