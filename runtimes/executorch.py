"""ExecuTorch's Python runtime, for programs whose states are inputs and outputs, and for those that keep them.

                 one per model      one per stream                states between steps
    io           program, method    a set of tensors              the outputs of a step are the inputs of the next
    buffer                          program, method, buffers      never leave the program

ExecuTorch's package brings PyTorch's tensors, and so needs torch; a file is checked before either is imported.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import threading
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgeshift._system.quiet import quiet
from edgeshift.artifact.file import Artifact, Tensors, read_artifact, require_tensors
from edgeshift.artifact.spec import StreamSpec, channels_last
from edgeshift.errors import ArtifactError, EdgeshiftError, one_line
from edgeshift.stream import Array, Model
from edgeshift.targets import missing_runtime

METHOD = "forward"
#: {backend as a description names it: as the runtime does}.
BACKENDS = {"xnnpack": "XnnpackBackend", "coreml": "CoreMLBackend"}
#: The runtime's numbers for the types of tensors (its scalar_type.h).
DTYPES = {1: "int8", 5: "float16", 6: "float32"}


class Loaded(NamedTuple):
    """A program in memory. Its method reads the bytes in place, which the program keeps."""

    program: Any
    method: Any


def load(path: Path, *, threads: int = 1) -> Model:
    """Load a .pte that carries its description.

    Args:
        path: made by ``edgeshift convert --target executorch``.
        threads: of the process: ExecuTorch has one set for all programs, and the first one loaded decides.

    Raises:
        ArtifactError: damaged, or a program that does not fit its description.
        EdgeshiftError: another number of threads than the process has, or a backend that this runtime lacks.
        RuntimeMissingError: ExecuTorch is not installed.
    """
    return open_artifact(read_artifact(path), threads=threads)


def open_artifact(artifact: Artifact, *, threads: int = 1) -> Model:
    """Like ``load``, for an artifact that was read (or is not written yet)."""
    if not 1 <= threads <= 64:
        raise EdgeshiftError(f"threads must be 1 to 64, not {threads}")
    runtime, library = _executorch(artifact.path)
    version = importlib.metadata.version("executorch")
    _require_backend(artifact, runtime, version)
    _set_threads(library, threads)
    first = _open(artifact, runtime)
    packed = _require_fit(artifact, first)
    words = f"ExecuTorch {version} ({_backend(artifact)}, {threads} thread{'s' * (threads > 1)})"
    if artifact.spec.state_form == "io":
        lock = threading.Lock()
        return Model(artifact.spec, words, lambda: TensorExecutor(first, artifact, packed, lock))
    return Model(artifact.spec, words, lambda: BufferExecutor(_open(artifact, runtime), artifact, packed))


class TensorExecutor:
    """One stream over a shared method: the tensors that come out of a step go into the next one."""

    def __init__(self, loaded: Loaded, artifact: Artifact, packed: bool, lock: threading.Lock) -> None:
        self._loaded, self._path, self._packed, self._lock = loaded, artifact.path, packed, lock
        self._frame, frame = _input(artifact.spec, packed)
        self._names = [state.name for state in artifact.spec.states]
        self._inputs = [frame]
        self.set_states({state.name: np.zeros(state.shape, state.dtype) for state in artifact.spec.states})

    def run(self, frame: Array) -> Array:
        """See ``edgeshift.stream.Executor``."""
        np.copyto(self._frame, frame)
        with self._lock:
            outputs = _execute(self._loaded, self._inputs, self._path)
        self._inputs[1:] = outputs[1:]  # copies already: nothing else holds them
        logits: Array = outputs[0].numpy()
        return logits

    def states(self) -> dict[str, Array]:
        """See ``edgeshift.stream.Executor``."""
        return {name: _array(tensor, self._packed) for name, tensor in zip(self._names, self._inputs[1:], strict=True)}

    def set_states(self, states: dict[str, Array]) -> None:
        """See ``edgeshift.stream.Executor``."""
        self._inputs[1:] = [_tensor(states[name].copy(), self._packed) for name in self._names]


class BufferExecutor:
    """One stream over a program of its own, which holds the states."""

    def __init__(self, loaded: Loaded, artifact: Artifact, packed: bool) -> None:
        self._loaded, self._path, self._packed = loaded, artifact.path, packed
        self._frame, frame = _input(artifact.spec, packed)
        self._inputs = [frame]
        self._buffers = {state.name: _buffer(loaded, state.name, artifact.path) for state in artifact.spec.states}

    def run(self, frame: Array) -> Array:
        """See ``edgeshift.stream.Executor``."""
        np.copyto(self._frame, frame)
        logits: Array = _execute(self._loaded, self._inputs, self._path)[0].numpy()
        return logits

    def states(self) -> dict[str, Array]:
        """See ``edgeshift.stream.Executor``."""
        return {name: _array(buffer, self._packed) for name, buffer in self._buffers.items()}

    def set_states(self, states: dict[str, Array]) -> None:
        """See ``edgeshift.stream.Executor``: the buffers are where the program has them."""
        for name, array in states.items():
            self._buffers[name].copy_(_tensor(array, self._packed))


def _open(artifact: Artifact, runtime: Any) -> Loaded:
    with quiet():
        try:
            program = runtime.load_program(artifact.body)  # checked for consistency by default
            return Loaded(program, program.load_method(METHOD))
        except (RuntimeError, ValueError, KeyError) as error:
            raise ArtifactError(f"{artifact.path}: ExecuTorch cannot load its program: {one_line(error)}") from error


def _execute(loaded: Loaded, inputs: list[Any], path: Path) -> list[Any]:
    try:
        outputs: list[Any] = loaded.method.execute(inputs)
    except RuntimeError as error:
        raise ArtifactError(f"{path}: ExecuTorch cannot run its program: {one_line(error)}") from error
    return outputs


def _require_fit(artifact: Artifact, loaded: Loaded) -> bool:
    """The program's tensors must be those of the description; True if their memory, not their shape, is channels last.

    The runtime knows tensors by place: the frame, then the states; the logits, then the next states.
    """
    spec, meta = artifact.spec, loaded.method.metadata
    buffered = spec.state_form == "buffer"
    states = [] if buffered else [state.name for state in spec.states]
    inputs = _tensors(meta.num_inputs(), meta.input_tensor_meta, [spec.input.name, *states])
    outputs = _tensors(meta.num_outputs(), meta.output_tensor_meta, [spec.output.name, *states])
    packed = inputs.get(spec.input.name, ((), ""))[0] != spec.input.shape
    if buffered:
        kept = {state.name: _buffer(loaded, state.name, artifact.path) for state in spec.states}
        found: Tensors = {name: (tuple(b.shape), str(b.dtype).split(".")[-1]) for name, b in kept.items()}
        inputs, outputs = {**inputs, **found}, {**outputs, **found}
    if packed:
        inputs, outputs = _in_memory(inputs), _in_memory(outputs)
    require_tensors(artifact, inputs, outputs)
    return packed


def _tensors(count: int, tensor: Any, names: list[str]) -> Tensors:
    """{name: (shape, dtype)}; those beyond the names are called by their number."""
    named = [*names, *(f"tensor {index}" for index in range(len(names), count))][:count]
    found = [tensor(index) for index in range(count)]
    kinds = [(tuple(t.sizes()), DTYPES.get(t.dtype(), str(t.dtype()))) for t in found]
    return dict(zip(named, kinds, strict=True))


def _in_memory(found: Tensors) -> Tensors:
    return {name: (channels_last(shape), dtype) for name, (shape, dtype) in found.items()}


def _buffer(loaded: Loaded, name: str, path: Path) -> Any:
    """A program's own buffer, as a tensor in its place."""
    try:
        with quiet():
            return loaded.method._method.get_attribute(name)
    except AttributeError as error:
        raise EdgeshiftError(
            f"{path}: its states are buffers, which ExecuTorch shows from 1.5 on; update it"
        ) from error
    except RuntimeError as error:
        raise ArtifactError(f"{path}: its program has no buffer {name!r}, which its description promises") from error


