"""The TFLite runtime: LiteRT's compiled model where there is one, else its Interpreter, else tflite-runtime's.

                      states between steps
CompiledModel         two sets of LiteRT's own buffers that swap roles: no copy
Interpreter           copied from outputs to inputs inside the arena (about 1% of an int8 step); on an aarch64 processor
                      that the compiled model was not built for, such as a Raspberry Pi 4's, too
"""

from __future__ import annotations

import atexit
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgeshift._system.quiet import quiet
from edgeshift.artifact.file import Artifact, Tensors, read_artifact, require_tensors
from edgeshift.artifact.spec import StreamSpec
from edgeshift.errors import ArtifactError, EdgeshiftError, missing, one_line
from edgeshift.runtimes.processor import runs_compiled_model
from edgeshift.stream import Array, Model
from edgeshift.targets import missing_runtime

#: Where an Interpreter may live, newest first: (module, the package that brings it).
INTERPRETERS = (("ai_edge_litert.interpreter", "ai-edge-litert"), ("tflite_runtime.interpreter", "tflite-runtime"))
BACKENDS = ("auto", "compiled", "interpreter")


def load(path: Path, *, threads: int = 1, backend: str = "auto") -> Model:
    """Load a .tflite that carries its description.

    Args:
        path: made by ``edgeshift convert --target tflite``.
        threads: of the runtime.
        backend: "compiled", "interpreter", or "auto": compiled where it is installed.

    Raises:
        ArtifactError: damaged, or a graph that does not fit its description.
        RuntimeMissingError: no TFLite runtime is installed.
    """
    return open_artifact(read_artifact(path), threads=threads, backend=backend)


def open_artifact(artifact: Artifact, *, threads: int = 1, backend: str = "auto") -> Model:
    """Like ``load``, for an artifact that was read (or is not written yet)."""
    if backend not in BACKENDS:
        raise EdgeshiftError(f"unknown TFLite backend {backend!r}; known: {', '.join(BACKENDS)}")
    if not 1 <= threads <= 64:
        raise EdgeshiftError(f"threads must be 1 to 64, not {threads}")
    if backend != "interpreter" and _has_compiled_model():
        return _compiled(artifact, threads)
    if backend == "compiled":
        raise missing("ai-edge-litert 2 or later", "tflite", f"running {artifact.path} with buffers that swap")
    return _interpreted(artifact, threads)


class CompiledExecutor:
    """One stream over a shared ``CompiledModel``.

    The model writes the next states into the buffers that the step after will read: two sets, used in turn.
    """

    def __init__(self, compiled: Any, spec: StreamSpec) -> None:
        self._compiled = compiled
        self._specs = {state.name: state for state in spec.states}
        self._classes, self._dtype = spec.output.shape[-1], np.dtype(spec.output.dtype)
        (key, signature), *_ = compiled.get_signature_list().items()
        self._frame = compiled.create_input_buffer_by_name(key, spec.input.name)
        self._logits = compiled.create_output_buffer_by_name(key, spec.output.name)
        self._sets = [{name: compiled.create_input_buffer_by_name(key, name) for name in self._specs} for _ in range(2)]
        self._calls = [
            (
                [self._frame if name == spec.input.name else self._sets[now][name] for name in signature["inputs"]],
                [
                    self._logits if name == spec.output.name else self._sets[1 - now][name]
                    for name in signature["outputs"]
                ],
            )
            for now in range(2)
        ]
        self._now = 0
        for name in self._specs:  # the first write starts LiteRT's own logging; let it happen here, where it is caught
            buffer = self._sets[0][name]
            buffer.write(np.zeros(self._specs[name].shape, self._specs[name].dtype))

    def run(self, frame: Array) -> Array:
        """See ``edgeshift.stream.Executor``."""
        self._frame.write(frame)
        inputs, outputs = self._calls[self._now]
        self._compiled.run_by_index(0, inputs, outputs)
        self._now = 1 - self._now
        logits: Array = self._logits.read(self._classes, self._dtype)
        return logits[None]

    def states(self) -> dict[str, Array]:
        """See ``edgeshift.stream.Executor``."""
        return {
            name: self._sets[self._now][name].read(int(np.prod(spec.shape)), np.dtype(spec.dtype)).reshape(spec.shape)
            for name, spec in self._specs.items()
        }

    def set_states(self, states: dict[str, Array]) -> None:
        """See ``edgeshift.stream.Executor``."""
        for name, array in states.items():
            self._sets[self._now][name].write(np.ascontiguousarray(array))


