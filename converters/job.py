"""The registry of targets, and what passes between the driver and a target."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from edgeshift._system.progress import Stages
from edgeshift.artifact.spec import FRAME, LOGITS, GraphSpec, Precision, StateForm, TensorSpec
from edgeshift.checkpoints.source import Source
from edgeshift.models.network import Step
from edgeshift.stream import Array

#: {name: module}; imported when the target is asked for.
TARGETS = {
    "tflite": "edgeshift.converters.tflite.target",
    "onnx": "edgeshift.converters.onnx.target",
    "tensorrt": "edgeshift.converters.onnx.tensorrt",
    "coreml": "edgeshift.converters.coreml.target",
    "executorch": "edgeshift.converters.executorch.target",
}


class Backend(NamedTuple):
    """What a target has for one of its backends."""

    precisions: tuple[Precision, ...]
    states: tuple[StateForm, ...]


@dataclass(frozen=True)
class Job:
    """What a target is given.

    Attributes:
        source: the original, for names and labels. step: the deployed step to lower.
        precision: one of the target's.
        samples: calibration samples (``edgeshift.converters.calibration.roll``); empty unless int8.
        float_boundary: int8 inside, float frames, states and logits outside.
        stages: to time and draw the work.
        state: where the states are between steps, one of the target's ``STATES``.
        backend: one of the target's ``BACKENDS``; None: it has one only.
        shared: graphs of this step that other targets made before, by name.
    """

    source: Source
    step: Step
    precision: Precision
    samples: Sequence[dict[str, Array]]
    float_boundary: bool
    stages: Stages
    state: StateForm = "io"
    backend: str | None = None
    shared: dict[str, bytes] = field(default_factory=dict)

    def tensors(self, target: str) -> dict[str, TensorSpec]:
        """{name: tensor} of the boundary as the spec describes it, for a target to find in its graph."""
        spec = self.source.describe(target, self.precision, self.step)
        return {tensor.name: tensor for tensor in (spec.input, spec.output, *spec.states)}


@dataclass(frozen=True)
class Lowered:
    """What a target returns: the graph as bytes, and the boundary it really has.

    ``unproven`` says why nothing on this platform can run it; None: parity is to be proven.
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
    packages: Sequence[str],
    unproven: str | None = None,
) -> Lowered:
    """Put together what a target returns.

    Args:
        found: {name: tensor} of the graph's real boundary. packages: that made it, whose versions are noted.
        unproven: why it cannot be run here.
    """
    return Lowered(
        body=body,
        input=found[FRAME],
        output=found[LOGITS],
        states=tuple(found[name] for name in job.step.state_names),
        graph=graph,
        tools={package: importlib.metadata.version(package) for package in packages},
        unproven=unproven,
    )


class Target(Protocol):
    """The face of a target's module. A Protocol, because modules cannot inherit.

    It may also have ``NOTES``, lines that every conversion says on stderr; ``STATES``, the choices of ``--state``
    (none: "io"); ``BACKENDS``, those of ``--backend`` with what each has; and ``EXTRA_RUNTIMES``, names of runtimes that an
    artifact must hold on besides its own. The first choice is the default.
    """

    SUFFIX: str
    PRECISIONS: tuple[Precision, ...]

    def lower(self, job: Job) -> Lowered:
        """Lower the step.

        Raises:
            ConversionError: it cannot be done as asked.
            RuntimeMissingError: the converter is not installed.
        """
        ...
