"""The TFLite runtime: LiteRT's compiled model, or else the Interpreter of LiteRT or tflite-runtime.

    CompiledModel     two sets of state buffers swap roles after every step, without a copy
    Interpreter       each step copies states from outputs to inputs (about 1% of the time of an int8 step)

The compiled model cannot run with ai-edge-litert 1, or, in Python, on an aarch64 processor like that
of a Raspberry Pi 4.
"""

from __future__ import annotations

import atexit
import importlib
import os
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from edgeshift._system.quiet import quiet
from edgeshift.artifact.file import Artifact, Tensors, require_tensors
from edgeshift.artifact.soundness import require_sound
from edgeshift.artifact.spec import StreamSpec
from edgeshift.errors import AcceleratorError, EdgeshiftError, RuntimeMissingError, missing, one_line, unknown
from edgeshift.runtimes.gpu_log import find_adapter, find_refused
from edgeshift.runtimes.native import native_call, package_version, require_threads, thread_count
from edgeshift.runtimes.processor import runs_compiled_model
from edgeshift.runtimes.tflite_graph import examine
from edgeshift.stream import Array, Model
from edgeshift.stream.placement import Placement
from edgeshift.targets import missing_runtime

#: (module with an Interpreter, its package), newest first.
INTERPRETERS = (("ai_edge_litert.interpreter", "ai-edge-litert"), ("tflite_runtime.interpreter", "tflite-runtime"))
#: The last version of tflite-runtime that was built for numpy 1.
LAST_FOR_NUMPY_1 = (2, 14)
BACKENDS = ("auto", "compiled", "interpreter")
ACCELERATORS = ("cpu", "gpu")


def open_artifact(artifact: Artifact, *, threads: int = 1, backend: str = "auto", accelerator: str = "cpu") -> Model:
    """Open a .tflite artifact from memory. Its file need not exist yet.

    Args:
        artifact: the artifact in memory, made by ``edgeshift convert --target tflite``.
        threads: number of threads of the runtime.
        backend: "compiled", "interpreter", or "auto", which uses the compiled model if it can run.
        accelerator: "cpu", or "gpu" for LiteRT's GPU accelerator. The GPU must run the whole graph: nothing falls back
            to the CPU. It computes an fp32 artifact in float32, and others in float16 if the GPU has it.

    Raises:
        AcceleratorError: the graph is compiled for an NPU (``convert --aot``), there is no GPU that LiteRT can use, or
            it refuses an operator of the graph.
        ArtifactError: LiteRT cannot load the graph, or the graph does not match the artifact's description.
        EdgeshiftError: ``backend`` is unknown, or ``threads`` is out of range.
        RuntimeMissingError: no TFLite runtime is installed, or it was built for another numpy.
    """
    if backend not in BACKENDS:
        raise EdgeshiftError(unknown("TFLite backend", backend, BACKENDS))
    if accelerator not in ACCELERATORS:
        raise EdgeshiftError(unknown("accelerator of LiteRT", accelerator, ACCELERATORS))
    if accelerator != "cpu" and backend == "interpreter":
        raise EdgeshiftError(f"the back end 'interpreter' has no accelerator {accelerator!r}: use 'compiled'")
    require_threads(threads)
    _require_cpu_graph(artifact)
    require_sound(artifact, "tflite", examine)
    if backend != "interpreter" and _has_compiled_model():
        return _on_gpu(artifact) if accelerator == "gpu" else _compiled(artifact, threads)
    if backend == "compiled" or accelerator == "gpu":
        raise missing("ai-edge-litert 2 or later", "tflite", f"running {artifact.path} with the back end 'compiled'")
    return _interpreted(artifact, threads)


def _require_cpu_graph(artifact: Artifact) -> None:
    """Check that a graph is not compiled for an NPU. LiteRT would load it, and fail at the first frame.

    Raises:
        AcceleratorError: the graph is compiled for an NPU.
    """
    chip = artifact.spec.chip
    if chip is not None:
        raise AcceleratorError(
            f"{artifact.path}: it is compiled for the NPU of {chip}, and only an Android app on a phone with this chip "
            "can run it, with LiteRT's NPU accelerator; for this machine, convert without --aot"
        )


def package_problem(package: str) -> str | None:
    """Return why an installed package cannot run artifacts here, although it can be imported; None: it can."""
    if package != "tflite-runtime" or int(np.__version__.split(".")[0]) < 2:
        return None
    version = package_version(package)
    numbers = tuple(map(int, re.findall(r"\d+", version)[:2]))
    if not numbers or numbers > LAST_FOR_NUMPY_1:  # no numbers: the version is unknown
        return None
    return (
        f"{package} {version} was built for numpy 1 and cannot run with numpy {np.__version__}: "
        "pip install 'numpy<2', or install ai-edge-litert instead"
    )


