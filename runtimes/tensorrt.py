"""TensorRT, on a Jetson or another machine with an NVIDIA device. Not verified here.

An engine is built from the ONNX graph on the device that runs it. This takes minutes, so the engine is kept beside the
artifact. It works with one device and one version of TensorRT; its file name has a hash of both and of the graph. The
states stay on the device, in two sets of buffers that swap roles after every step.

Only calls that exist in both TensorRT 8.6 (JetPack 6.0) and 10 are used. The development machine has no NVIDIA device:
the tests check the logic around these calls with a double of the package.
"""

from __future__ import annotations

import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from edgeshift._system.files import atomic_write, sha256
from edgeshift._system.quiet import quiet
from edgeshift.artifact.file import Artifact, Tensors, require_tensors
from edgeshift.artifact.spec import NEXT
from edgeshift.errors import ArtifactError, EdgeshiftError, one_line
from edgeshift.runtimes.cuda import Cuda
from edgeshift.runtimes.native import import_runtime
from edgeshift.stream import Array, Model
from edgeshift.stream.placement import Placement

#: Memory that the builder may use to try kernels, bytes.
WORKSPACE = 1 << 30
#: Largest file that is read as an engine, bytes. Engines of edgeshift's networks are far smaller.
MAX_ENGINE = 1 << 30
#: Length of the hash at the start of an engine file.
HASH = 64


def open_artifact(
    artifact: Artifact, device: Cuda | None = None, *, threads: int = 1, fp16: bool | None = None
) -> Model:
    """Open an .onnx artifact. Its engine is read from the file beside it, or built if there is no valid file.

    Args:
        artifact: the artifact in memory, made by ``edgeshift convert --target tensorrt``, or by ``--target onnx`` with
            fp32 or fp16.
        device: the device; None: the first CUDA device.
        threads: must be 1. All runtimes have this option.
        fp16: compute all that is not int8 in float16. None: True unless the artifact is fp32.

    Raises:
        ArtifactError: the int8 graph is for ONNX Runtime, or TensorRT does not accept the graph.
        EdgeshiftError: ``threads`` is not 1, or there is no device.
        RuntimeMissingError: TensorRT or CUDA is not installed.
    """
    if threads != 1:
        raise EdgeshiftError(f"TensorRT runs on the GPU, so threads must be 1, not {threads}")
    spec = artifact.spec
    if spec.precision == "int8" and spec.target != "tensorrt":
        raise ArtifactError(
            f"{artifact.path}: its int8 graph is for {spec.target}, and TensorRT needs another form: convert the model "
            "with --target tensorrt"
        )
    half = spec.precision != "fp32" if fp16 is None else fp16
    trt = import_runtime("tensorrt", "tensorrt", artifact.path)
    device = device or Cuda()
    path = engine_path(artifact, device.name, trt.__version__, half)
    with quiet():
        logger = trt.Logger(trt.Logger.ERROR)
        reader = trt.Runtime(logger)
        engine, plan = _read_engine(reader, path), None
        if engine is None:
            plan = _build(trt, logger, artifact, half)
            engine = reader.deserialize_cuda_engine(plan)
    if engine is None:
        raise ArtifactError(f"{artifact.path}: TensorRT {trt.__version__} cannot read the engine it has just built")
    require_tensors(artifact, *_boundary(trt, artifact, engine))
    if plan is not None:
        _write_engine(path, plan)
    extra = " with fp16" if half and spec.precision == "int8" else ""
    title = f"TensorRT {trt.__version__} on {device.name}, {spec.precision}{extra}"
    # The engine must be destroyed before the objects that it was read with.
    # An engine has no operators outside the GPU.
    placement = Placement(accelerator="gpu", device=device.name, complete=True)
    return Model(
        spec, title, lambda: _EngineExecutor((logger, reader, engine), artifact, device), "gpu", placement=placement
    )


def engine_path(artifact: Artifact, device: str, version: str, fp16: bool) -> Path:
    """Return the path of the engine file for a graph, a device, a version of TensorRT and a precision."""
    key = "\n".join([device, version, sha256(artifact.body), artifact.spec.precision, f"fp16={fp16}"])
    return artifact.path.with_name(f"{artifact.path.name}.{sha256(key.encode())[:16]}.engine")


