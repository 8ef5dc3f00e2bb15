"""A reference executor for Core ML programs: it runs the operations of a package in numpy, on any platform.

Core ML itself runs only on Apple's systems. This executor reads a package with coremltools' own loader, including
states, packed weights and quantization, so that the machine that makes an artifact can check it over many frames. The
check covers what the program computes, but not Core ML's speed or rounding. An unknown operation is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeshift._system.quiet import quiet
from edgeshift.artifact.file import Artifact
from edgeshift.artifact.soundness import GraphFacts, require_sound
from edgeshift.artifact.spec import NEXT, StreamSpec
from edgeshift.errors import ArtifactError, EdgeshiftError, one_line
from edgeshift.runtimes.mil import ops, quantization, windows
from edgeshift.runtimes.mil.package import coremltools, require_description, unpacked
from edgeshift.stream import Array, Model
from edgeshift.targets import Precision

NOT_VERIFIED = "Core ML runtime: not verified on this platform"
#: {operation: function that computes it}.
OPERATIONS = {**ops.OPERATIONS, **windows.OPERATIONS, **quantization.OPERATIONS}
#: Operations on states, and the operation that ends a classifier. ``Program`` runs these itself.
READ, UPDATE, CLASSIFY = "read_state", "coreml_update_state", "classify"
MOVES = {function.__name__ for function in ops.MOVES}


def open_artifact(artifact: Artifact, *, threads: int = 1) -> Model:
    """Open a .mlpackage artifact from memory. Its file need not exist yet.

    Args:
        artifact: the artifact in memory, made by ``edgeshift convert --target coreml``.
        threads: ignored, because numpy chooses its threads. All runtimes have this option.

    Raises:
        ArtifactError: the program cannot be read, does not match the description, or has an unknown operation.
        RuntimeMissingError: coremltools is not installed.
    """
    if not 1 <= threads <= 64:
        raise EdgeshiftError(f"threads must be 1 to 64, not {threads}")
    tools = coremltools(f"running {artifact.path}")
    program = read_program(artifact)
    require_sound(artifact, "mil", lambda _: GraphFacts(program.precision))
    title = f"Core ML program, reference executor (coremltools {tools.__version__}); {NOT_VERIFIED}"
    return Model(artifact.spec, title, lambda: _ProgramExecutor(program, artifact))


def read_program(artifact: Artifact) -> Program:
    """Read the main function of a package.

    Raises:
        ArtifactError: see ``open_artifact``.
    """
    tools, path = coremltools(f"reading {artifact.path}"), artifact.path
    from coremltools.converters.mil.frontend.milproto import load as milproto

    with unpacked(artifact) as folder:
        try:
            with quiet(stdout=True):
                model = tools.utils.load_spec(str(folder))
                weights = folder / "Data/com.apple.CoreML/weights"
                version, newest = model.specificationVersion, max(int(target) for target in tools.target)
                if version > newest:
                    raise ArtifactError(
                        f"{path}: its format has version {version}, which coremltools {tools.__version__} does not "
                        "know: update coremltools"
                    )
                kind = model.WhichOneof("Type")
                loaded = milproto.load(model, version, str(weights)) if kind == "mlProgram" else None
        except ArtifactError:
            raise
        except Exception as error:  # the loader raises many kinds of exceptions
            raise ArtifactError(
                f"{path}: coremltools cannot read its program: {one_line(error)}; convert the model again"
            ) from error
        if loaded is None:
            raise ArtifactError(
                f"{path}: not an ML Program but a model of kind {kind}: not made by `edgeshift convert`"
            )
        require_description(artifact, model.description)
        try:
            return Program.of(loaded.functions["main"])
        except KeyError as error:
            raise ArtifactError(f"{path}: its program has no function named main") from error
        except NotImplementedError as error:
            raise ArtifactError(f"{path}: the reference executor does not know {error}") from error


@dataclass(frozen=True)
class Instruction:
    """One operation.

    Attributes:
        kind: name of the operation.
        constants: {input: value}, for inputs that are constants.
        inputs: {input: name of a variable, or names of several}, for the other inputs.
        outputs: (name, type) of each result.
    """

    kind: str
    constants: dict[str, Any]
    inputs: dict[str, str | tuple[str, ...]]
    outputs: tuple[tuple[str, str], ...]


@dataclass
class Program:
    """The instructions of a function.

    Attributes:
        instructions: the instructions, in order.
        constants: {variable: value} of the constants.
        outputs: names of the function's results.
        quantized: True if it quantizes values or weights.
    """

    instructions: list[Instruction] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    quantized: bool = False

    @property
    def precision(self) -> Precision:
        """The precision of the program."""
        types = {
            kind for instruction in self.instructions for _, kind in instruction.outputs if instruction.kind == "conv"
        }
        return "int8" if self.quantized else "fp16" if "fp16" in types else "fp32"

    @classmethod
    def of(cls, function: Any) -> Program:
        """Make a program from a function of coremltools.

        Raises:
            NotImplementedError: an operation is unknown.
        """
        program = cls(outputs=tuple(variable.name for variable in function.outputs))
        for operation in function.operations:
            program._add(operation)
        return program

    def kinds(self) -> dict[str, int]:
        """Return the number of instructions of each kind."""
        return dict(Counter(instruction.kind for instruction in self.instructions))

    def run(self, values: dict[str, Any], states: dict[str, Array]) -> dict[str, Any]:
        """Run the function.

        Args:
            values: {input: array}.
            states: {name: array}. They are updated in place.

        Returns:
            {output: value}.
        """
        variables = {**self.constants, **values}
        with np.errstate(all="ignore"):
            for instruction in self.instructions:
                variables.update(self._execute(instruction, variables, states))
        return {name: variables[name] for name in self.outputs}

    def _add(self, operation: Any) -> None:
        kind = operation.op_type
        if kind == "const":
            self.constants[operation.outputs[0].name] = operation.outputs[0].val
            return
        if kind not in OPERATIONS and kind not in (READ, UPDATE, CLASSIFY):
            raise NotImplementedError(f"the operation {kind}")
        self.quantized = self.quantized or "quantize" in kind or kind.startswith("constexpr_")
        constants: dict[str, Any] = {}
        inputs: dict[str, str | tuple[str, ...]] = {}
        for name, source in operation.inputs.items():
            if source is None:
                continue
            if isinstance(source, (tuple, list)):
                inputs[name] = tuple(variable.name for variable in source)
            elif source.name in self.constants:
                constants[name] = _to_float32(self.constants[source.name])
            else:
                inputs[name] = source.name
        outputs = tuple((variable.name, _type(variable)) for variable in operation.outputs)
        instruction = Instruction(kind, constants, inputs, outputs)
        if kind.startswith("constexpr_"):
            self.constants.update(self._execute(instruction, self.constants, {}))
        else:
            self.instructions.append(instruction)

    def _execute(self, instruction: Instruction, variables: dict[str, Any], states: dict[str, Array]) -> dict[str, Any]:
        """Return {variable: value} of the results of one instruction."""
        kind, constants, inputs = instruction.kind, instruction.constants, instruction.inputs
        if kind == READ:
            return {instruction.outputs[0][0]: states[str(inputs["input"])].copy()}
        if kind == UPDATE:
            name = str(inputs["state"])
            value = constants["value"] if "value" in constants else variables[str(inputs["value"])]
            states[name] = np.asarray(value).astype(states[name].dtype).reshape(states[name].shape)
            return {instruction.outputs[0][0]: states[name].copy()}
        convert: Callable[[Any], Any] = (lambda value: value) if kind in MOVES else _to_float32
        arguments = dict(constants)
        for name, source in inputs.items():
            parts = [convert(variables[part]) for part in ((source,) if isinstance(source, str) else source)]
            arguments[name] = parts[0] if isinstance(source, str) else parts
        if kind == CLASSIFY:
            probabilities = np.asarray(arguments["probabilities"]).reshape(-1)
            labels = [str(getattr(label, "val", label)) for label in arguments["classes"]]
            scores = dict(zip(labels, (float(p) for p in probabilities), strict=True))
            names = (name for name, _ in instruction.outputs)
            return dict(zip(names, (labels[int(probabilities.argmax())], scores), strict=True))
        result = np.asarray(OPERATIONS[kind](**arguments))
        name, dtype = instruction.outputs[0]
        return {name: result.astype(ops.TYPES[dtype], copy=False)}


class _ProgramExecutor:
    """One stream over a program."""

    def __init__(self, program: Program, artifact: Artifact) -> None:
        spec: StreamSpec = artifact.spec
        self._program, self._spec, self._path = program, spec, artifact.path
        self._states = {state.name: np.zeros(state.shape, state.dtype) for state in spec.states}

    def run(self, frame: Array) -> Array:
        pixels = frame.astype(np.float32)
        if self._spec.input.channels == "last":  # a picture, which Core ML passes to the program with channels first
            pixels = pixels.transpose(0, 3, 1, 2)
        values: dict[str, Any] = {self._spec.input.name: pixels}
        native = self._spec.state_form == "native"  # the program then updates the states itself
        try:
            outputs = self._program.run(values if native else {**values, **self._states}, self._states)
        except NotImplementedError as error:
            raise ArtifactError(f"{self._path}: the reference executor does not know {error}") from error
        if not native:
            self._states = {name: outputs[NEXT + name] for name in self._states}
        logits: Array = outputs[self._spec.output.name]
        return logits

    def states(self) -> dict[str, Array]:
        return {name: array.copy() for name, array in self._states.items()}

    def set_states(self, states: dict[str, Array]) -> None:
        self._states = {name: array.copy() for name, array in states.items()}


def _to_float32(value: Any) -> Any:
    """Return float16 values as float32, which is exact; other values as they are."""
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype == np.float16:
        return value.astype(np.float32)
    return value


def _type(variable: Any) -> str:
    """Return the name of a variable's element type, such as "fp16"; "other" for a label or a dictionary."""
    from coremltools.converters.mil.mil import types

    try:
        return str(types.builtin_to_string(variable.dtype))
    except Exception:  # a dictionary has no element type
        return "other"
