"""A reference executor for Core ML programs: reads a saved package and runs its operations in numpy, on any platform.

Core ML itself runs on Apple's systems only. This reads a package back through coremltools' own loader, states, packed
weights and quantization included, and computes what the program says, so that an artifact is checked over many frames
where it is made. It is a checker, not a fast runtime: it says what the PROGRAM computes, and nothing about Core ML's
own speed or rounding. An operation it does not know is an error that names it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgeshift._system.quiet import quiet
from edgeshift.artifact.file import Artifact, read_artifact
from edgeshift.artifact.spec import NEXT, StreamSpec
from edgeshift.errors import ArtifactError, EdgeshiftError, one_line
from edgeshift.runtimes.mil import ops, quantization, windows
from edgeshift.runtimes.mil.package import coremltools, require_description, unpacked
from edgeshift.stream import Array, Model

NOT_VERIFIED = "Core ML runtime: not verified on this platform"
#: {operation: what computes it}.
OPERATIONS = {**ops.OPERATIONS, **windows.OPERATIONS, **quantization.OPERATIONS}
#: Operations on states, and the one that ends a classifier: they are run here, as they are no arithmetic.
READ, UPDATE, CLASSIFY = "read_state", "coreml_update_state", "classify"
#: Operations that only move values: float16 need not become float32 for them.
MOVES = {"slice_by_index", "concat", "reshape", "transpose", "expand_dims", "squeeze", "slice_update", "tile"}


def load(path: Path, *, threads: int = 1) -> Model:
    """Load a .mlpackage that carries its description.

    Args:
        path: made by ``edgeshift convert --target coreml``.
        threads: taken so that all runtimes can be called alike; numpy decides.

    Raises:
        ArtifactError: damaged, a program that does not fit its description, or one with an unknown operation.
        RuntimeMissingError: coremltools is not installed.
    """
    return open_artifact(read_artifact(path), threads=threads)


def open_artifact(artifact: Artifact, *, threads: int = 1) -> Model:
    """Like ``load``, for an artifact that was read (or is not written yet)."""
    if not 1 <= threads <= 64:
        raise EdgeshiftError(f"threads must be 1 to 64, not {threads}")
    tools = coremltools(f"running {artifact.path}")
    program = read_program(artifact)
    words = f"Core ML program, reference executor (coremltools {tools.__version__}); {NOT_VERIFIED}"
    return Model(artifact.spec, words, lambda: ProgramExecutor(program, artifact))


def read_program(artifact: Artifact) -> Program:
    """The main function of a package as instructions.

    Raises:
        ArtifactError: see ``load``.
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
                        f"{path}: it is of version {version} of Core ML's format, which coremltools "
                        f"{tools.__version__} does not know: update coremltools"
                    )
                kind = model.WhichOneof("Type")
                loaded = milproto.load(model, version, str(weights)) if kind == "mlProgram" else None
        except ArtifactError:
            raise
        except Exception as error:  # the loader's own checks are of every kind
            raise ArtifactError(f"{path}: coremltools cannot read its program: {one_line(error)}") from error
        if loaded is None:
            raise ArtifactError(
                f"{path}: not an ML Program but a model of kind {kind}: not made by `edgeshift convert`"
            )
        require_description(artifact, model.description)
        try:
            return Program.of(loaded.functions["main"])
        except KeyError as error:
            raise ArtifactError(f"{path}: its program has no function main") from error
        except NotImplementedError as error:
            raise ArtifactError(f"{path}: the reference executor does not know {error}") from error


@dataclass(frozen=True)
class Instruction:
    """One operation: its constants by name, where its other inputs are, and what its results are called."""

    kind: str
    constants: dict[str, Any]
    inputs: dict[str, str | tuple[str, ...]]
    outputs: tuple[tuple[str, str], ...]


