"""The logic of the TensorRT runtime, with doubles of its package and of CUDA. No real engine is built.

The engine of the double computes the network of ``doubles``.
"""

from __future__ import annotations

import gc
import sys
import types
from pathlib import Path

import msgspec
import numpy as np
import pytest
from doubles import LABELS, LEAK, MIX, OWN, STATE, expected_outputs, frames, stream_spec

from edgeshift.artifact.file import Artifact, read_artifact, write_artifact
from edgeshift.cli import main
from edgeshift.errors import ArtifactError, EdgeshiftError, RuntimeMissingError
from edgeshift.runtimes import load, tensorrt
from edgeshift.runtimes.tensorrt import engine_path, open_artifact

#: Bytes of a graph that the double accepts, and of one that it refuses.
GOOD, BAD = b"\x08\x08", b"\x08\x09"
SHAPES = {"frame": (1, 64, 64, 3), STATE: (1, 1, 1, 3), "logits": (1, len(LABELS)), f"next_{STATE}": (1, 1, 1, 3)}


class FakeDevice:
    """A double of ``Cuda``. ``memory`` is {address: bytes}. Queued copies are executed in ``wait``, as on a device."""

    stream = 77

    def __init__(self, name: str = "Orin", free_bytes: int = 1 << 30) -> None:
        self.name, self.free_bytes = name, free_bytes
        self.memory: dict[int, bytearray] = {}
        self.queue: list[object] = []

    def allocate(self, size):
        if size > self.free_bytes:
            raise EdgeshiftError("CUDA failed: cudaMalloc returned 2")
        self.free_bytes -= size
        address = 4096 * (len(self.memory) + 1)
        assert address not in self.memory
        self.memory[address] = bytearray(b"\xee" * size)
        return address

    def free(self, address):
        self.free_bytes += len(self.memory.pop(address))

    def write(self, address, array):
        assert array.flags.c_contiguous and array.nbytes == len(self.memory[address])
        self.queue.append(lambda: self.memory[address].__setitem__(slice(None), array.tobytes()))

    def read(self, address, array):
        assert array.nbytes == len(self.memory[address])

        def copy():
            array[...] = np.frombuffer(self.memory[address], array.dtype).reshape(array.shape)

        self.queue.append(copy)

    def wait(self):
        queue, self.queue = self.queue, []
        for work in queue:
            work()

    def at(self, address, name):
        return np.frombuffer(self.memory[address], np.float32).reshape(SHAPES[name])


class FakeTensorRT(types.ModuleType):
    """A double of the package, with the calls that TensorRT 8.6 and 10 share. It records how it was called."""

    def __init__(self, device, version="10.3.0", *, explicit=True, shapes=SHAPES):
        super().__init__("tensorrt")
        self.__version__ = version
        self.built, self.flags, self.networks, self.deserialized = 0, set(), [], 0
        self.fails: str | None = None
        outer = self

        class Logger:
            ERROR = 1

            def __init__(self, severity):
                assert severity == self.ERROR

        class Context:
            def __init__(self):
                self.addresses = {}

            def set_tensor_address(self, name, address):
                assert name in shapes and address in device.memory
                self.addresses[name] = address
                return True

            def execute_async_v3(self, stream_handle):
                assert stream_handle == device.stream and set(self.addresses) == set(shapes)
                if outer.fails == "run":
                    return False
                addresses = dict(self.addresses)
                assert len(set(addresses.values())) == len(addresses), "an input and an output share memory"
                device.queue.append(lambda: self.compute(addresses))
                return True

            def compute(self, addresses):
                frame, state = device.at(addresses["frame"], "frame"), device.at(addresses[STATE], STATE)
                colour = frame.astype(np.float64).mean((1, 2))
                level = LEAK * state[:, 0, 0] + colour
                logits = level @ MIX + colour @ OWN
                for name, values in (("logits", logits), (f"next_{STATE}", level)):
                    device.memory[addresses[name]][:] = values.astype(np.float32).tobytes()

        class Engine:
            num_io_tensors = len(shapes)

            def get_tensor_name(self, index):
                return list(shapes)[index]

            def get_tensor_shape(self, name):
                return list(shapes[name])

            def get_tensor_dtype(self, name):
                return "FLOAT"

            def get_tensor_mode(self, name):
                return "OUT" if name.startswith(("next_", "logits")) else "IN"

            def create_execution_context(self):
                return None if outer.fails == "context" else Context()

        class Runtime:
            def __init__(self, logger):
                assert isinstance(logger, Logger)

            def deserialize_cuda_engine(self, plan):
                outer.deserialized += 1
                matches = plan == b"plan of " + outer.__version__.encode()
                return Engine() if matches and outer.fails != "read" else None

        class Builder:
            def __init__(self, logger):
                pass

            def create_network(self, flags):
                outer.networks.append(flags)
                return "network"

            def create_builder_config(self):
                outer.flags = {"TF32"}
                return types.SimpleNamespace(
                    set_memory_pool_limit=lambda pool, size: None,
                    set_flag=outer.flags.add,
                    clear_flag=outer.flags.discard,
                )

            def build_serialized_network(self, network, config):
                outer.built += 1
                return None if outer.fails == "build" else memoryview(b"plan of " + outer.__version__.encode())

        class OnnxParser:
            num_errors = 1

            def __init__(self, network, logger):
                pass

            def parse(self, body):
                return body == GOOD

            def get_error(self, index):
                return types.SimpleNamespace(desc=lambda: "no importer\nfor this")

        self.Logger, self.Runtime, self.Builder, self.OnnxParser = Logger, Runtime, Builder, OnnxParser
        flag = {"EXPLICIT_BATCH": 0} if explicit else {}
        self.NetworkDefinitionCreationFlag = types.SimpleNamespace(**flag)
        self.BuilderFlag = types.SimpleNamespace(INT8="INT8", FP16="FP16", TF32="TF32")
        self.MemoryPoolType = types.SimpleNamespace(WORKSPACE="WORKSPACE")
        self.TensorIOMode = types.SimpleNamespace(INPUT="IN")
        self.nptype = lambda dtype: np.float32


