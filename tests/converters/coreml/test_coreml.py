"""The target Core ML: names, operations, states in both forms, int8, labels, and conversions it refuses.

edgeshift's reference executor runs the programs; Core ML itself is not verified on this platform.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from convert_again import convert_again

from edgeshift.targets import TARGETS

pytest.importorskip("coremltools", reason="coremltools is not installed")

from edgeshift.artifact import mlpackage_file
from edgeshift.artifact.file import artifact_bytes, read_artifact, write_artifact
from edgeshift.checkpoints.adoption import adopt
from edgeshift.checkpoints.source import untrained_source
from edgeshift.cli import main
from edgeshift.converters import Options, convert, default_path
from edgeshift.converters.coreml import target as coreml
from edgeshift.errors import ArtifactError, CheckFailedError, ConversionError, RuntimeMissingError, install_command
from edgeshift.runtimes import load
from edgeshift.runtimes.mil import executor as mil
from edgeshift.runtimes.mil.executor import NOT_VERIFIED, read_program
from edgeshift.runtimes.mil.package import coremltools, unpacked
from edgeshift.stream.selfcheck import check_frames
from edgeshift.video.fit import FrameSpec

pytestmark = pytest.mark.slow

ALL = [
    ("tsm", "fp32", "io"),
    ("tsm", "fp16", "io"),
    ("tsm", "int8", "io"),
    ("tsm", "fp16", "native"),
    ("tsm", "int8", "native"),
    ("stsm", "int8", "io"),
    ("tsam", "fp32", "io"),
    ("tsam", "int8", "native"),
    ("tsn", "int8", "io"),
]
INT8 = [case for case in ALL if case[1] == "int8"]


@pytest.fixture
def package(made):
    """``package("tsm", "int8", "native")``."""

    def get(table="tsm", precision="int8", state="io"):
        return made(table, precision, "coreml", **({} if state == "io" else {"state": state}))

    return get


def model_of(path):
    """Read the model of a package on the disk with coremltools."""
    return coremltools("this test").utils.load_spec(str(path))


def kinds(path):
    return read_program(read_artifact(path)).kinds()


def test_every_command_names_the_reference_executor(package, capsys):
    path = package().path
    words = "Core ML program, reference executor (coremltools "
    assert load(path).runtime.startswith(words) and load(path).runtime.endswith(NOT_VERIFIED)
    parity = read_artifact(path).spec.parity
    assert parity is not None and parity.runtime == load(path).runtime
    for command in (["inspect", path], ["verify", path], ["demo", path, "--headless"]):
        with pytest.raises(SystemExit) as ended:
            main([str(part) for part in command])
        out, err = capsys.readouterr()
        assert not ended.value.code and err == ""
        assert out.count(words) == 1 and NOT_VERIFIED in out


def test_boundary_with_states_outside(package):
    description = model_of(package("tsm", "fp16").path).description
    (image,) = [f.type.imageType for f in description.input if f.type.WhichOneof("Type") == "imageType"]
    assert (image.width, image.height, image.colorSpace) == (64, 64, 20)  # RGB
    states = [feature.name for feature in description.input if feature.name != "frame"]
    assert len(states) == 10 and states[0] == "state_features_3" and not description.state
    outputs = {feature.name: feature.type for feature in description.output}
    assert list(outputs) == ["classLabel", "classLabel_probs", "logits", *(f"next_{name}" for name in states)]
    array = outputs["next_state_features_3"].multiArrayType
    assert (list(array.shape), array.dataType) == ([1, 3, 16, 16], 65552)  # float16, channels first
    assert description.metadata.shortDescription.startswith("tsm_mobilenet_v2, one frame at a time")


def test_boundary_with_states_inside(package):
    path = package("tsm", "int8", "native").path
    model = model_of(path)
    assert [feature.name for feature in model.description.input] == ["frame"]
    assert [feature.name for feature in model.description.output] == ["classLabel", "classLabel_probs", "logits"]
    assert len(model.description.state) == 10
    assert model.specificationVersion == 9 and model_of(package("tsm", "int8").path).specificationVersion == 8
    spec = read_artifact(path).spec
    assert spec.state_form == "native" and {state.dtype for state in spec.states} == {"float16"}


def test_labels_as_clients_expect_them(package):
    """The label is that of the largest logit, and the probabilities are the logits' softmax, by label."""
    artifact = package("tsm", "fp32")
    description = model_of(artifact.path).description
    assert (description.predictedFeatureName, description.predictedProbabilitiesName) == (
        "classLabel",
        "classLabel_probs",
    )
    program, spec = read_program(read_artifact(artifact.path)), artifact.result.spec
    states = {state.name: np.zeros(state.shape, state.dtype) for state in spec.states}
    for frame in check_frames(3, 3, 64, 64):
        found = program.run({"frame": frame[None].transpose(0, 3, 1, 2).astype(np.float32), **states}, {})
        logits = found["logits"][0].astype(np.float64)
        wanted = np.exp(logits - logits.max())
        assert found["classLabel"] == spec.labels[int(logits.argmax())]
        assert list(found["classLabel_probs"]) == list(spec.labels)
        np.testing.assert_allclose(list(found["classLabel_probs"].values()), wanted / wanted.sum(), rtol=1e-4)