@dataclass
class Program:
    """Instructions in order.

    Attributes:
        constants: {variable: value} of those that more than one instruction may read.
        outputs: names of the function's results.
    """

    instructions: list[Instruction] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()

    @classmethod
    def of(cls, function: Any) -> Program:
        """From a function of coremltools.

        Raises:
            NotImplementedError: an unknown operation.
        """
        program = cls(outputs=tuple(variable.name for variable in function.outputs))
        for operation in function.operations:
            program._add(operation)
        return program

    def kinds(self) -> dict[str, int]:
        """Instructions by kind."""
        return dict(Counter(instruction.kind for instruction in self.instructions))

    def run(self, values: dict[str, Any], states: dict[str, Array]) -> dict[str, Any]:
        """Run the function.

        Args:
            values: {input: array}. states: {name: array}, updated in place.

        Returns:
            {output: value}.
        """
        known = {**self.constants, **values}
        with np.errstate(all="ignore"):
            for instruction in self.instructions:
                known.update(self._result(instruction, known, states))
        return {name: known[name] for name in self.outputs}

    def _add(self, operation: Any) -> None:
        kind = operation.op_type
        if kind == "const":
            self.constants[operation.outputs[0].name] = operation.outputs[0].val
            return
        if kind not in OPERATIONS and kind not in (READ, UPDATE, CLASSIFY):
            raise NotImplementedError(f"the operation {kind}")
        constants: dict[str, Any] = {}
        inputs: dict[str, str | tuple[str, ...]] = {}
        for name, given in operation.inputs.items():
            if given is None:
                continue
            if isinstance(given, (tuple, list)):
                inputs[name] = tuple(variable.name for variable in given)
            elif given.name in self.constants:
                constants[name] = _wide(self.constants[given.name])
            else:
                inputs[name] = given.name
        outputs = tuple((variable.name, _type(variable)) for variable in operation.outputs)
        instruction = Instruction(kind, constants, inputs, outputs)
        if kind.startswith("constexpr_"):
            self.constants.update(self._result(instruction, self.constants, {}))
        else:
            self.instructions.append(instruction)

    def _result(self, one: Instruction, known: dict[str, Any], states: dict[str, Array]) -> dict[str, Any]:
        if one.kind == READ:
            return {one.outputs[0][0]: states[str(one.inputs["input"])].copy()}
        if one.kind == UPDATE:
            name = str(one.inputs["state"])
            value = one.constants["value"] if "value" in one.constants else known[str(one.inputs["value"])]
            states[name] = np.asarray(value).astype(states[name].dtype).reshape(states[name].shape)
            return {one.outputs[0][0]: states[name].copy()}
        arguments = dict(one.constants)
        moves = one.kind in MOVES
        for name, source in one.inputs.items():
            given = [known[part] for part in source] if isinstance(source, tuple) else known[source]
            arguments[name] = given if moves else [_wide(v) for v in given] if isinstance(given, list) else _wide(given)
        if one.kind == CLASSIFY:
            probabilities = np.asarray(arguments["probabilities"]).reshape(-1)
            labels = [str(getattr(label, "val", label)) for label in arguments["classes"]]
            scores = dict(zip(labels, (float(p) for p in probabilities), strict=True))
            return dict(
                zip((name for name, _ in one.outputs), (labels[int(probabilities.argmax())], scores), strict=True)
            )
        result = np.asarray(OPERATIONS[one.kind](**arguments))
        name, kind = one.outputs[0]
        return {name: result.astype(ops.TYPES[kind], copy=False)}


class ProgramExecutor:
    """One stream over a program."""

    def __init__(self, program: Program, artifact: Artifact) -> None:
        spec: StreamSpec = artifact.spec
        self._program, self._spec, self._path = program, spec, artifact.path
        self._states = {state.name: np.zeros(state.shape, state.dtype) for state in spec.states}

    def run(self, frame: Array) -> Array:
        """See ``edgeshift.stream.Executor``."""
        # The picture as the program sees it: Core ML hands over channels first.
        values: dict[str, Any] = {self._spec.input.name: frame.astype(np.float32).transpose(0, 3, 1, 2)}
        try:
            found = self._found(values)
        except NotImplementedError as error:
            raise ArtifactError(f"{self._path}: the reference executor does not know {error}") from error
        logits: Array = found[self._spec.output.name]
        return logits

    def states(self) -> dict[str, Array]:
        """See ``edgeshift.stream.Executor``."""
        return {name: array.copy() for name, array in self._states.items()}

    def set_states(self, states: dict[str, Array]) -> None:
        """See ``edgeshift.stream.Executor``."""
        self._states = {name: array.copy() for name, array in states.items()}

    def _found(self, values: dict[str, Any]) -> dict[str, Any]:
        if self._spec.state_form == "native":
            return self._program.run(values, self._states)
        found = self._program.run({**values, **self._states}, {})
        self._states = {name: found[NEXT + name] for name in self._states}
        return found


def _wide(value: Any) -> Any:
    """float16 as float32, exactly."""
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype == np.float16:
        return value.astype(np.float32)
    return value


def _type(variable: Any) -> str:
    """Such as "fp16"; of a label or a dictionary, nothing that is rounded to."""
    from coremltools.converters.mil.mil import types

    try:
        return str(types.builtin_to_string(variable.dtype))
    except Exception:  # a dictionary has no type of its elements
        return "other"