@pytest.fixture
def device():
    return FakeDevice()


@pytest.fixture
def trt(device, monkeypatch):
    return install(monkeypatch, FakeTensorRT(device))


def install(monkeypatch, module):
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    return module


def artifact(folder: Path, body: bytes = GOOD, **changes) -> Artifact:
    path = folder / "a.trt.onnx"
    write_artifact(path, body, stream_spec(target="tensorrt", **changes))
    return read_artifact(path)


def logits(stream, shown):
    return np.stack([stream.step(frame).logits for frame in shown])


def test_logits_and_states_are_those_of_the_network(tmp_path, trt, device):
    stream = open_artifact(artifact(tmp_path), device=device).stream()
    shown = frames(9)
    wanted, levels = expected_outputs(shown)
    np.testing.assert_allclose(logits(stream, shown), wanted, rtol=1e-4)
    np.testing.assert_allclose(stream.state[STATE].ravel(), levels[-1], rtol=1e-5)


def test_streams_are_independent_and_states_can_be_restored(tmp_path, trt, device):
    model = open_artifact(artifact(tmp_path), device=device)
    a, b, shown = model.stream(), model.stream(), frames(8)
    alone = logits(a, shown)
    a.reset()
    mixed = []
    for t, frame in enumerate(shown):
        mixed.append(a.step(frame).logits)
        b.step(shown[-1 - t])
    np.testing.assert_array_equal(np.stack(mixed), alone)
    for steps in (3, 4):  # an odd and an even number, so that each of the two sets of states is saved once
        a.reset()
        logits(a, shown[:steps])
        b.state = a.state
        np.testing.assert_array_equal(logits(b, shown[steps:]), alone[steps:])


def test_states_stay_on_the_device(tmp_path, trt, device):
    """A running stream allocates nothing, and copies only the frame and the logits."""
    stream = open_artifact(artifact(tmp_path), device=device).stream()
    memory, copied = set(device.memory), []
    for name in ("write", "read"):
        original = getattr(device, name)

        def count(address, array, original=original):
            copied.append(array.nbytes)
            original(address, array)

        setattr(device, name, count)
    for frame in frames(3):
        stream.step(frame)
    assert set(device.memory) == memory
    assert copied == [64 * 64 * 3 * 4, len(LABELS) * 4] * 3


def test_memory_is_freed(tmp_path, trt, device):
    model = open_artifact(artifact(tmp_path), device=device)
    stream = model.stream()
    assert device.memory
    del stream
    gc.collect()
    assert not device.memory
    device.free_bytes = 64 * 64 * 3 * 4 + 20  # enough for the frame and the logits, but not for the states
    with pytest.raises(EdgeshiftError, match="cudaMalloc"):
        model.stream()
    gc.collect()
    assert not device.memory


# --- the engine and its file -----------------------------------------------------------------------------------------


def test_an_engine_is_built_once(tmp_path, trt, device):
    converted = artifact(tmp_path)
    open_artifact(converted, device=device)
    assert trt.built == 1 and trt.networks == [1]
    (engine,) = tmp_path.glob("*.engine")
    assert engine == engine_path(converted, "Orin", "10.3.0", False) and engine.name.startswith("a.trt.onnx.")
    open_artifact(converted, device=device)
    assert trt.built == 1


