"""ExecuTorch's Python runtime, for programs with the state forms "io" and "buffer".

    state form   streams share      each stream has               states between two steps
    io           program, method    state tensors                 outputs of a step are inputs of the next step
    buffer       nothing            program, method, buffers      stay in the program's buffers

ExecuTorch's package uses PyTorch's tensors and therefore needs torch. A file is checked before either is imported.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgeshift._system.quiet import quiet
from edgeshift.artifact.file import Artifact, Tensors, require_tensors
from edgeshift.artifact.soundness import GraphFacts, require_sound
from edgeshift.artifact.spec import StreamSpec, channels_last
from edgeshift.errors import ArtifactError, EdgeshiftError, RuntimeMissingError, one_line
from edgeshift.runtimes.native import (
    empty_package,
    import_runtime,
    native_call,
    package_version,
    require_threads,
    thread_count,
)
from edgeshift.stream import Array, Model
from edgeshift.targets import Processor

METHOD = "forward"
#: The module that runs programs, and the package that converts to programs.
LIBRARY, EXPORTER = "executorch.extension.pybindings.portable_lib", "executorch.exir"
#: {back end in the description: name of the back end in the runtime}.
BACKENDS = {"xnnpack": "XnnpackBackend", "coreml": "CoreMLBackend"}
#: {the runtime's number of a tensor type (scalar_type.h): name}.
DTYPES = {1: "int8", 5: "float16", 6: "float32"}


#: Identifier of the format, at byte 4 of the file. Its last two digits are a version.
IDENTIFIER = b"ET"


def examine(artifact: Artifact) -> GraphFacts:
    """Return the facts of a program, whose types must be those of its inputs. The runtime verifies the rest.

    Raises:
        ValueError: it is not an ExecuTorch program.
    """
    if artifact.body[4:6] != IDENTIFIER:
        raise ValueError("it is not an ExecuTorch program")
    spec = artifact.spec
    if spec.input.dtype == "int8":
        return GraphFacts("int8")
    half = spec.input.dtype == "float16" or (spec.precision == "fp16" and _backend(artifact) == "coreml")
    return GraphFacts("fp16" if half else "int8" if spec.precision == "int8" else "fp32")


class Loaded(NamedTuple):
    """A program in memory. The method reads the program's bytes in place, so both must be kept."""

    program: Any
    method: Any


def open_artifact(artifact: Artifact, *, threads: int = 1) -> Model:
    """Open a .pte artifact from memory. Its file need not exist yet.

    Args:
        artifact: the artifact in memory, made by ``edgeshift convert --target executorch``.
        threads: number of threads. The first program sets it for all programs that the process loads.

    Raises:
        ArtifactError: ExecuTorch cannot load the program, or the program does not match the artifact's description.
        EdgeshiftError: the process already has another number of threads, or this runtime lacks the back end.
        RuntimeMissingError: ExecuTorch is not installed.
    """
    require_threads(threads)
    require_sound(artifact, "executorch", examine)
    library = _import_library(artifact.path)
    runtime = import_runtime("executorch.runtime", "executorch", artifact.path).Runtime.get()
    version = package_version("executorch")
    _require_backend(artifact, runtime, version)
    _set_threads(library, threads)
    first = _open(artifact, runtime)
    packed = _require_tensors(artifact, first)
    title = f"ExecuTorch {version} ({_backend(artifact)}, {thread_count(threads)})"
    processor: Processor = "npu" if _backend(artifact) == "coreml" else "cpu"
    if artifact.spec.state_form == "io":
        lock = threading.Lock()
        return Model(artifact.spec, title, lambda: _TensorExecutor(first, artifact, packed, lock), processor)
    return Model(artifact.spec, title, lambda: _BufferExecutor(_open(artifact, runtime), artifact, packed), processor)


