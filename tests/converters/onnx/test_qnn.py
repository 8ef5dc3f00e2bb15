"""The target QNN on Qualcomm's simulator of its NPU: conversion, answers over frames, and what is refused.

The simulator needs a quarter of a second for a frame of 64x64, so only TSM is converted here, and few frames are run.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from convert_again import convert_again
from doubles import stream_spec
from streams import FRAMES, logits_of

from edgeshift._system import hexagon
from edgeshift.artifact.file import Artifact, read_artifact, write_artifact
from edgeshift.artifact.spec import GraphSpec
from edgeshift.converters import Options, convert, convert_all, default_path
from edgeshift.errors import ArtifactError, ConversionError, EdgeshiftError, RuntimeMissingError
from edgeshift.runtimes import load, qnn
from edgeshift.targets import TARGETS, find_runtime, missing_package, targets_of_all

SIMULATOR = importlib.util.find_spec("onnxruntime_qnn") is not None and sys.platform == "linux"
simulated = pytest.mark.skipif(
    not SIMULATOR, reason='the simulator of the NPU is not installed: pip install ".[qnn]", on Linux x86-64'
)
onnx = pytest.importorskip("onnx")


@pytest.fixture
def artifact(made):
    """The untrained TSM at 64x64. Its conversion compared 32 frames with PyTorch and with ONNX Runtime's CPU."""
    return made("tsm", "int8", "qnn")


@simulated
@pytest.mark.slow
def test_the_conversion_was_compared_with_pytorch_and_with_the_cpu(artifact):
    spec, before = artifact.result.spec, artifact.result.before
    assert spec.parity.frames == before.frames == 32
    assert "PyTorch" in spec.parity.reference and "simulator" in spec.parity.runtime
    assert before.reference.startswith("ONNX Runtime") and before.runtime == spec.parity.runtime
    assert spec.parity.repeatable and spec.parity.cosine > 0.98
    # The binary is closer to the graph that it was compiled from than to the float network.
    assert before.cosine > spec.parity.cosine and before.state_error < spec.parity.state_error
    assert spec.graph == GraphSpec(operators={"EPContext": 1}, partitions=1, delegated=1.0, backend="hexagon v75")
    assert {"onnxruntime-qnn", "qnn"} <= spec.tools.keys()


@simulated
@pytest.mark.slow
def test_it_carries_states_and_ends_where_the_cpu_ends(artifact, made):
    """A second stream, a reset, and the int8 graph of the target ONNX, over the same frames."""
    model = load(artifact.path)
    stream = model.stream()
    logits = logits_of(stream)
    stream.reset()
    np.testing.assert_array_equal(logits_of(stream), logits)
    alone = model.stream().step(FRAMES[-1]).logits
    assert np.abs(alone - logits[-1]).max() > model.spec.output.scale, "the frames before the last one have no effect"
    wanted = logits_of(load(made("tsm", "int8", "onnx").path).stream())
    assert np.abs(logits - wanted).max() <= 4 * model.spec.output.scale


@simulated
@pytest.mark.slow
def test_the_same_graph_gives_the_same_bytes(made):
    from edgeshift.converters.onnx.qnn import compile_graph

    body = read_artifact(made("tsm", "int8", "onnx").path).body
    first, release = compile_graph(body, "v73")
    assert compile_graph(body, "v73") == (first, release)
    assert compile_graph(body, "v79")[0] != first
    model = onnx.load_model_from_string(first)
    assert [node.op_type for node in model.graph.node] == ["EPContext"]
    assert str(Path.home()).encode() not in first and b"/tmp" not in first


@simulated
@pytest.mark.slow
def test_the_same_conversion_gives_the_same_file(artifact, tmp_path):
    """Another process, with another hash seed, writes the same bytes, with the description."""
    again = tmp_path / "again.qnn.onnx"
    convert_again("tsm_mobilenet_v2", "qnn", again)
    assert again.read_bytes() == artifact.path.read_bytes()


@simulated
@pytest.mark.slow
def test_operators_that_the_npu_does_not_run_are_listed():
    from onnx import TensorProto, helper

    from edgeshift.converters.onnx.qnn import compile_graph

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("x", "y")]
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Det", ["m"], ["d"]),
        helper.make_node("Add", ["a", "d"], ["y"]),
    ]
    nodes.insert(1, helper.make_node("Reshape", ["a", "shape"], ["m"]))
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [2, 2])
    graph = helper.make_graph(nodes, "g", value[:1], value[1:], [shape])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(ConversionError, match=r"does not run the whole graph; these operators stayed outside: .*1 Det"):
        compile_graph(model.SerializeToString(), "v75")