class _CompiledExecutor:
    """One stream over a shared ``CompiledModel``. Each step writes states into the buffers that the next step reads."""

    def __init__(self, compiled: Any, spec: StreamSpec) -> None:
        self._compiled = compiled
        self._specs = {state.name: state for state in spec.states}
        self._output, self._values = spec.output.shape, spec.output.values
        self._dtype = np.dtype(spec.output.dtype)
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
        # LiteRT logs at the first write, which the caller silences. A graph may have no states.
        self._frame.write(np.zeros(spec.input.shape, spec.input.dtype))
        for name, state in self._specs.items():
            self._sets[0][name].write(np.zeros(state.shape, state.dtype))

    def run(self, frame: Array) -> Array:
        self._frame.write(frame)
        inputs, outputs = self._calls[self._now]
        self._compiled.run_by_index(0, inputs, outputs)
        self._now = 1 - self._now
        logits: Array = self._logits.read(self._values, self._dtype)
        return logits.reshape(self._output)

    def states(self) -> dict[str, Array]:
        return {
            name: self._sets[self._now][name].read(int(np.prod(spec.shape)), np.dtype(spec.dtype)).reshape(spec.shape)
            for name, spec in self._specs.items()
        }

    def set_states(self, states: dict[str, Array]) -> None:
        for name, array in states.items():
            self._sets[self._now][name].write(np.ascontiguousarray(array))


class _InterpreterExecutor:
    """One stream over its own Interpreter, whose arena holds the states."""

    def __init__(self, interpreter: Any, spec: StreamSpec) -> None:
        interpreter.allocate_tensors()
        self._interpreter = interpreter
        runner = interpreter.get_signature_runner()
        inputs = {name: detail["index"] for name, detail in runner.get_input_details().items()}
        outputs = {name: detail["index"] for name, detail in runner.get_output_details().items()}
        names = [state.name for state in spec.states]
        # These functions return a new view of a tensor. An old view may be invalid after a call of ``invoke``.
        self._frame: Callable[[], Array] = interpreter.tensor(inputs[spec.input.name])
        self._logits: Callable[[], Array] = interpreter.tensor(outputs[spec.output.name])
        self._now: dict[str, Callable[[], Array]] = {name: interpreter.tensor(inputs[name]) for name in names}
        self._next: dict[str, Callable[[], Array]] = {name: interpreter.tensor(outputs[name]) for name in names}

    def run(self, frame: Array) -> Array:
        np.copyto(self._frame(), frame)
        self._interpreter.invoke()
        for name, now in self._now.items():
            np.copyto(now(), self._next[name]())
        return self._logits().copy()

    def states(self) -> dict[str, Array]:
        return {name: now().copy() for name, now in self._now.items()}

    def set_states(self, states: dict[str, Array]) -> None:
        for name, array in states.items():
            np.copyto(self._now[name](), array)


def _compiled(artifact: Artifact, threads: int) -> Model:
    litert = importlib.import_module("ai_edge_litert.compiled_model")
    options = litert.Options(
        hardware_accelerators=litert.HardwareAccelerator.CPU, cpu_options=litert.CpuOptions(num_threads=threads)
    )
    with native_call(artifact.path, "LiteRT cannot load its graph"):
        compiled = litert.CompiledModel.from_buffer(artifact.body, environment=_environment(litert), options=options)

    def name() -> str:
        return f"LiteRT {package_version('ai-edge-litert')} (compiled, {thread_count(threads)})"

    return Model(artifact.spec, name, _executors(artifact, compiled))


def _executors(artifact: Artifact, compiled: Any) -> Callable[[], _CompiledExecutor]:
    """Return a function that makes executors over a compiled model, whose tensors must be those of the description."""
    with native_call(artifact.path, "LiteRT cannot load its graph"):
        (key, _), *_ = compiled.get_signature_list().items()
        tensors = _shapes(compiled.get_input_tensor_details(key)), _shapes(compiled.get_output_tensor_details(key))
    require_tensors(artifact, *tensors)

    def executor() -> _CompiledExecutor:
        # LiteRT reads the bytes of the graph in place. The model holds this function, which keeps them alive.
        with native_call(artifact.path, "LiteRT cannot run its graph"):
            return _CompiledExecutor(compiled, artifact.spec)

    return executor