class _TensorExecutor:
    """One stream over a shared method. The output states of a step are the input states of the next step."""

    def __init__(self, loaded: Loaded, artifact: Artifact, packed: bool, lock: threading.Lock) -> None:
        self._loaded, self._path, self._packed, self._lock = loaded, artifact.path, packed, lock
        self._frame, frame = _input(artifact.spec, packed)
        self._names = [state.name for state in artifact.spec.states]
        self._inputs = [frame]
        self.set_states({state.name: np.zeros(state.shape, state.dtype) for state in artifact.spec.states})

    def run(self, frame: Array) -> Array:
        np.copyto(self._frame, frame)
        with self._lock:
            outputs = _execute(self._loaded, self._inputs, self._path)
        self._inputs[1:] = outputs[1:]  # the runtime returns copies, to which nothing else refers
        logits: Array = outputs[0].numpy()
        return logits

    def states(self) -> dict[str, Array]:
        return {name: _array(tensor, self._packed) for name, tensor in zip(self._names, self._inputs[1:], strict=True)}

    def set_states(self, states: dict[str, Array]) -> None:
        self._inputs[1:] = [_tensor(states[name].copy(), self._packed) for name in self._names]


class _BufferExecutor:
    """One stream over its own program, which holds the states in buffers."""

    def __init__(self, loaded: Loaded, artifact: Artifact, packed: bool) -> None:
        self._loaded, self._path, self._packed = loaded, artifact.path, packed
        self._frame, frame = _input(artifact.spec, packed)
        self._inputs = [frame]
        self._buffers = {state.name: _buffer(loaded, state.name, artifact.path) for state in artifact.spec.states}

    def run(self, frame: Array) -> Array:
        np.copyto(self._frame, frame)
        logits: Array = _execute(self._loaded, self._inputs, self._path)[0].numpy()
        return logits

    def states(self) -> dict[str, Array]:
        return {name: _array(buffer, self._packed) for name, buffer in self._buffers.items()}

    def set_states(self, states: dict[str, Array]) -> None:
        for name, array in states.items():
            self._buffers[name].copy_(_tensor(array, self._packed))


def _import_library(path: Path) -> Any:
    """Import the library that runs programs, without ExecuTorch's exporter.

    The library imports the exporter for the class of one warning only, and this takes three quarters of the time.
    """
    try:
        with empty_package(EXPORTER):
            return import_runtime(LIBRARY, "executorch", path)
    except (ImportError, RuntimeMissingError):  # not installed, or a version that needs the exporter
        return import_runtime(LIBRARY, "executorch", path)


def _open(artifact: Artifact, runtime: Any) -> Loaded:
    with native_call(artifact.path, "ExecuTorch cannot load its program"):
        program = runtime.load_program(artifact.body)  # checks the program's consistency by default
        return Loaded(program, program.load_method(METHOD))


def _execute(loaded: Loaded, inputs: list[Any], path: Path) -> list[Any]:
    try:
        outputs: list[Any] = loaded.method.execute(inputs)
    except RuntimeError as error:
        raise ArtifactError(
            f"{path}: ExecuTorch cannot run its program: {one_line(error)}; convert the model again"
        ) from error
    return outputs


def _require_tensors(artifact: Artifact, loaded: Loaded) -> bool:
    """Check that the program's tensors are those of the description.

    The runtime has no tensor names, only positions: inputs are frame and states, outputs are logits and next states.

    Returns:
        True if the tensors are packed: channels last in memory, but channels first in shape.

    Raises:
        ArtifactError: the tensors differ.
    """
    spec, meta = artifact.spec, loaded.method.metadata
    buffered = spec.state_form == "buffer"
    states = [] if buffered else [state.name for state in spec.states]
    inputs = _tensors(meta.num_inputs(), meta.input_tensor_meta, [spec.input.name, *states])
    outputs = _tensors(meta.num_outputs(), meta.output_tensor_meta, [spec.output.name, *states])
    packed = inputs.get(spec.input.name, ((), ""))[0] != spec.input.shape
    if buffered:
        buffers = {state.name: _buffer(loaded, state.name, artifact.path) for state in spec.states}
        kinds: Tensors = {name: (tuple(b.shape), str(b.dtype).split(".")[-1]) for name, b in buffers.items()}
        inputs, outputs = {**inputs, **kinds}, {**outputs, **kinds}
    if packed:
        inputs, outputs = _in_memory(inputs), _in_memory(outputs)
    require_tensors(artifact, inputs, outputs)
    return packed


