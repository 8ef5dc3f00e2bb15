"""The target ExecuTorch, through torch.export and a delegate: XNNPACK on any processor, or Core ML on Apple's devices.

The memory of the tensors is channels last, the order in which XNNPACK computes, so that the delegate transposes only
the pooled features (one pixel) before the head. int8 is made before the graph is lowered (``quantize``). Inputs and
outputs are int8 as well, so that nothing is converted.

    --state io      (frame, states) -> (logits, next states): the caller feeds the states back
    --state buffer  (frame) -> (logits): the program holds the states, and writes them after the delegate call
"""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from edgeshift.artifact.spec import GraphSpec
from edgeshift.converters.channels_last import ChannelsLast, ChannelsLastMemory, example, memory_example
from edgeshift.converters.executorch.export import export, export_step
from edgeshift.converters.executorch.graph import boundary, graph_spec
from edgeshift.converters.executorch.quantize import quantize
from edgeshift.converters.job import Job, Lowered, make_lowered
from edgeshift.converters.quantization.finished import require_int8
from edgeshift.converters.quantization.grid import store
from edgeshift.converters.tools import run_tool
from edgeshift.errors import ConversionError
from edgeshift.models.clip_step import with_pooled_frames
from edgeshift.runtimes.native import package_version
from edgeshift.targets import find_target, require_converter

#: Why an artifact for Core ML has no parity figures.
UNPROVEN = (
    "not verified on this platform: Core ML runs only on Apple's systems; to check it there: edgeshift verify FILE"
)
#: Operators that ExecuTorch 1.5.1 gives to XNNPACK in float only: ``supported_precision_types`` in its module
#: ``executorch.backends.xnnpack.partition.config.generic_node_configs``. XNNPACK itself has int8 forms of some of them.
FLOAT_ONLY = (
    *("Abs", "AvgPooling2d", "BatchMatrixMultiply", "Ceiling", "Div", "Exp", "Floor", "Gelu", "Hardswish"),
    *("LeakyReLU", "Log", "Maximum", "Minimum", "Negate", "PReLU", "ReciprocalSquareRoot", "Sigmoid", "Softmax"),
    *("Square", "SquareRoot", "Tanh"),
)


def lower(job: Job) -> Lowered:
    """See ``edgeshift.converters.job.Converter``."""
    with run_tool(f"ExecuTorch cannot convert {job.name}"):
        return _coreml(job) if job.backend == "coreml" else _xnnpack(job)


def _xnnpack(job: Job) -> Lowered:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    if job.step.fresh and job.precision == "int8":
        raise ConversionError(
            "--fresh-states is not possible for int8 of executorch, whose XNNPACK back end has no int8 form of a "
            "maximum: leave it out, because XNNPACK computes on the CPU, which does not need it"
        )
    module: nn.Module = ChannelsLastMemory(with_pooled_frames(job.step)).eval()
    inputs = tuple(memory_example(job).values())
    grids = None
    if job.precision == "fp16":
        module, inputs = copy.deepcopy(module).half(), tuple(tensor.half() for tensor in inputs)
    with job.stages.stage("export"):
        module = graph_module = export_step(job, module, inputs)
    if job.precision == "int8":
        with job.stages.stage("quantize"):
            module, grids = quantize(job, graph_module)
        if not job.float_boundary:
            inputs = tuple(store(tensor, grid) for tensor, grid in zip(inputs, grids[:-1], strict=True))
    with job.stages.stage("lower"):
        if job.state == "buffer":
            starts = dict(zip(job.step.state_names, inputs[1:], strict=True))
            module, inputs = Buffered(module, starts), inputs[:1]
        program, graph = _lower(job, export(job, module, inputs), XnnpackPartitioner())
    if job.precision == "int8":
        _require_int8_forms(job, graph)
        allowed = 2 * (len(job.step.state_names) + 1) if job.float_boundary else 0
        conversions = graph.operators.get("Convert", 0) + sum("quantize" in kind for kind in graph.outside)
        require_int8(conversions, allowed)
    return make_lowered(job, program, boundary(job, grids), graph)


def _require_int8_forms(job: Job, graph: GraphSpec) -> None:
    """Raise a ConversionError if a graph has operators that ExecuTorch computes in float only."""
    floats = sorted(set(graph.operators) & set(FLOAT_ONLY))
    if floats:
        raise ConversionError(
            f"int8 of {job.name} is not possible: ExecuTorch {package_version('executorch')} has no int8 form of "
            f"{', '.join(floats)} in its XNNPACK back end: use --precision fp16 or fp32, or --target tflite or onnx"
        )


def _coreml(job: Job) -> Lowered:
    require_converter(find_target("coreml"))
    import coremltools
    from executorch.backends.apple.coreml.compiler import CoreMLBackend
    from executorch.backends.apple.coreml.partition import CoreMLPartitioner

    kind = "FLOAT32" if job.precision == "fp32" else "FLOAT16"
    specs = CoreMLBackend.generate_compile_specs(
        compute_precision=coremltools.precision[kind], minimum_deployment_target=coremltools.target.iOS16
    )
    with job.stages.stage("export"):
        inputs = tuple(example(job).values())
        module = export_step(job, ChannelsLast(with_pooled_frames(job.step)).eval(), inputs)
    with job.stages.stage("lower"):
        program, graph = _lower(job, export(job, module, inputs), CoreMLPartitioner(compile_specs=specs))
    return make_lowered(job, program, boundary(job, None), graph, ("coremltools",), UNPROVEN)


class Buffered(nn.Module):
    """A step that holds its states in buffers and writes them at its end.

    ExecuTorch keeps these writes. The exporters of other targets drop them without an error.

    Args:
        step: ``step(frame, *states) -> (logits, *next_states)``.
        starts: {name: value of the state before the first frame, as stored}.
    """

    def __init__(self, step: nn.Module, starts: dict[str, Tensor]) -> None:
        super().__init__()
        self.step = step
        self.names = tuple(starts)
        for name, start in starts.items():
            # A copy: running the step would change the start value that goes into the file.
            self.register_buffer(name, start.clone())

    def forward(self, frame: Tensor) -> tuple[Tensor, ...]:
        """Return the logits, and write the next states into the buffers."""
        logits, *following = self.step(frame, *(self.get_buffer(name) for name in self.names))
        for name, state in zip(self.names, following, strict=True):
            self.get_buffer(name).copy_(state)
        return (logits,)


def _lower(job: Job, exported: Any, partitioner: Any) -> tuple[bytes, GraphSpec]:
    """Lower an exported step. Return the program as bytes, and the operators in it."""
    from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower
    from executorch.exir.passes import MemoryPlanningPass
    from executorch.exir.passes.init_mutable_pass import InitializedMutableBufferPass

    config = ExecutorchBackendConfig(
        # Without this pass, buffers start with whatever is in their memory.
        passes=[InitializedMutableBufferPass(list(job.step.state_names))] if job.state == "buffer" else [],
        emit_mutable_buffer_names=job.state == "buffer",
        # No memory is planned for inputs, because they are read from the caller's memory.
        memory_planning_pass=MemoryPlanningPass(alloc_graph_input=False),
    )
    with run_tool(f"ExecuTorch cannot lower {job.name}"):
        edge = to_edge_transform_and_lower(exported, partitioner=[partitioner])
        program = edge.to_executorch(config)
    body = bytes(program.buffer)
    return body, graph_spec(body, job.backend or "xnnpack")