def _input(spec: StreamSpec, packed: bool) -> tuple[Array, Any]:
    """Memory for the frame: as an array, and as the tensor that the program reads."""
    array: Array = np.zeros(spec.input.shape, spec.input.dtype)
    return array, _tensor(array, packed)


def _tensor(array: Array, packed: bool) -> Any:
    """A tensor over an array, channels last in memory and, unless packed, in shape."""
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if not packed or tensor.ndim != 4:
        return tensor
    if tensor.shape[1:3] == (1, 1):
        return tensor.reshape(1, -1, 1, 1)  # of one pixel, whose strides would mislead
    return tensor.permute(0, 3, 1, 2)


def _array(tensor: Any, packed: bool) -> Array:
    """A copy of a tensor, channels last in shape."""
    found = tensor.permute(0, 2, 3, 1) if packed and tensor.ndim == 4 else tensor
    array: Array = found.numpy().copy(order="C")
    return array


def _backend(artifact: Artifact) -> str:
    return (artifact.spec.graph and artifact.spec.graph.backend) or "xnnpack"


def _require_backend(artifact: Artifact, runtime: Any, version: str) -> None:
    name = _backend(artifact)
    available = runtime.backend_registry.registered_backend_names
    if BACKENDS.get(name, name) not in available:
        where = ": only those of Apple's systems have it" if name == "coreml" else ""
        raise EdgeshiftError(f"{artifact.path}: made for {name}, which this ExecuTorch {version} has not{where}")


def _set_threads(library: Any, threads: int) -> None:
    """Once, before the first program: programs hold the threads they were loaded with, and crash without them."""
    if _THREADS and _THREADS[0] != threads:
        raise EdgeshiftError(
            f"ExecuTorch runs with {_THREADS[0]} thread{'s' * (_THREADS[0] > 1)} in this process, which cannot be "
            f"changed to {threads} once a program was loaded"
        )
    if not _THREADS:
        with quiet():  # asking looks at the processor, aloud
            if library._threadpool_get_thread_count() != threads:
                library._unsafe_reset_threadpool(threads)
        _THREADS.append(threads)


#: What this process runs with, once that is decided.
_THREADS: list[int] = []


def _executorch(path: Path) -> tuple[Any, Any]:
    try:
        with quiet(stdout=True), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it calls itself experimental
            runtime = importlib.import_module("executorch.runtime")
            library = importlib.import_module("executorch.extension.pybindings.portable_lib")
    except ImportError as error:
        raise missing_runtime("executorch", f"running {path}") from error
    return runtime.Runtime.get(), library