class _EngineExecutor:
    """One stream over a shared engine, with its own context and two sets of states on the device.

    Args:
        owners: TensorRT's objects, the engine last. This executor keeps them alive.
        artifact: the artifact.
        device: the device.
    """

    def __init__(self, owners: tuple[Any, ...], artifact: Artifact, device: Cuda) -> None:
        spec, self._owners = artifact.spec, owners
        self._path, self._device, self._spec = artifact.path, device, spec
        self._context = owners[-1].create_execution_context()
        if self._context is None:
            raise EdgeshiftError(f"{artifact.path}: TensorRT does not have enough memory for another stream")
        addresses: list[int] = []
        # Registered before the first allocation, so that memory is freed if a later allocation fails.
        weakref.finalize(self, _free, device, addresses)

        def allocate(shape: tuple[int, ...], dtype: str) -> int:
            addresses.append(device.allocate(int(np.prod(shape)) * np.dtype(dtype).itemsize))
            return addresses[-1]

        self._frame = allocate(spec.input.shape, spec.input.dtype)
        self._output = allocate(spec.output.shape, spec.output.dtype)
        self._logits = np.zeros(spec.output.shape, spec.output.dtype)
        self._sets = [{state.name: allocate(state.shape, state.dtype) for state in spec.states} for _ in range(2)]
        self._context.set_tensor_address(spec.input.name, self._frame)
        self._context.set_tensor_address(spec.output.name, self._output)
        self._now = 0

    def run(self, frame: Array) -> Array:
        pixels = np.ascontiguousarray(frame)  # kept until the queued copy is done
        self._device.write(self._frame, pixels)
        now, following = self._sets[self._now], self._sets[1 - self._now]
        for name, address in now.items():
            self._context.set_tensor_address(name, address)
            self._context.set_tensor_address(NEXT + name, following[name])
        if not self._context.execute_async_v3(self._device.stream):
            raise EdgeshiftError(f"{self._path}: TensorRT could not run a step; see its log with --debug")
        self._device.read(self._output, self._logits)
        self._device.wait()
        self._now = 1 - self._now
        return self._logits

    def states(self) -> dict[str, Array]:
        arrays = {state.name: np.empty(state.shape, state.dtype) for state in self._spec.states}
        for name, array in arrays.items():
            self._device.read(self._sets[self._now][name], array)
        self._device.wait()
        return arrays

    def set_states(self, states: dict[str, Array]) -> None:
        arrays = {name: np.ascontiguousarray(array) for name, array in states.items()}
        for name, array in arrays.items():
            self._device.write(self._sets[self._now][name], array)
        self._device.wait()  # the arrays must exist until the copies are done


def _free(device: Cuda, addresses: list[int]) -> None:
    for address in addresses:
        device.free(address)


def _build(trt: Any, logger: Any, artifact: Artifact, fp16: bool) -> bytes:
    """Build the engine and return its plan.

    Raises:
        ArtifactError: TensorRT does not accept the graph, or cannot build the engine.
    """
    version, path = trt.__version__, artifact.path
    builder = trt.Builder(logger)
    # Needed before TensorRT 10. In 10, all networks have explicit batches, and the flag is deprecated.
    explicit = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    network = builder.create_network(0 if explicit is None else 1 << int(explicit))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(artifact.body):
        errors = [parser.get_error(i).desc() for i in range(parser.num_errors)]
        reason = " ".join("; ".join(errors).split())[:400]
        raise ArtifactError(f"{path}: TensorRT {version} does not accept its graph: {reason}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE)
    if artifact.spec.precision == "int8":
        config.set_flag(trt.BuilderFlag.INT8)
    if fp16:
        config.set_flag(trt.BuilderFlag.FP16)
    if artifact.spec.precision == "fp32" and not fp16:
        config.clear_flag(trt.BuilderFlag.TF32)  # TF32 has ten bits of mantissa
    try:
        plan = builder.build_serialized_network(network, config)
    except Exception as error:
        raise ArtifactError(f"{path}: TensorRT {version} cannot build its engine: {one_line(error)}") from error
    if plan is None:
        raise ArtifactError(f"{path}: TensorRT {version} cannot build its engine; see its log with --debug")
    return bytes(plan)


def _read_engine(reader: Any, path: Path) -> Any | None:
    """Read an engine from a file; None: there is no file, it is damaged, or this TensorRT cannot read it."""
    data = b""
    with suppress(OSError):
        data = path.read_bytes() if path.is_file() and path.stat().st_size <= MAX_ENGINE else b""
    is_whole = sha256(data[HASH:]).encode() == data[:HASH]
    return reader.deserialize_cuda_engine(data[HASH:]) if is_whole else None


def _write_engine(path: Path, plan: bytes) -> None:
    """Write an engine for the next start. If the folder is read-only, the next start builds the engine again."""
    with suppress(OSError), atomic_write(path) as temporary:
        temporary.write_bytes(sha256(plan).encode() + plan)


def _boundary(trt: Any, artifact: Artifact, engine: Any) -> tuple[Tensors, Tensors]:
    """Return the tensors of the inputs and outputs of an engine. A next state has the name of its state."""
    states = {NEXT + state.name: state.name for state in artifact.spec.states}
    inputs: Tensors = {}
    outputs: Tensors = {}
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        kind = tuple(engine.get_tensor_shape(name)), np.dtype(trt.nptype(engine.get_tensor_dtype(name))).name
        if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
            inputs[name] = kind
        else:
            outputs[states.get(name, name)] = kind
    return inputs, outputs
