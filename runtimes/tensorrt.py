"""TensorRT: on a Jetson, or another machine with an NVIDIA device. Not verified here.

An engine is built from the ONNX graph on the device that runs it, which takes minutes, and kept beside the artifact. It
fits one device and one version of TensorRT: both are in its name, with the hash of the graph. The states stay on the
device: two sets of memory whose addresses swap roles from step to step.

The calls are those that TensorRT 8.6 (JetPack 6.0) and 10 have in common. There is no such device on the development
machine: what is tested here is the logic around them, on a stand-in of the package.
"""

from __future__ import annotations

import importlib
import weakref
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edgeshift._system.files import atomic_write, sha256
from edgeshift._system.quiet import quiet
from edgeshift.artifact.file import Artifact, Tensors, read_artifact, require_tensors
from edgeshift.artifact.spec import NEXT
from edgeshift.errors import ArtifactError, EdgeshiftError, RuntimeMissingError, one_line
from edgeshift.runtimes.cuda import Cuda
from edgeshift.stream import Array, Model

#: Memory that the builder may use to try kernels, bytes.
WORKSPACE = 1 << 30
#: No honest engine of one of our networks comes near this.
MAX_ENGINE = 1 << 30
HASH = 64


class Device(Protocol):
    """What is needed of CUDA (``edgeshift.runtimes.cuda.Cuda``)."""

    name: str
    stream: int

    def allocate(self, size: int) -> int:
        """New memory."""
        ...

    def free(self, address: int) -> None:
        """Give it back."""
        ...

    def write(self, address: int, array: Array) -> None:
        """Host to device, queued."""
        ...

    def read(self, address: int, array: Array) -> None:
        """Device to host, queued."""
        ...

    def wait(self) -> None:
        """Until all is done."""
        ...


def load(path: Path, *, threads: int = 1, fp16: bool | None = None) -> Model:
    """Load an .onnx that carries its description, with an engine built before or now.

    Args:
        path: made by ``edgeshift convert --target tensorrt`` (fp32 and fp16 of ``--target onnx`` do as well).
        threads: for the face that all runtimes share; the device has its own.
        fp16: let the device compute in float16 what is not int8. None: unless the artifact is fp32.

    Raises:
        ArtifactError: damaged, an int8 graph that is ONNX Runtime's, or one that TensorRT does not take.
        RuntimeMissingError: TensorRT or CUDA is not installed.
    """
    if threads != 1:
        raise EdgeshiftError(f"TensorRT runs on the device and has no threads to set; {threads} were asked for")
    return open_artifact(read_artifact(path), fp16=fp16)


def open_artifact(artifact: Artifact, *, fp16: bool | None = None, device: Device | None = None) -> Model:
    """Like ``load``, for an artifact that was read. ``device``: None: the first CUDA device."""
    spec = artifact.spec
    if spec.precision == "int8" and spec.target != "tensorrt":
        raise ArtifactError(
            f"{artifact.path}: its int8 grids are made for {spec.target}, and TensorRT needs others: "
            "convert it with --target tensorrt"
        )
    half = spec.precision != "fp32" if fp16 is None else fp16
    trt = _tensorrt(artifact.path)
    device = device or Cuda()
    kept = engine_path(artifact, device.name, trt.__version__, half)
    with quiet():
        logger = trt.Logger(trt.Logger.ERROR)
        reader = trt.Runtime(logger)
        engine, plan = _kept_engine(reader, kept), None
        if engine is None:
            plan = _build(trt, logger, artifact, half)
            engine = reader.deserialize_cuda_engine(plan)
    if engine is None:
        raise ArtifactError(f"{artifact.path}: TensorRT {trt.__version__} cannot read the engine it has just built")
    require_tensors(artifact, *_boundary(trt, artifact, engine))
    if plan is not None:
        _keep(kept, plan)
    words = f"TensorRT {trt.__version__} on {device.name}, {spec.precision}" + (
        " with fp16" if half and spec.precision == "int8" else ""
    )
    # An engine must not outlive what it was read with.
    return Model(spec, words, lambda: EngineExecutor((logger, reader, engine), artifact, device))


def engine_path(artifact: Artifact, device: str, version: str, fp16: bool) -> Path:
    """Where the engine of a graph for a device, a version of TensorRT and a precision is: beside the artifact."""
    key = "\n".join([device, version, sha256(artifact.body), artifact.spec.precision, f"fp16={fp16}"])
    return artifact.path.with_name(f"{artifact.path.name}.{sha256(key.encode())[:16]}.engine")


