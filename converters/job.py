"""What passes between the pipeline, which is the same for every target, and a target's own module."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from edgeshift._system.progress import Stages
from edgeshift.artifact.spec import FRAME, LOGITS, GraphSpec, TensorSpec
from edgeshift.checkpoints import Checkpoint
from edgeshift.models.network import Step
from edgeshift.stream import Array
from edgeshift.targets import Precision, StateForm, Target


@dataclass(frozen=True)
class Job:
    """What a target's module is asked to lower.

    Attributes:
        target: the record of the target.
        source: the original network, for names and labels.
        step: the deployed step function to lower.
        precision: one of the target's.
        samples: calibration samples (``edgeshift.converters.calibration.roll``); empty unless int8.
        float_boundary: int8 inside the graph, float32 frames, states and logits outside.
        stages: times the work and draws its progress.
        state: where the states are between steps; one of the target's state forms.
        backend: the target's back end; None: the target has only one.
        shared: graphs of this step that other targets made before, by name.
    """

    target: Target
    source: Checkpoint
    step: Step
    precision: Precision
    samples: Sequence[dict[str, Array]]
    float_boundary: bool
    stages: Stages
    state: StateForm = "io"
    backend: str | None = None
    shared: dict[str, bytes] = field(default_factory=dict)

    def tensors(self) -> dict[str, TensorSpec]:
        """{name: tensor} of the step's frame, logits and states, in float32 and channels last."""
        spec = self.source.describe(self.target.name, self.precision, self.step)
        return {tensor.name: tensor for tensor in (spec.input, spec.output, *spec.states)}


@dataclass(frozen=True)
class Lowered:
    """What a target's module returns.

    Attributes:
        body: the graph as bytes.
        input, output, states: the tensors at the graph's boundary as they really are.
        graph: what the runtime will execute.
        tools: {package: version} that made it.
        unproven: why nothing on this machine can run the graph; None: it is compared with the original.
    """

    body: bytes
    input: TensorSpec
    output: TensorSpec
    states: tuple[TensorSpec, ...]
    graph: GraphSpec
    tools: dict[str, str] = field(default_factory=dict)
    unproven: str | None = None


def make_lowered(
    job: Job,
    body: bytes,
    found: Mapping[str, TensorSpec],
    graph: GraphSpec,
    also: Sequence[str] = (),
    unproven: str | None = None,
) -> Lowered:
    """Put together what a target's module returns.

    Args:
        job: what was asked for.
        body: the graph.
        found: {name: tensor} of the graph's real boundary.
        graph: what the runtime will execute.
        also: packages that took part besides the target's own.
        unproven: why the graph cannot be run here.
    """
    packages = (*job.target.converter_packages, *also)
    return Lowered(
        body=body,
        input=found[FRAME],
        output=found[LOGITS],
        states=tuple(found[name] for name in job.step.state_names),
        graph=graph,
        tools={package: importlib.metadata.version(package) for package in packages},
        unproven=unproven,
    )


class Converter(Protocol):
    """A target's module. A Protocol, because a module cannot inherit from a class."""

    def lower(self, job: Job) -> Lowered:
        """Lower the step to the target's graph.

        Raises:
            ConversionError: it cannot be done as asked.
            RuntimeMissingError: a package that converts is not installed.
        """
        ...


def converter_of(target: Target) -> Converter:
    """The module that lowers a step for a target. Importing it can take seconds."""
    return cast("Converter", importlib.import_module(target.converter))