@pytest.mark.parametrize("case", ALL, ids="-".join)
def test_program_has_no_superfluous_operations(package, case):
    """Nothing is transposed, states are replaced as a whole, and only operations that compute have int8 pairs."""
    found = kinds(package(*case).path)
    assert not {"transpose", "slice_update", "tile"} & found.keys()
    states = {"tsn": 0, "tsam": 11}.get(case[0], 10)
    assert found.get("read_state", 0) >= states * (case[2] == "native")
    assert found.get("coreml_update_state", 0) == states * (case[2] == "native")
    assert found.get("quantize", 0) == found.get("dequantize", 0)
    if case[1] == "int8" and case[0] == "tsm":
        # Written: by 52 convolutions, 10 additions and the mean. Read: 10 shifts and the padded frame (concatenations).
        assert found["quantize"] == 52 + 10 + 1 + 10 + 1
    assert found.get("cast", 0) <= 3


@pytest.mark.parametrize("case", INT8, ids="-".join)
def test_int8_states_lie_on_their_grid(package, case):
    """Feeding a state back over many frames never rounds it."""
    path = package(*case).path
    spec = read_artifact(path).spec
    stream = load(path).stream()
    moved = dict.fromkeys(stream.state, False)
    for frame in check_frames(9, 8, 64, 64):
        stream.step(frame)
        for state in spec.states:
            values = stream.state[state.name].astype(np.float64)
            moved[state.name] |= bool(values.any())
            if state.name == "state_seen":
                assert state.grid is None and np.isin(values, (0, 1)).all()
                continue
            assert state.grid is not None and state.dtype == "float16"
            steps = np.rint(values / state.grid.scale)
            # Each value is the float16 that is nearest to a multiple of the scale.
            np.testing.assert_array_equal((steps * state.grid.scale).astype(np.float16), values.astype(np.float16))
            stored = steps + state.grid.zero_point
            assert stored.min() >= -128 and stored.max() <= 127
    assert all(moved.values())


@pytest.mark.parametrize("case", INT8, ids="-".join)
def test_int8_weights_are_packed_per_channel(package, case):
    (block,) = model_of(package(*case).path).mlProgram.functions["main"].block_specializations.values()
    makers = {output.name: operation for operation in block.operations for output in operation.outputs}
    count = 0
    for operation in block.operations:
        if operation.type in ("conv", "linear"):
            packed = makers[operation.inputs["weight"].arguments[0].name]
            assert packed.type == (
                "constexpr_blockwise_shift_scale" if case[2] == "native" else "constexpr_affine_dequantize"
            )
            out = packed.outputs[0].type.tensorType.dimensions[0].constant.size
            holder = packed.attributes if packed.attributes.get("scale") else packed.inputs
            scale = holder["scale"]
            kind = (scale if hasattr(scale, "type") else scale.arguments[0].value).type
            if kind.tensorType.rank:
                assert kind.tensorType.dimensions[0].constant.size == out
            count += 1
    assert count >= 53


def test_resnet50_int8(package):
    """ResNet-50, with a max pool and sixteen shifts, is converted, too."""
    result = package("tsm_resnet50").result
    graph = result.spec.graph
    assert graph is not None and graph.operators["max_pool"] == 1 and len(result.spec.states) == 16