class EngineExecutor:
    """One stream over a shared engine: a context, and two sets of states on the device.

    Args:
        owners: TensorRT's objects, the engine last; they live as long as this does.
    """

    def __init__(self, owners: tuple[Any, ...], artifact: Artifact, device: Device) -> None:
        spec, self._owners = artifact.spec, owners
        self._path, self._device, self._spec = artifact.path, device, spec
        self._context = owners[-1].create_execution_context()
        if self._context is None:
            raise EdgeshiftError(f"{artifact.path}: TensorRT has no memory for another stream")
        taken: list[int] = []
        # Registered before there is anything: an allocation that fails must not leave the ones before it behind.
        weakref.finalize(self, _free, device, taken)

        def room(shape: tuple[int, ...], dtype: str) -> int:
            taken.append(device.allocate(int(np.prod(shape)) * np.dtype(dtype).itemsize))
            return taken[-1]

        self._frame = room(spec.input.shape, spec.input.dtype)
        self._answer = room(spec.output.shape, spec.output.dtype)
        self._logits = np.zeros(spec.output.shape, spec.output.dtype)
        self._sets = [{state.name: room(state.shape, state.dtype) for state in spec.states} for _ in range(2)]
        self._context.set_tensor_address(spec.input.name, self._frame)
        self._context.set_tensor_address(spec.output.name, self._answer)
        self._now = 0

    def run(self, frame: Array) -> Array:
        """See ``edgeshift.stream.Executor``."""
        pixels = np.ascontiguousarray(frame)  # kept until the queue has read it
        self._device.write(self._frame, pixels)
        now, following = self._sets[self._now], self._sets[1 - self._now]
        for name, address in now.items():
            self._context.set_tensor_address(name, address)
            self._context.set_tensor_address(NEXT + name, following[name])
        if not self._context.execute_async_v3(self._device.stream):
            raise EdgeshiftError(f"{self._path}: TensorRT could not run a step; --debug and its own log say more")
        self._device.read(self._answer, self._logits)
        self._device.wait()
        self._now = 1 - self._now
        return self._logits

    def states(self) -> dict[str, Array]:
        """See ``edgeshift.stream.Executor``."""
        found = {}
        for state in self._spec.states:
            found[state.name] = np.empty(state.shape, state.dtype)
            self._device.read(self._sets[self._now][state.name], found[state.name])
        self._device.wait()
        return found

    def set_states(self, states: dict[str, Array]) -> None:
        """See ``edgeshift.stream.Executor``."""
        arrays = {name: np.ascontiguousarray(array) for name, array in states.items()}
        for name, array in arrays.items():
            self._device.write(self._sets[self._now][name], array)
        self._device.wait()  # the arrays may go away now


def _free(device: Device, taken: list[int]) -> None:
    for address in taken:
        device.free(address)


def _tensorrt(path: Path) -> Any:
    try:
        with quiet():
            return importlib.import_module("tensorrt")
    except ImportError as error:
        raise RuntimeMissingError(
            f"running {path} with TensorRT needs the tensorrt package, which is not installed: JetPack ships it for "
            "the system's Python (make the environment with --system-site-packages)"
        ) from error


def _build(trt: Any, logger: Any, artifact: Artifact, fp16: bool) -> bytes:
    """The engine's plan.

    Raises:
        ArtifactError: TensorRT does not take the graph.
    """
    version, path = trt.__version__, artifact.path
    builder = trt.Builder(logger)
    # Deprecated in 10, where every network has explicit batches, and needed before.
    explicit = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    network = builder.create_network(0 if explicit is None else 1 << int(explicit))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(artifact.body):
        errors = [parser.get_error(i).desc() for i in range(parser.num_errors)]
        reason = " ".join("; ".join(errors).split())[:400]
        raise ArtifactError(f"{path}: TensorRT {version} does not take its graph: {reason}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE)
    if artifact.spec.precision == "int8":
        config.set_flag(trt.BuilderFlag.INT8)
    if fp16:
        config.set_flag(trt.BuilderFlag.FP16)
    if artifact.spec.precision == "fp32" and not fp16:
        config.clear_flag(trt.BuilderFlag.TF32)  # ten bits of mantissa are not fp32
    try:
        plan = builder.build_serialized_network(network, config)
    except Exception as error:
        raise ArtifactError(f"{path}: TensorRT {version} cannot build its engine: {one_line(error)}") from error
    if plan is None:
        raise ArtifactError(f"{path}: TensorRT {version} cannot build its engine; its own log says why (--debug)")
    return bytes(plan)


def _kept_engine(reader: Any, path: Path) -> Any | None:
    """An engine that was kept, if it is there, whole, and one that this TensorRT reads; else it is built again."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_ENGINE:
            return None
        data = path.read_bytes()
    except OSError:
        return None
    if sha256(data[HASH:]).encode() != data[:HASH]:
        return None
    return reader.deserialize_cuda_engine(data[HASH:])


def _keep(path: Path, plan: bytes) -> None:
    """Beside the artifact; where nothing can be written, the next start takes as long as this one."""
    try:
        with atomic_write(path) as temporary:
            temporary.write_bytes(sha256(plan).encode() + plan)
    except OSError:
        return


def _boundary(trt: Any, artifact: Artifact, engine: Any) -> tuple[Tensors, Tensors]:
    states = {NEXT + state.name: state.name for state in artifact.spec.states}
    inputs: Tensors = {}
    outputs: Tensors = {}
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        found = tuple(engine.get_tensor_shape(name)), np.dtype(trt.nptype(engine.get_tensor_dtype(name))).name
        if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
            inputs[name] = found
        else:
            outputs[states.get(name, name)] = found
    return inputs, outputs