class InterpreterExecutor:
    """One stream over an Interpreter of its own (an Interpreter is not shared: its arena holds the states)."""

    def __init__(self, interpreter: Any, spec: StreamSpec) -> None:
        interpreter.allocate_tensors()
        self._interpreter = interpreter
        runner = interpreter.get_signature_runner()
        inputs = {name: detail["index"] for name, detail in runner.get_input_details().items()}
        outputs = {name: detail["index"] for name, detail in runner.get_output_details().items()}
        names = [state.name for state in spec.states]
        # Functions that give a fresh view of a tensor: a view kept over an invoke could dangle.
        self._frame: Callable[[], Array] = interpreter.tensor(inputs[spec.input.name])
        self._logits: Callable[[], Array] = interpreter.tensor(outputs[spec.output.name])
        self._now: dict[str, Callable[[], Array]] = {name: interpreter.tensor(inputs[name]) for name in names}
        self._next: dict[str, Callable[[], Array]] = {name: interpreter.tensor(outputs[name]) for name in names}

    def run(self, frame: Array) -> Array:
        """See ``edgeshift.stream.Executor``."""
        np.copyto(self._frame(), frame)
        self._interpreter.invoke()
        for name, now in self._now.items():
            np.copyto(now(), self._next[name]())
        return self._logits().copy()

    def states(self) -> dict[str, Array]:
        """See ``edgeshift.stream.Executor``."""
        return {name: now().copy() for name, now in self._now.items()}

    def set_states(self, states: dict[str, Array]) -> None:
        """See ``edgeshift.stream.Executor``."""
        for name, array in states.items():
            np.copyto(self._now[name](), array)


def _compiled(artifact: Artifact, threads: int) -> Model:
    litert = importlib.import_module("ai_edge_litert.compiled_model")
    options = litert.Options(
        hardware_accelerators=litert.HardwareAccelerator.CPU, cpu_options=litert.CpuOptions(num_threads=threads)
    )
    with quiet():
        try:
            compiled = litert.CompiledModel.from_buffer(
                artifact.body, environment=_environment(litert), options=options
            )
            (key, _), *_ = compiled.get_signature_list().items()
            found = _shapes(compiled.get_input_tensor_details(key)), _shapes(compiled.get_output_tensor_details(key))
        except Exception as error:
            raise ArtifactError(f"{artifact.path}: LiteRT cannot load its graph: {one_line(error)}") from error
    require_tensors(artifact, *found)
    version = importlib.import_module("importlib.metadata").version("ai-edge-litert")
    # The graph is used in place: the bytes must live as long as the model.
    return _Pinned(artifact, f"LiteRT {version} (compiled, {threads} thread{'s' * (threads > 1)})", compiled)


class _Pinned(Model):
    def __init__(self, artifact: Artifact, runtime: str, compiled: Any) -> None:
        def executor() -> CompiledExecutor:
            with quiet():
                try:
                    return CompiledExecutor(compiled, artifact.spec)
                except (RuntimeError, ValueError, KeyError) as error:
                    raise ArtifactError(f"{artifact.path}: LiteRT cannot run its graph: {one_line(error)}") from error

        super().__init__(artifact.spec, runtime, executor)
        self._body = artifact.body


_ENVIRONMENTS: dict[str, Any] = {}


def _environment(litert: Any) -> Any:
    """One LiteRT environment for the process."""
    if "litert" not in _ENVIRONMENTS:
        _ENVIRONMENTS["litert"] = litert._create_default_environment()
        atexit.register(_silence)
    return _ENVIRONMENTS["litert"]


def _silence() -> None:
    """LiteRT prints while it is torn down, after Python is done: by then nobody else has anything to say."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _interpreted(artifact: Artifact, threads: int) -> Model:
    name, package = next(((m, p) for m, p in INTERPRETERS if _installed(m)), ("", ""))
    if not name:
        raise missing_runtime("tflite", f"running {artifact.path}")
    interpreter = importlib.import_module(name).Interpreter

    def open_graph() -> Any:
        with quiet():
            try:
                return interpreter(model_content=artifact.body, num_threads=threads)
            except (ValueError, RuntimeError) as error:
                raise ArtifactError(f"{artifact.path}: {package} cannot load its graph: {one_line(error)}") from error

    runner = open_graph().get_signature_runner()
    require_tensors(artifact, _shapes(runner.get_input_details()), _shapes(runner.get_output_details()))

    def executor() -> InterpreterExecutor:
        graph = open_graph()
        with quiet():
            try:
                return InterpreterExecutor(graph, artifact.spec)
            except (RuntimeError, ValueError, KeyError) as error:
                raise ArtifactError(
                    f"{artifact.path}: {package} cannot prepare its graph: {one_line(error)}"
                ) from error

    version = importlib.import_module("importlib.metadata").version(package)
    return Model(artifact.spec, f"{package} {version} (interpreter, {threads} thread{'s' * (threads > 1)})", executor)


def _shapes(details: dict[str, Any]) -> Tensors:
    return {
        name: (
            tuple(int(n) for n in detail["shape"]),
            detail["dtype"] if isinstance(detail["dtype"], str) else np.dtype(detail["dtype"]).name,
        )
        for name, detail in details.items()
    }


def _has_compiled_model() -> bool:
    """ai-edge-litert 2 has it; in 1.x the module is there, but cannot be given options."""
    if not runs_compiled_model() or not _installed("ai_edge_litert.compiled_model"):
        return False
    module = importlib.import_module("ai_edge_litert.compiled_model")
    return all(hasattr(module, name) for name in ("Options", "CpuOptions", "_create_default_environment"))


def _installed(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True
