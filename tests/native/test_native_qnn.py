"""The native runtime and .qnn.onnx artifacts: the same answers as Python's on the simulator of Qualcomm's NPU."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
from streams import FRAMES, logits_of

from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.artifact.spec import GraphSpec
from edgeshift.benchmarks.accuracy.candidate import open_candidate
from edgeshift.benchmarks.accuracy.measure import measure as measure_accuracy
from edgeshift.benchmarks.accuracy.remote import open_on_device, stream_on_device
from edgeshift.benchmarks.devices.agent_check import check_on_device
from edgeshift.benchmarks.devices.local import LocalDevice
from edgeshift.benchmarks.devices.native import NativeDevice
from edgeshift.benchmarks.devices.qnn_libraries import QnnLibraries, find_qnn_libraries
from edgeshift.benchmarks.studies.native_library import Image, NativeLibrary, litert_library, rgb_image
from edgeshift.cli import main
from edgeshift.errors import ArtifactError, EdgeshiftError, RuntimeMissingError
from edgeshift.runtimes import load, qnn
from edgeshift.runtimes.accelerated import References, frames_of_check
from edgeshift.stream.replay import write_transcript
from edgeshift.stream.selfcheck import self_check
from edgeshift.stream.transcript import encode_transcript

onnx = pytest.importorskip("onnx")
if importlib.util.find_spec("onnxruntime_qnn") is None or sys.platform != "linux":
    pytest.skip(
        'the simulator of the NPU is not installed: pip install ".[qnn]", on Linux x86-64', allow_module_level=True
    )
pytestmark = pytest.mark.slow


def picture(frame: np.ndarray) -> Image:
    return rgb_image(np.ascontiguousarray(frame))


@pytest.fixture
def artifact(made) -> Path:
    """The untrained TSM at 64x64."""
    return made("tsm", "int8", "qnn").path


@pytest.fixture(scope="module")
def libraries() -> QnnLibraries:
    return find_qnn_libraries("x86_64", None, here=True)


@pytest.fixture
def native(native_build: Callable[..., Path], libraries: QnnLibraries, monkeypatch) -> Callable[[Path], object]:
    """Return a function that opens an artifact with the native runtime."""
    monkeypatch.setenv("EDGESHIFT_QNN", str(libraries.provider))
    library = NativeLibrary(native_build() / "libedgeshift.so")

    def open_artifact(path: Path) -> object:
        return library.open(path, library=libraries.runtime)

    open_artifact.library = library  # type: ignore[attr-defined]
    return open_artifact


def test_answers_states_and_self_check_are_those_of_python(native, artifact: Path) -> None:
    model, python = native(artifact), load(artifact)
    assert model.runtime.startswith("QNN with ONNX Runtime ")
    assert model.runtime.endswith(f"(Hexagon {qnn.version_in(read_artifact(artifact))}, simulator)")
    check, expected = model.self_check(), self_check(python)
    assert check.ok and check.error == pytest.approx(expected.error, abs=1e-9)
    assert check.state_error == pytest.approx(expected.state_error)
    stream, other = model.stream(), python.stream()
    middle = b""
    for index, frame in enumerate(FRAMES):
        if index == len(FRAMES) // 2:
            middle = stream.save()
        np.testing.assert_array_equal(stream.step(picture(frame)).logits, other.step(frame).logits)
    last = stream.step(picture(FRAMES[0])).logits
    other.reset()
    stream.restore(middle)
    again = [stream.step(picture(frame)).logits for frame in FRAMES[len(FRAMES) // 2 :]]
    np.testing.assert_array_equal(again, logits_of(other)[len(FRAMES) // 2 :])
    stream.reset()
    assert not np.array_equal(last, stream.step(picture(FRAMES[0])).logits), "states are carried"


def test_two_streams_do_not_share_states(native, artifact: Path) -> None:
    model = native(artifact)
    first, second = model.stream(), model.stream()
    alone = [first.step(picture(frame)).logits for frame in FRAMES[:3]]
    first.reset()
    for frame, expected in zip(FRAMES[:3], alone, strict=True):
        second.step(picture(FRAMES[-1]))
        np.testing.assert_array_equal(first.step(picture(frame)).logits, expected)


def test_a_golden_transcript_is_replayed(native_build, libraries: QnnLibraries, artifact: Path, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGESHIFT_QNN", str(libraries.provider))
    transcript = write_transcript(load(artifact))
    changed = msgspec.structs.replace(
        transcript, samples={name: tuple(value + 9 for value in row) for name, row in transcript.samples.items()}
    )
    for wanted, status in ((transcript, 0), (changed, 1)):
        (tmp_path / "t.json").write_bytes(encode_transcript(wanted))
        command = [native_build() / "tools" / "replay", artifact, tmp_path / "t.json", libraries.runtime]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == status, done.stdout + done.stderr


def test_what_is_missing_is_one_line(native_build, libraries: QnnLibraries, artifact: Path, tmp_path, monkeypatch):
    """In a process of its own each time, because the provider stays loaded."""
    monkeypatch.delenv("EDGESHIFT_QNN", raising=False)
    program = native_build() / "agent" / "edgeshift-agent"

    def said(*options: object) -> str:
        done = subprocess.run([program, *options, "check", artifact], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
        return done.stderr

    assert "ONNX Runtime's library 'libonnxruntime.so' is not installed" in said()
    assert "ONNX Runtime's library cannot be opened" in said("--library", tmp_path / "none.so")
    assert "has no function OrtGetApiBase" in said("--library", litert_library())
    text = said("--library", libraries.runtime)
    assert "libonnxruntime_providers_qnn.so' cannot be opened" in text and "EDGESHIFT_QNN" in text
    (tmp_path / "text.so").write_text("no library")
    assert "text.so' cannot be opened" in said("--library", libraries.runtime, "--provider", tmp_path / "text.so")


def test_the_provider_is_found_beside_onnx_runtime(native_build, libraries: QnnLibraries, artifact: Path, tmp_path):
    """As in an app, whose libraries are in one folder."""
    app, package = tmp_path / "app", libraries.provider.parent
    app.mkdir()
    shutil.copy(libraries.runtime, app / "libonnxruntime.so")
    for file in package.glob("*.so*"):
        (app / file.name).symlink_to(file)
    needed = package.with_name(
        f"{package.name}.libs"
    )  # the C++ library of the package, which its libraries look for here
    (tmp_path / needed.name).symlink_to(needed)
    command = [native_build() / "agent" / "edgeshift-agent", "--library", app / "libonnxruntime.so", "check", artifact]

    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    done = check()
    assert done.returncode == 0 and "self-check   passed" in done.stdout, done.stderr
    (app / "libQnnHtp.so").unlink()
    done = check()
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "libQnnHtp.so and QNN's other" in done.stderr


def test_a_path_from_here_is_found(native_build, libraries: QnnLibraries, artifact: Path, tmp_path, monkeypatch):
    """ONNX Runtime itself would look for a relative path beside its own library."""
    (tmp_path / "onnxruntime_qnn").symlink_to(libraries.provider.parent)
    needed = libraries.provider.parent.with_name(f"{libraries.provider.parent.name}.libs")
    (tmp_path / needed.name).symlink_to(needed)
    monkeypatch.setenv("EDGESHIFT_QNN", f"onnxruntime_qnn/{libraries.provider.name}")
    program = native_build() / "agent" / "edgeshift-agent"
    for options in ((), ("--provider", f"onnxruntime_qnn/{libraries.provider.name}")):
        command = [program, "--library", libraries.runtime, *options, "check", artifact]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
        assert done.returncode == 0 and "self-check   passed" in done.stdout, done.stderr


def test_the_same_library_may_be_named_in_two_ways(native, libraries: QnnLibraries, artifact: Path, tmp_path) -> None:
    """The provider is registered once in a process."""
    native(artifact)
    other = tmp_path / "libonnxruntime.so"
    other.symlink_to(libraries.runtime)
    native.library.open(artifact, library=other)


def test_graphs_that_are_no_binary_are_refused_as_in_python(native, artifact: Path, tmp_path) -> None:
    loaded = read_artifact(artifact)

    def attribute(name: str, value: object):
        return lambda graph: graph.node[0].attribute.append(onnx.helper.make_attribute(name, value))

    def set_number(name: str, value: int):
        def change(graph) -> None:
            next(each for each in graph.node[0].attribute if each.name == name).i = value

        return change

    def operator(graph) -> None:
        graph.node[0].op_type = "Loop"

    tensor = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [0.0])
    changes = {
        "its binary is in another file": [set_number("embed_mode", 0), set_number("main_context", 0)],
        "it says 'embed_mode' twice": [attribute("embed_mode", 1)],
        "its node is 'Loop', and not EPContext": [operator],
        "it is not one node": [
            lambda graph: graph.node.append(graph.node[0]),
            lambda graph: graph.initializer.append(tensor),
            lambda graph: graph.sparse_initializer.add(),
        ],
        "it has an attribute that is not written as usual": [attribute("weights", tensor)],
    }
    path = tmp_path / "a.qnn.onnx"
    for reason, several in changes.items():
        for change in several:
            model = onnx.load_model_from_string(loaded.body)
            change(model.graph)
            write_artifact(path, model.SerializeToString(), loaded.spec)
            for refuse in (load, native):
                with pytest.raises(EdgeshiftError) as caught:
                    refuse(path)
                assert f"its graph is damaged or hostile: {reason}; convert" in str(caught.value)
    hidden = b"\xba\x80\x80\x80\x10\x00"  # field 7 in a tag of 33 bits: another graph to parsers
    write_artifact(path, loaded.body + hidden, loaded.spec)
    for refuse in (load, native):
        with pytest.raises(EdgeshiftError, match="it has a protobuf tag of more than 32 bits"):
            refuse(path)


def test_a_description_without_a_version_is_refused_as_in_python(native, artifact: Path, tmp_path) -> None:
    loaded, path = read_artifact(artifact), tmp_path / "a.qnn.onnx"
    for backend in (None, "hexagon ", "hexagon v", "hexagon 75", "hexagon v75x", "xnnpack"):
        spec = msgspec.structs.replace(loaded.spec, graph=GraphSpec(operators={"EPContext": 1}, backend=backend))
        write_artifact(path, loaded.body, spec)
        for refuse in (load, native):
            with pytest.raises(
                (ArtifactError, EdgeshiftError), match="does not say which version of Hexagon it is for"
            ):
                refuse(path)


def test_a_binary_that_qnn_refuses_is_one_line(native, artifact: Path, tmp_path) -> None:
    loaded, path = read_artifact(artifact), tmp_path / "a.qnn.onnx"
    model = onnx.load_model_from_string(loaded.body)
    next(each for each in model.graph.node[0].attribute if each.name == "ep_cache_context").s = b"no binary"
    write_artifact(path, model.SerializeToString(), loaded.spec)
    with pytest.raises(
        EdgeshiftError, match=r"QNN cannot load its graph, which is for Hexagon v\d+: .*--htp"
    ) as caught:
        native(path)
    assert "\n" not in str(caught.value)


@pytest.fixture
def device(native_agents: Path) -> NativeDevice:
    return NativeDevice(LocalDevice(), agents=native_agents)


def test_the_agent_compares_frames_with_the_cpu(made, device: NativeDevice, artifact: Path) -> None:
    device.accept(artifact)
    alone = check_on_device(device, artifact)
    assert alone.verdict == "computes" and "the self-check passes; not compared with the CPU" in alone.detail
    calls: list[None] = []
    against = made("tsm", "int8", "onnx").path
    done = check_on_device(device, artifact, References(against=str(against)), lambda: calls.append(None))
    assert done.verdict == "computes" and done.frames == 32, done.detail
    assert done.ran_on.text == "npu simulator (Hexagon v75): all operators" and done.share == 1.0
    assert len(calls) == frames_of_check(read_artifact(artifact).spec)
    assert against.name in done.detail and done.error > 0


def test_verify_on_a_device(native_agents: Path, artifact: Path, made, monkeypatch, capsys) -> None:
    monkeypatch.setattr("edgeshift.benchmarks.devices.native.AGENTS", native_agents)
    against = made("tsm", "int8", "onnx").path
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(artifact), "--device", "local", "--against", str(against), "--json"])
    out, err = capsys.readouterr()
    assert not ended.value.code, err
    document = json.loads(out)["device"]
    assert (document["accelerator"], document["verdict"], document["frames"]) == ("local", "computes", 32)
    assert document["ran_on"]["accelerator"] == "npu simulator"


def test_verify_on_a_device_alone(native_agents: Path, artifact: Path, monkeypatch, capsys) -> None:
    """As on a computer that has neither the NPU nor its simulator."""

    def missing_here(*_: object, **__: object) -> None:
        raise RuntimeMissingError("QNN is not installed")

    monkeypatch.setattr("edgeshift.benchmarks.devices.native.AGENTS", native_agents)
    monkeypatch.setattr("edgeshift.runtimes.load", missing_here)
    for options in (["--device", "local"], []):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["verify", str(artifact), *options, "--json"])
        out, err = capsys.readouterr()
        if not options:
            assert ended.value.code == 2 and "QNN is not installed" in err
            continue
        document = json.loads(out)
        assert not ended.value.code and document["ok"] and document["not_run_here"] == "QNN is not installed", err
        assert document["device"]["verdict"] == "computes"
        assert document["device"]["original"]["frames"] == 32


def test_accuracy_is_that_of_python_and_says_where_it_ran(device: NativeDevice, artifact: Path, clips) -> None:
    there = measure_accuracy(open_on_device(device, artifact), clips, elsewhere=partial(stream_on_device, device))
    here = measure_accuracy(open_candidate(artifact), clips)
    assert there.clips == here.clips and len(here.clips) == 3
    assert there.ran_on == here.ran_on and here.ran_on.accelerator == "npu simulator"


def test_kinds_of_artifacts_are_measured_apart(device: NativeDevice, artifact: Path, made) -> None:
    device.accept(artifact)
    with pytest.raises(EdgeshiftError, match="with different libraries: use one command for each kind"):
        device.accept(made("tsm", "int8").path)