def _on_gpu(artifact: Artifact) -> Model:
    """Open an artifact on LiteRT's GPU accelerator.

    The CPU is not added as a second accelerator. LiteRT would then run refused operators there and still say that the
    graph is fully accelerated, because it counts the CPU's delegate as an accelerator (seen with LiteRT 2.3.0).
    """
    litert = importlib.import_module("ai_edge_litert.compiled_model")
    options = litert.Options(
        hardware_accelerators=litert.HardwareAccelerator.GPU,
        gpu_options=litert.GpuOptions(enforce_f32=artifact.spec.precision == "fp32"),
    )
    failure: Exception | None = None
    compiled: Any = None
    with quiet(stdout=True) as log:  # it writes a line about OpenCL to standard output
        try:
            compiled = litert.CompiledModel.from_buffer(
                artifact.body, environment=_environment(litert), options=options
            )
            complete = compiled.is_fully_accelerated()
        except Exception as error:  # LiteRT raises RuntimeError, and perhaps others
            failure, complete = error, False
        text = log()
    _ADAPTERS.update({"gpu": adapter} if (adapter := find_adapter(text)) else {})
    if not complete:
        raise _gpu_error(artifact, find_refused(text), failure)

    def name() -> str:
        device = _ADAPTERS.get("gpu", "GPU")
        return f"LiteRT {package_version('ai-edge-litert')} (GPU accelerator, all operators, {device})"

    placement = Placement(accelerator="gpu", device=_ADAPTERS.get("gpu"), complete=complete)
    return Model(artifact.spec, name, _executors(artifact, compiled), "gpu", placement=placement)


def _gpu_error(artifact: Artifact, refused: dict[str, str], failure: Exception | None) -> AcceleratorError:
    path = artifact.path
    if refused:
        reasons = "; ".join(f"{operator}: {reason}" for operator, reason in refused.items())
        return AcceleratorError(f"{path}: the GPU accelerator of LiteRT refuses {reasons}; use the CPU", refused)
    if "gpu" not in _ADAPTERS:
        return AcceleratorError(
            f"{path}: LiteRT's GPU accelerator finds no GPU that it can use: install a Vulkan driver, or use the CPU"
        )
    reason = "it runs only a part of the graph" if failure is None else one_line(failure, 200)
    return AcceleratorError(f"{path}: LiteRT's GPU accelerator cannot load its graph: {reason}; use the CPU")


_ENVIRONMENTS: dict[str, Any] = {}
#: {accelerator: name of the GPU}. LiteRT names it only once for each process.
_ADAPTERS: dict[str, str] = {}


def _environment(litert: Any) -> Any:
    """Return the LiteRT environment of this process."""
    if "litert" not in _ENVIRONMENTS:
        _ENVIRONMENTS["litert"] = litert._create_default_environment()
        atexit.register(_silence_stderr)
    return _ENVIRONMENTS["litert"]


def _silence_stderr() -> None:
    """Discard what is written to stderr from now on, because LiteRT prints to stderr while it is unloaded."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _interpreted(artifact: Artifact, threads: int) -> Model:
    name, package = next(((m, p) for m, p in INTERPRETERS if _installed(m)), ("", ""))
    if not name:
        raise missing_runtime("tflite", f"running {artifact.path}")
    if problem := package_problem(package):
        raise RuntimeMissingError(f"{artifact.path} cannot be run: {problem}")
    interpreter = importlib.import_module(name).Interpreter

    def open_graph() -> Any:
        with native_call(artifact.path, f"{package} cannot load its graph"):
            return interpreter(model_content=artifact.body, num_threads=threads)

    runner = open_graph().get_signature_runner()
    require_tensors(artifact, _shapes(runner.get_input_details()), _shapes(runner.get_output_details()))

    def executor() -> _InterpreterExecutor:
        graph = open_graph()
        with native_call(artifact.path, f"{package} cannot prepare its graph"):
            return _InterpreterExecutor(graph, artifact.spec)

    def title() -> str:
        return f"{package} {package_version(package)} (interpreter, {thread_count(threads)})"

    return Model(artifact.spec, title, executor)


def _shapes(details: dict[str, Any]) -> Tensors:
    return {
        name: (
            tuple(int(n) for n in detail["shape"]),
            detail["dtype"] if isinstance(detail["dtype"], str) else np.dtype(detail["dtype"]).name,
        )
        for name, detail in details.items()
    }


def _has_compiled_model() -> bool:
    """Return True if the compiled model can run. The module of ai-edge-litert 1 lacks the classes for options."""
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