def test_the_file_name_depends_on_device_version_graph_and_precision(tmp_path):
    converted = artifact(tmp_path)
    other = msgspec.structs.replace(converted.spec, precision="int8")
    paths = {
        engine_path(converted, "Orin", "10.3.0", False),
        engine_path(converted, "Xavier", "10.3.0", False),
        engine_path(converted, "Orin", "8.6.2", False),
        engine_path(converted, "Orin", "10.3.0", True),
        engine_path(Artifact(converted.path, converted.spec, b"another graph"), "Orin", "10.3.0", False),
        engine_path(Artifact(converted.path, other, converted.body), "Orin", "10.3.0", False),
    }
    assert len(paths) == 6 and {path.parent for path in paths} == {tmp_path}


def test_another_version_of_tensorrt_builds_another_engine(tmp_path, monkeypatch, trt, device):
    converted = artifact(tmp_path)
    open_artifact(converted, device=device)
    older = install(monkeypatch, FakeTensorRT(device, "8.6.2"))
    assert "TensorRT 8.6.2 on Orin, fp32" in open_artifact(converted, device=device).runtime
    assert older.built == 1 and len(list(tmp_path.glob("*.engine"))) == 2


DAMAGE = {
    "cut": lambda data: data[:-1],
    "hash alone": lambda data: data[:64],
    "empty": lambda data: b"",
    "changed": lambda data: data[:70] + b"x" + data[71:],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_engine_is_built_again_and_never_read(tmp_path, trt, device, damage):
    """TensorRT does not check the bytes of a plan, so a damaged plan can crash it."""
    converted = artifact(tmp_path)
    open_artifact(converted, device=device)
    (engine,) = tmp_path.glob("*.engine")
    good = engine.read_bytes()
    engine.write_bytes(damage(good))
    before = trt.deserialized
    open_artifact(converted, device=device)
    assert trt.built == 2 and trt.deserialized == before + 1 and engine.read_bytes() == good


def test_an_engine_that_tensorrt_refuses_is_built_again(tmp_path, trt, device):
    converted = artifact(tmp_path)
    engine = engine_path(converted, "Orin", "10.3.0", False)
    tensorrt._write_engine(engine, b"plan of another version")
    open_artifact(converted, device=device)
    assert trt.built == 1 and b"another version" not in engine.read_bytes()


def test_the_engine_runs_even_if_its_file_cannot_be_written(tmp_path, trt, device, monkeypatch):
    def deny(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tensorrt, "atomic_write", deny)
    open_artifact(artifact(tmp_path), device=device).stream().step(frames(1)[0])
    assert not list(tmp_path.glob("*.engine"))


@pytest.mark.parametrize(
    ("precision", "fp16", "flags"),
    [
        ("fp32", None, set()),
        ("fp32", True, {"FP16", "TF32"}),
        ("fp16", None, {"FP16", "TF32"}),
        ("int8", None, {"INT8", "FP16", "TF32"}),
        ("int8", False, {"INT8", "TF32"}),
    ],
)
def test_builder_flags(tmp_path, trt, device, precision, fp16, flags):
    """fp32 clears TF32, which TensorRT uses by default, because TF32 has only ten bits of mantissa."""
    open_artifact(artifact(tmp_path, precision=precision), fp16=fp16, device=device)
    assert trt.flags == flags


def test_a_version_without_the_flag_for_explicit_batches(tmp_path, monkeypatch, device):
    trt = install(monkeypatch, FakeTensorRT(device, "11.0.0", explicit=False))
    open_artifact(artifact(tmp_path), device=device)
    assert trt.networks == [0]


# --- errors ---------------------------------------------------------------------------------------------------------


def error_of(converted, device, kind=ArtifactError):
    """Return the one-line error of opening and running an artifact."""
    with pytest.raises(kind) as caught:
        open_artifact(converted, device=device).stream().step(frames(1)[0])
    assert "\n" not in str(caught.value) and caught.value.status == 2
    return str(caught.value)


def test_a_graph_that_tensorrt_refuses(tmp_path, trt, device):
    message = error_of(artifact(tmp_path, BAD), device)
    assert "TensorRT 10.3.0 does not accept its graph: no importer for this" in message
    assert not list(tmp_path.glob("*.engine"))


@pytest.mark.parametrize(
    ("fails", "kind", "words"),
    [
        ("build", ArtifactError, "cannot build its engine"),
        ("read", ArtifactError, "cannot read the engine it has just built"),
        ("context", EdgeshiftError, "does not have enough memory for another stream"),
        ("run", EdgeshiftError, "could not run a step"),
    ],
)
def test_failures_are_one_line(tmp_path, trt, device, fails, kind, words):
    trt.fails = fails
    assert words in error_of(artifact(tmp_path), device, kind)


def test_an_engine_that_does_not_match_the_description_is_refused(tmp_path, monkeypatch, device):
    install(monkeypatch, FakeTensorRT(device, shapes={**SHAPES, f"next_{STATE}": (1, 1, 1, 4)}))
    assert f"output {STATE!r} of the graph is ((1, 1, 1, 4), 'float32')" in error_of(artifact(tmp_path), device)
    assert not list(tmp_path.glob("*.engine"))


def test_int8_for_another_runtime_is_refused(tmp_path, trt, device):
    path = tmp_path / "a.onnx"
    write_artifact(path, GOOD, stream_spec(target="onnx", precision="int8"))
    assert "with --target tensorrt" in error_of(read_artifact(path), device)
    write_artifact(path, GOOD, stream_spec(target="onnx", precision="fp16"))
    open_artifact(read_artifact(path), device=device)


def test_the_error_without_tensorrt_names_jetpack(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    path = artifact(tmp_path).path
    with pytest.raises(RuntimeMissingError, match="install JetPack"):
        load(path, runtime="tensorrt")
    for command in ("verify", "demo"):
        with pytest.raises(SystemExit) as ended:
            main([command, str(path), "--runtime", "tensorrt", *(["--headless"] if command == "demo" else [])])
        error = capsys.readouterr().err
        assert ended.value.code == 2 and len(error.splitlines()) == 1 and "JetPack" in error


def test_the_error_without_cuda_names_the_library_and_jetpack(tmp_path, trt, monkeypatch):
    from edgeshift.runtimes import cuda

    monkeypatch.setattr(cuda, "RUNTIME", ("libno-such-thing.so",))
    with pytest.raises(
        RuntimeMissingError, match=r"needs CUDA, and libno-such-thing\.so was not found; .* install JetPack"
    ):
        open_artifact(artifact(tmp_path))


def test_the_runtime_is_chosen_by_name(tmp_path, trt, device, monkeypatch):
    monkeypatch.setattr(tensorrt, "Cuda", lambda: device)
    path = artifact(tmp_path).path
    assert load(path, runtime="tensorrt").runtime == "TensorRT 10.3.0 on Orin, fp32"
    with pytest.raises(EdgeshiftError, match="unknown runtime 'tensort'; did you mean tensorrt"):
        load(path, runtime="tensort")
    with pytest.raises(ArtifactError, match=r"tensorrt runs \*\.onnx files"):
        load(tmp_path / "a.tflite", runtime="tensorrt")
    with pytest.raises(EdgeshiftError, match="threads must be 1, not 2"):
        load(path, runtime="tensorrt", threads=2)


# --- the converted file ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("table", ["tsm", "stsm"])
def test_the_int8_graph_meets_the_conditions_of_tensorrt(made, table):
    """TensorRT's documentation states them for explicit quantization: all zero points are 0, and biases are float."""
    onnx = pytest.importorskip("onnx")
    converted = made(table, "int8", "tensorrt")
    assert converted.path.name.endswith(".trt.onnx")
    model = onnx.load(str(converted.path))
    onnx.checker.check_model(model, full_check=True)
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    pairs = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert len(pairs) > 200
    for node in pairs:
        zero = constants[node.input[2]]
        assert zero.dtype == np.int8 and not zero.any()
        assert (constants[node.input[1]] > 0).all()
    quantized = 0
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            kinds = [getattr(makers.get(name), "op_type", None) for name in node.input[:2]]
            # The first convolution reads the frame in float.
            assert kinds in (["DequantizeLinear"] * 2, ["Concat", None]), node.name
            quantized += kinds[0] is not None and kinds[1] is not None
            assert all(name in constants for name in node.input[2:])  # float biases
    assert quantized == (62 if table == "stsm" else 52)
    assert {t.dtype for t in (converted.result.spec.input, *converted.result.spec.states)} == {"float32"}
    types_ = {t.data_type for t in model.graph.initializer}
    assert onnx.TensorProto.UINT8 not in types_ and onnx.TensorProto.INT32 not in types_


@pytest.mark.slow
def test_convert_warns_that_tensorrt_is_not_verified(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        out = tmp_path / "a.trt.onnx"
        main(["convert", "--target", "tensorrt", "--precision", "fp16", "--size", "64", "--out", str(out)])
    assert not ended.value.code and out.is_file()
    assert "TensorRT is not verified on this platform" in capsys.readouterr().err


@pytest.mark.slow
def test_onnx_runtime_runs_the_converted_file_and_its_self_check(made):
    from edgeshift.stream.selfcheck import self_check

    converted = made("tsm", "int8", "tensorrt")
    model = load(converted.path)
    assert model.runtime.startswith("ONNX Runtime") and self_check(model).ok
    spec = converted.result.spec
    assert spec.target == "tensorrt" and spec.parity.cosine > 0.98