@simulated
@pytest.mark.slow
def test_a_compiler_that_fails_is_one_line():
    from edgeshift.converters.onnx.qnn import compile_graph

    with pytest.raises(ConversionError, match=r"QNN cannot compile the graph for Hexagon v75: \S+") as caught:
        compile_graph(b"no graph", "v75")
    assert "\n" not in str(caught.value)


@simulated
@pytest.mark.slow
def test_no_other_file_is_read(artifact, tmp_path):
    """A binary in another file, and a graph that is no binary, are refused before QNN sees them."""
    loaded = read_artifact(artifact.path)

    def refused(change) -> str:
        model = onnx.load_model_from_string(loaded.body)
        change(model.graph)
        path = tmp_path / "a.qnn.onnx"
        write_artifact(path, model.SerializeToString(), loaded.spec)
        with pytest.raises(ArtifactError) as caught:
            load(path)
        return str(caught.value)

    def elsewhere(graph):
        next(a for a in graph.node[0].attribute if a.name == "embed_mode").i = 0

    def twice(graph):
        graph.node[0].attribute.append(onnx.helper.make_attribute("embed_mode", 1))

    def another(graph):
        graph.node[0].op_type = "Loop"

    assert "its binary is in another file" in refused(elsewhere)
    assert "it says 'embed_mode' twice" in refused(twice)
    assert "its node is 'Loop'" in refused(another)
    assert "it is not one node" in refused(lambda graph: graph.node.append(graph.node[0]))


@simulated
@pytest.mark.slow
def test_a_description_without_a_version_is_refused(artifact, tmp_path):
    import msgspec

    loaded = read_artifact(artifact.path)
    for backend in (None, "hexagon v7", "xnnpack"):
        graph = msgspec.structs.replace(loaded.spec.graph, backend=backend)
        path = tmp_path / "a.qnn.onnx"
        write_artifact(path, loaded.body, msgspec.structs.replace(loaded.spec, graph=graph))
        with pytest.raises(ArtifactError, match="does not say which version of Hexagon it is for"):
            load(path)


def test_chips_have_the_versions_that_executorch_records():
    schema = pytest.importorskip("executorch.backends.qualcomm.serialization.qc_schema")
    recorded = {
        chip.name: f"v{info.htp_info.htp_arch.value}"
        for chip, info in schema._soc_info_table.items()
        if chip.name != "UNKNOWN_SM"
    }
    assert recorded == hexagon.CHIPS
    assert set(hexagon.CHIPS.values()) == set(hexagon.VERSIONS) and hexagon.DEFAULT in hexagon.VERSIONS


def test_names_of_chips_and_versions_are_checked():
    assert hexagon.version_of("SM8650") == hexagon.version_of("sm8650-AC") == "v75"
    with pytest.raises(ConversionError, match=r"unknown chip 'SM8651'; did you mean SM8650 .*--htp"):
        hexagon.version_of("SM8651")
    with pytest.raises(ConversionError, match=r"unknown version of Hexagon 'v7'; did you mean v"):
        hexagon.require_version("v7")


def test_an_npu_is_used_where_there_is_one(monkeypatch):
    """A double of ONNX Runtime: the NPU is preferred, and it is not told its version."""
    kinds = SimpleNamespace(NPU="npu", CPU="cpu")

    def device(kind: str, name: str = qnn.PROVIDER) -> SimpleNamespace:
        return SimpleNamespace(ep_name=name, device=SimpleNamespace(type=kind))

    def runtime(*devices: SimpleNamespace) -> SimpleNamespace:
        known: list[SimpleNamespace] = [device("cpu", "CPUExecutionProvider")]
        return SimpleNamespace(
            OrtHardwareDeviceType=kinds,
            get_ep_devices=lambda: known,
            register_execution_provider_library=lambda name, path: known.extend(devices),
        )

    package = SimpleNamespace(get_library_path=lambda: "a library", get_qnn_htp_path=lambda: "the back end")
    processor, found = qnn.find_devices(runtime(device("cpu"), device("npu")), package)
    assert processor == "npu" and [one.device.type for one in found] == ["npu"]
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert qnn.find_devices(runtime(device("cpu")), package)[0] == "cpu"
    # ONNX Runtime for Android and for Linux on Arm does not list the NPU, and there is no simulator for Arm.
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    processor, found = qnn.find_devices(runtime(device("cpu")), package)
    assert processor == "npu" and len(found) == 1
    with pytest.raises(EdgeshiftError, match="neither an NPU of Qualcomm nor its simulator"):
        qnn.find_devices(runtime(), package)
    with pytest.raises(EdgeshiftError, match=r"needs a newer ONNX Runtime than 1\.18"):
        qnn.find_devices(SimpleNamespace(__version__="1.18"), package)