def test_a_network_for_bgr_frames(tmp_path):
    """The model declares BGR, so that Core ML converts the picture. The frames of the parity check are BGR, too."""
    source = untrained_source("tsm_mobilenet_v2", size=64)
    bgr = msgspec.structs.replace(source.description, frame=FrameSpec(64, 64, order="bgr"))
    source = replace(source, description=bgr)
    path = tmp_path / "bgr.mlpackage"
    convert(source, "coreml", path, Options(precision="fp32"))
    (image,) = [f.type.imageType for f in model_of(path).description.input if f.type.WhichOneof("Type") == "imageType"]
    assert image.colorSpace == 30
    artifact = read_artifact(path)
    wrong = msgspec.structs.replace(artifact.spec, frame=FrameSpec(64, 64))
    write_artifact(path, artifact.body, wrong)
    with pytest.raises(ArtifactError, match="its image is bgr; its description says rgb"):
        load(path)


def test_the_same_conversion_gives_the_same_bytes(package, tmp_path):
    """Another process, with another hash seed, writes the same bytes."""
    artifact = package("tsn", "int8")
    again = tmp_path / "again.mlpackage"
    convert_again("tsn_mobilenet_v2", "coreml", again)
    assert artifact_bytes(again) == artifact_bytes(artifact.path)


def test_a_state_that_is_not_written_is_refused(tmp_path, monkeypatch):
    """The conversion succeeds and the first frame is right; only parity over frames refuses the artifact."""

    def forward(self, frame):
        logits, *_ = self.core(frame, *(self.get_buffer(name) for name in self.names))
        for name in self.names:
            self.get_buffer(name)[:] = self.get_buffer(name) * 1.0
        return coreml.torch.softmax(logits, 1), logits

    monkeypatch.setattr(coreml.StatesInside, "forward", forward)
    source = untrained_source("tsm_mobilenet_v2", size=64)
    with pytest.raises(CheckFailedError, match="does not match the original over 32 frames, and was not written"):
        convert(source, "coreml", tmp_path / "a.mlpackage", Options(precision="fp16", state="native"))
    assert list(tmp_path.iterdir()) == []


def test_impossible_conversions_are_refused(tmp_path):
    source = untrained_source("tsm_mobilenet_v2", size=64)
    out = tmp_path / "a.mlpackage"
    with pytest.raises(ConversionError, match="Core ML's own states are float16"):
        convert(source, "coreml", out, Options(precision="fp32", state="native"))
    with pytest.raises(ConversionError, match="tsn_mobilenet_v2 has no state: leave out --state native"):
        convert(untrained_source("tsn_mobilenet_v2", size=64), "coreml", out, Options(precision="fp16", state="native"))
    with pytest.raises(ConversionError, match="tflite has no --state native; it has io"):
        convert(source, "tflite", tmp_path / "a.tflite", Options(precision="fp32", state="native"))
    with pytest.raises(ConversionError, match="coreml has no --state buffer; it has io, native"):
        convert(source, "coreml", out, Options(precision="fp32", state="buffer"))
    assert list(tmp_path.iterdir()) == []


def test_native_states_that_do_not_start_with_zeros_are_refused(tmp_path):
    """Core ML's ``makeState`` gives zeros, and an app has no other way to reset."""
    torch = coreml.torch

    class RunningMean(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.full((1, 3, 64, 64), 2.0))
            self.head = torch.nn.Linear(3, 4)

        def forward(self, x):
            self.mean.mul_(0.9).add_(0.1 * x)
            return self.head(self.mean.mean((2, 3)))

    source = adopt(RunningMean().eval(), size=64, state="attributes")
    with pytest.raises(ConversionError, match="state_mean starts with 2: leave out --state native"):
        convert(source, "coreml", tmp_path / "a.mlpackage", Options(precision="fp16", state="native"))
    assert list(tmp_path.iterdir()) == []


