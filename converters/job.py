"""The interface between the pipeline and the module of a target: a job goes in, a lowered graph comes out."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from edgeshift._system.npus import Chip
from edgeshift._system.progress import Stages
from edgeshift.artifact.spec import LOGITS, GraphSpec, TensorSpec, input_name
from edgeshift.checkpoints import Checkpoint
from edgeshift.models.network import Exportable
from edgeshift.runtimes.native import package_version
from edgeshift.stream import Array
from edgeshift.targets import Precision, StateForm, Target


@dataclass(frozen=True)
class Job:
    """What to convert, and how: the input of a target's ``lower`` function.

    Attributes:
        target: the record of the target.
        source: the original network, with names and labels.
        step: the deployed step or clip function to lower.
        precision: a precision that the target supports.
        samples: calibration samples (``edgeshift.converters.calibration.roll``); empty unless the precision is int8.
        float_boundary: frames, states and logits stay float32 in an int8 graph.
        stages: measures and shows progress.
        state: where the states are kept between two steps; a form that the target supports.
        backend: the back end of the target; None: the target has only one.
        float_layers: patterns of layers that an int8 graph computes in float.
        htp: version of Qualcomm's NPU to compile for, such as "v75"; None: the default, or a target without an NPU.
        chip: chip whose NPU the graph is compiled for with ``--aot``; None: it is not.
        shared: {name: graph of this step}. A target stores graphs here that other conversions of the step can use.
    """

    target: Target
    source: Checkpoint
    step: Exportable
    precision: Precision
    samples: Sequence[dict[str, Array]]
    float_boundary: bool
    stages: Stages
    state: StateForm = "io"
    backend: str | None = None
    float_layers: tuple[str, ...] = ()
    htp: str | None = None
    chip: Chip | None = None
    shared: dict[str, bytes] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the network, for error messages."""
        return self.source.network.config.name

    @property
    def input_name(self) -> str:
        """Name of the graph's input."""
        return input_name(self.step.frames)

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Shape of the graph's input, channels last: one frame, or the frames of a clip, and a sound if it has one."""
        size = self.source.network.config.size
        return self.step.pictures, size, size, 3

    def tensors(self) -> dict[str, TensorSpec]:
        """Return {name: tensor} of the input, the logits and the states, in float32 and channels last."""
        spec = self.source.describe(self.target.name, self.precision, self.step)
        return {tensor.name: tensor for tensor in (spec.input, spec.output, *spec.states)}


@dataclass(frozen=True)
class Lowered:
    """A finished graph, its tensors and its tools: the result of a target's ``lower`` function.

    Attributes:
        body: the graph as bytes.
        input: the frame or clip, as the finished graph takes it.
        output: the logits, as the finished graph returns them.
        states: the states, as the finished graph takes and returns them.
        graph: the operators that the runtime will execute.
        tools: {package: version} of the tools that made the graph.
        unproven: why no runtime on this machine can run the graph; None: it is compared with the original.
        before: the ONNX graph from before a compilation, whose answers must be those of the compiled graph. ONNX
            Runtime computes them on the CPU. None: the graph is not compiled.
        ahead: compiles the graph for an NPU that this machine does not have, and returns the result. It is called after
            the graph has passed its comparison with the original. None: there is nothing to compile.
    """

    body: bytes
    input: TensorSpec
    output: TensorSpec
    states: tuple[TensorSpec, ...]
    graph: GraphSpec
    tools: dict[str, str] = field(default_factory=dict)
    unproven: str | None = None
    before: bytes | None = None
    ahead: Callable[[], Lowered] | None = None


def make_lowered(
    job: Job,
    body: bytes,
    boundary: Mapping[str, TensorSpec],
    graph: GraphSpec,
    more_packages: Sequence[str] = (),
    unproven: str | None = None,
) -> Lowered:
    """Return the lowered graph of a job.

    Args:
        job: the conversion.
        body: the graph as bytes.
        boundary: {name: input or output of the finished graph}.
        graph: the operators that the runtime will execute.
        more_packages: packages to record in ``tools``, besides the target's ``converter_packages``.
        unproven: why no runtime on this machine can run the graph.
    """
    packages = (*job.target.converter_packages, *more_packages)
    return Lowered(
        body=body,
        input=boundary[job.input_name],
        output=boundary[LOGITS],
        states=tuple(boundary[name] for name in job.step.state_names),
        graph=graph,
        tools={package: package_version(package) for package in packages},
        unproven=unproven,
    )


class Converter(Protocol):
    """The module of a target. A Protocol, because a module cannot inherit from a class."""

    def lower(self, job: Job) -> Lowered:
        """Lower the step to the target's graph.

        Raises:
            ConversionError: the target cannot convert this step with these options.
            RuntimeMissingError: a package that the conversion needs is not installed.
        """
        ...


def converter_of(target: Target) -> Converter:
    """Import and return the module that lowers a step for a target. The import can take seconds."""
    return cast("Converter", importlib.import_module(target.converter))