def test_the_compiler_and_the_simulator_are_told_the_version(monkeypatch):
    given: dict[str, str] = {}
    options = SimpleNamespace(
        add_session_config_entry=lambda name, value: given.update({name: value}),
        add_provider_for_devices=lambda devices, settings: given.update(settings),
    )
    monkeypatch.setattr(qnn, "session_options", lambda threads: options)
    package = SimpleNamespace(get_qnn_htp_path=lambda: "the back end")
    qnn.provider_options(package, [], "npu", "v75")
    assert "htp_arch" not in given and given["session.disable_cpu_ep_fallback"] == "1"
    for processor, entries in (("cpu", {}), ("cpu", {"ep.context_enable": "1"}), ("npu", {"ep.context_enable": "1"})):
        given.clear()
        qnn.provider_options(package, [], processor, "v75", entries)
        assert given["htp_arch"] == "75"


def test_files_find_their_runtime():
    assert find_runtime(Path("a.qnn.onnx")).name == "qnn" and find_runtime(Path("A.QNN.ONNX")).name == "qnn"
    assert find_runtime(Path("a.onnx")).name == find_runtime(Path("a.trt.onnx")).name == "onnxruntime"
    assert find_runtime(Path("a.trt.onnx"), "tensorrt").name == "tensorrt"
    for path, name in (("a.qnn.onnx", "onnxruntime"), ("a.onnx", "qnn")):
        with pytest.raises(ArtifactError, match=f"the runtime {name} runs"):
            find_runtime(Path(path), name)


def test_names_of_files_have_the_version(made):
    source = made.source("tsm")
    assert str(default_path(source, "qnn", "int8")) == "tsm_mobilenet_v2_int8_v75.qnn.onnx"
    assert str(default_path(source, "qnn", "int8", htp="v79")) == "tsm_mobilenet_v2_int8_v79.qnn.onnx"


def test_other_precisions_and_targets_are_refused(made, tmp_path):
    source = made.source("tsm")
    with pytest.raises(ConversionError, match="qnn has no fp32; it has int8"):
        convert(source, "qnn", tmp_path / "a.qnn.onnx", Options(precision="fp32"))
    with pytest.raises(ConversionError, match="tflite is not compiled for a version of Hexagon"):
        convert(source, "tflite", tmp_path / "a.tflite", Options(htp="v75"))


def test_without_the_package(made, tmp_path, monkeypatch):
    """One line names the package and the extra; ``--target all`` leaves the target out."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "onnxruntime_qnn" else find_spec(name, *a)
    )
    assert missing_package(TARGETS["qnn"]) == "onnxruntime-qnn"
    with pytest.raises(RuntimeMissingError, match=r"Qualcomm QNN needs onnxruntime-qnn.*\[convert,qnn"):
        convert(made.source("tsm"), "qnn", tmp_path / "a.qnn.onnx")
    assert "qnn" not in targets_of_all("int8") and len(targets_of_all("int8")) == len(TARGETS) - 1
    monkeypatch.setattr("edgeshift.converters.all_targets.convert", lambda *_, **__: None)
    monkeypatch.setattr("edgeshift.converters.all_targets.prepare", lambda *_: None)
    assert "qnn" not in [outcome.target for outcome in convert_all(made.source("tsm"), tmp_path)]


def test_a_missing_runtime_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime_qnn", None)
    monkeypatch.setattr(qnn, "require_sound", lambda *_: None)
    spec = stream_spec(target="qnn", graph=GraphSpec(operators={"EPContext": 1}, backend="hexagon v75"))
    with pytest.raises(RuntimeMissingError, match=r"running .*a\.qnn\.onnx needs onnxruntime-qnn.*qnn"):
        qnn.open_artifact(Artifact(tmp_path / "a.qnn.onnx", spec, b""))


def test_all_says_what_it_leaves_out(capsys):
    from edgeshift.cli.convert import _note_left_out

    _note_left_out("fp32")
    text = capsys.readouterr().err
    assert "qnn is left out: " in text and json.dumps(text).count("left out") == 1