def test_commands_refuse_in_one_line(capsys, tmp_path):
    def error_of(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        err = capsys.readouterr().err
        assert ended.value.code == 2 and len(err.splitlines()) == 1, err
        return err

    assert "tflite has no --state native" in error_of("convert", "--target", "tflite", "--state", "native")
    assert "coreml has no --state x" in error_of("convert", "--target", "coreml", "--state", "x")
    folder = tmp_path / "other.mlpackage"
    folder.mkdir()
    (folder / "a.tex").touch()
    assert "move it away" in error_of("convert", "--target", "coreml", "--out", folder)
    assert "mil runs *.mlpackage files" in error_of("verify", tmp_path / "a.tflite", "--runtime", "mil")


def test_default_names():
    source = untrained_source("tsm_mobilenet_v2", size=64)
    assert str(default_path(source, "coreml", "int8")) == "tsm_mobilenet_v2_int8.mlpackage"
    assert str(default_path(source, "coreml", "int8", "native")) == "tsm_mobilenet_v2_int8_native.mlpackage"


def test_a_second_runtime_must_agree(package, tmp_path, monkeypatch):
    """On a Mac, the artifact is checked with Core ML and with the reference executor; here, twice with the latter."""
    monkeypatch.setitem(TARGETS, "coreml", TARGETS["coreml"]._replace(also_checked_on=("mil",)))
    calls = []
    open_artifact = mil.open_artifact
    monkeypatch.setattr(mil, "open_artifact", lambda *a, **o: calls.append(1) or open_artifact(*a, **o))
    convert(package("tsn", "int8").source, "coreml", tmp_path / "a.mlpackage", Options(precision="fp32"))
    assert len(calls) == 2


def test_the_error_for_a_damaged_package_is_one_line(package, tmp_path):
    """edgeshift finds the damage before coremltools reads the package."""
    data = artifact_bytes(package().path)
    files = mlpackage_file.split_files(data)
    path = tmp_path / "damaged.mlpackage"
    damaged = [
        {**files, mlpackage_file.WEIGHTS: files[mlpackage_file.WEIGHTS][:-100]},
        {**files, mlpackage_file.MODEL: files[mlpackage_file.MODEL][:-100]},
        {**files, mlpackage_file.MODEL: files[mlpackage_file.MODEL].replace(b"conv", b"cOnv", 1)},
        {**files, mlpackage_file.MANIFEST: b"{}"},
    ]
    for index, damaged_files in enumerate(damaged):
        path = tmp_path / f"{index}.mlpackage"
        path.mkdir()
        mlpackage_file.write(path, mlpackage_file.join_files(damaged_files))
        with pytest.raises(ArtifactError, match=r"it does not match the hash|no edgeshift description") as caught:
            load(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_a_description_of_another_model_is_refused(package, tmp_path):
    """The hash of the file is right, so names and shapes are compared with those of the program."""
    body = read_artifact(package("tsn", "int8").path).body
    path = tmp_path / "mixed.mlpackage"
    write_artifact(path, body, package("tsm", "int8").result.spec)
    with pytest.raises(ArtifactError, match="'state_features_3' of the graph is missing, but the description says"):
        load(path)


def test_streams_are_independent(package):
    frames = check_frames(5, 8, 64, 64)
    for case in (("tsm", "int8", "io"), ("tsm", "int8", "native")):
        model = load(package(*case).path)
        a, b = model.stream(), model.stream()
        alone = [a.step(frame).logits for frame in frames]
        a.reset()
        mixed = []
        for index, frame in enumerate(frames):
            mixed.append(a.step(frame).logits)
            b.step(frames[-1 - index])
        np.testing.assert_array_equal(mixed, alone)


def test_coremltools_reads_the_artifact(package):
    """coremltools reads the artifact as an ordinary package, with the description in its user metadata."""
    artifact = package("tsm", "int8")
    tools = coremltools("this test")
    model = tools.models.MLModel(str(artifact.path), skip_model_load=True)
    metadata = dict(model.user_defined_metadata)
    assert "edgeshift/spec.json" in metadata
    assert metadata["labels.txt"].splitlines() == list(artifact.source.description.labels)
    assert not any("date" in key for key in metadata)
    with unpacked(read_artifact(artifact.path)) as folder:
        assert "edgeshift/spec.json" not in model_of(folder).description.metadata.userDefined


def test_the_error_without_coremltools_names_the_extra(package, monkeypatch, tmp_path):
    path, source = package().path, package().source
    monkeypatch.setitem(sys.modules, "coremltools", None)
    with pytest.raises(RuntimeMissingError, match=re.escape(install_command("coreml"))):
        load(path)
    with pytest.raises(RuntimeMissingError, match=re.escape(install_command("convert"))):
        convert(source, "coreml", tmp_path / "a.mlpackage", Options(precision="fp32"))