def _tensors(count: int, tensor: Any, names: list[str]) -> Tensors:
    """Return {name: (shape, dtype)} of a program's tensors. Tensors beyond ``names`` are named by their position."""
    all_names = [*names, *(f"tensor {index}" for index in range(len(names), count))][:count]
    metas = [tensor(index) for index in range(count)]
    kinds = [(tuple(meta.sizes()), DTYPES.get(meta.dtype(), str(meta.dtype()))) for meta in metas]
    return dict(zip(all_names, kinds, strict=True))


def _in_memory(tensors: Tensors) -> Tensors:
    return {name: (channels_last(shape), dtype) for name, (shape, dtype) in tensors.items()}


def _buffer(loaded: Loaded, name: str, path: Path) -> Any:
    """Return a buffer of a program as a tensor that shares the buffer's memory."""
    try:
        with quiet():
            return loaded.method._method.get_attribute(name)
    except AttributeError as error:
        raise EdgeshiftError(
            f"{path}: its states are buffers, which only ExecuTorch 1.5 or newer can read; update ExecuTorch"
        ) from error
    except RuntimeError as error:
        raise ArtifactError(f"{path}: its program has no buffer {name!r}, which its description lists") from error


def _input(spec: StreamSpec, packed: bool) -> tuple[Array, Any]:
    """Return an array for the frame, and the tensor that shares the array's memory and that the program reads."""
    array: Array = np.zeros(spec.input.shape, spec.input.dtype)
    return array, _tensor(array, packed)


def _tensor(array: Array, packed: bool) -> Any:
    """Return a tensor that shares the memory of a channels-last array. If packed, its shape is channels first."""
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if not packed or tensor.ndim != 4:
        return tensor
    if tensor.shape[1:3] == (1, 1):
        return tensor.reshape(1, -1, 1, 1)  # a single pixel needs ordinary strides
    return tensor.permute(0, 3, 1, 2)


def _array(tensor: Any, packed: bool) -> Array:
    """Return a copy of a tensor as an array with channels last."""
    last = tensor.permute(0, 2, 3, 1) if packed and tensor.ndim == 4 else tensor
    array: Array = last.numpy().copy(order="C")
    return array


def _backend(artifact: Artifact) -> str:
    return (artifact.spec.graph and artifact.spec.graph.backend) or "xnnpack"


def _require_backend(artifact: Artifact, runtime: Any, version: str) -> None:
    name = _backend(artifact)
    available = runtime.backend_registry.registered_backend_names
    if BACKENDS.get(name, name) not in available:
        where = ", because it needs an Apple system" if name == "coreml" else ""
        raise EdgeshiftError(f"{artifact.path}: made for {name}, which this ExecuTorch {version} does not have{where}")


def _set_threads(library: Any, threads: int) -> None:
    """Set the number of threads before the first program is loaded. A loaded program crashes if its threads change."""
    if _THREADS and _THREADS[0] != threads:
        raise EdgeshiftError(
            f"ExecuTorch runs with {thread_count(_THREADS[0])} in this process, which cannot be changed to {threads} "
            "after a program is loaded; start a new process"
        )
    if not _THREADS:
        with quiet():  # the first call prints information about the processor
            if library._threadpool_get_thread_count() != threads:
                library._unsafe_reset_threadpool(threads)
        _THREADS.append(threads)


#: The number of threads of this process; empty until the first program is loaded.
_THREADS: list[int] = []
