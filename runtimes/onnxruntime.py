"""ONNX Runtime, on any processor for which it has an execution provider.

Two sets of state tensors on the provider's device swap roles after every step, so that no step copies states. Spinning
is off, because threads that busy-wait for the next step heat the device and slow down its camera.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeshift._system.quiet import quiet
from edgeshift.artifact.file import Artifact, Tensors, require_tensors
from edgeshift.artifact.soundness import require_sound
from edgeshift.artifact.spec import NEXT, StreamSpec
from edgeshift.errors import EdgeshiftError, unknown
from edgeshift.runtimes.native import import_runtime, native_call, require_threads, thread_count
from edgeshift.runtimes.onnx_graph import examine
from edgeshift.stream import Array, Model
from edgeshift.targets import Processor

#: {value of the option ``provider``: ONNX Runtime's name}. All but "cpu" need another build of the package.
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "nnapi": "NnapiExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
}
#: {provider: ONNX Runtime's name of the device that holds its tensors}, for devices other than the processor.
DEVICES = {"cuda": "cuda", "tensorrt": "cuda"}
#: {provider: kind of processor}, for other kinds than "cpu".
PROCESSORS: dict[str, Processor] = {"cuda": "gpu", "tensorrt": "gpu", "coreml": "npu", "nnapi": "npu"}
#: The log level at which only fatal errors are printed.
FATAL = 4


def open_artifact(artifact: Artifact, *, threads: int = 1, provider: str = "cpu") -> Model:
    """Open a .onnx artifact from memory. Its file need not exist yet.

    Args:
        artifact: the artifact in memory, made by ``edgeshift convert --target onnx``.
        threads: number of threads of the runtime.
        provider: a name in ``PROVIDERS``. Operators that the provider does not support run on the processor.

    Raises:
        ArtifactError: ONNX Runtime cannot load the graph, or the graph does not match the artifact's description.
        EdgeshiftError: the provider is unknown, or this build of the runtime does not have it.
        RuntimeMissingError: ONNX Runtime is not installed.
    """
    if provider not in PROVIDERS:
        raise EdgeshiftError(unknown("ONNX Runtime provider", provider, PROVIDERS))
    require_threads(threads)
    require_sound(artifact, "onnxruntime", examine)
    runtime = import_runtime("onnxruntime", "onnxruntime", artifact.path)
    wanted, available = PROVIDERS[provider], runtime.get_available_providers()
    if wanted not in available:
        known = ", ".join(name for name, full in PROVIDERS.items() if full in available)
        raise EdgeshiftError(f"this ONNX Runtime {runtime.__version__} has no provider {provider!r}; it has {known}")
    # The wrapper of the runtime prints to standard output when it tries again after an error.
    with quiet(stdout=True), native_call(artifact.path, "ONNX Runtime cannot load its graph"):
        names = [wanted] if provider == "cpu" else [wanted, PROVIDERS["cpu"]]
        session = runtime.InferenceSession(artifact.body, session_options(threads), providers=names)
    if wanted not in session.get_providers():
        raise EdgeshiftError(f"ONNX Runtime could not start the provider {provider!r} here and fell back to the CPU")
    states = {NEXT + state.name: state.name for state in artifact.spec.states}
    outputs = {states.get(name, name): kind for name, kind in shapes(session.get_outputs()).items()}
    require_tensors(artifact, shapes(session.get_inputs()), outputs)
    title = f"ONNX Runtime {runtime.__version__} ({provider}, {thread_count(threads)})"
    device, processor = DEVICES.get(provider, "cpu"), PROCESSORS.get(provider, "cpu")
    return Model(artifact.spec, title, lambda: BoundExecutor(runtime, session, artifact, device), processor)


def session_options(threads: int) -> Any:
    """Return the session options that edgeshift uses everywhere: all graph optimizations, no spinning, no logs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = FATAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    for kind in ("intra", "inter"):
        options.add_session_config_entry(f"session.{kind}_op.allow_spinning", "0")
    # Otherwise ONNX Runtime also quantizes the layers that were kept in float.
    options.add_session_config_entry("optimization.disable_specified_optimizers", "WeightBiasQuantization")
    return options


class BoundExecutor:
    """One stream over a shared session. Two sets of states and two bindings are used in turn."""

    def __init__(self, runtime: Any, session: Any, artifact: Artifact, device: str) -> None:
        spec: StreamSpec = artifact.spec
        self._session, self._path = session, artifact.path
        self._frame = np.zeros(spec.input.shape, spec.input.dtype)
        self._logits = np.zeros(spec.output.shape, spec.output.dtype)
        # On the CPU, an OrtValue shares the memory of its array.
        frame, logits = (runtime.OrtValue.ortvalue_from_numpy(array) for array in (self._frame, self._logits))
        self._sets = [
            {
                state.name: runtime.OrtValue.ortvalue_from_numpy(np.zeros(state.shape, state.dtype), device, 0)
                for state in spec.states
            }
            for _ in range(2)
        ]
        self._bindings = []
        for now in range(2):
            binding = session.io_binding()
            binding.bind_ortvalue_input(spec.input.name, frame)
            binding.bind_ortvalue_output(spec.output.name, logits)
            for name in self._sets[now]:
                binding.bind_ortvalue_input(name, self._sets[now][name])
                binding.bind_ortvalue_output(NEXT + name, self._sets[1 - now][name])
            self._bindings.append(binding)
        self._now = 0

    def run(self, frame: Array) -> Array:
        """Run the input of one call, and update the states."""
        np.copyto(self._frame, frame)
        self._session.run_with_iobinding(self._bindings[self._now])
        self._now = 1 - self._now
        return self._logits

    def states(self) -> dict[str, Array]:
        """Return copies of the states."""
        return {name: value.numpy().copy() for name, value in self._sets[self._now].items()}

    def set_states(self, states: dict[str, Array]) -> None:
        """Replace the states."""
        for name, array in states.items():
            self._sets[self._now][name].update_inplace(np.ascontiguousarray(array))


def shapes(tensors: Any) -> Tensors:
    """Return {name: (shape, type)} of inputs or outputs of a session."""
    kinds = {"tensor(float)": "float32", "tensor(int8)": "int8"}
    # A shape may hold names instead of numbers. It then matches no description.
    return {t.name: (tuple(t.shape), kinds.get(t.type, t.type)) for t in tensors}
