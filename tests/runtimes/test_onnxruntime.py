"""Behaviour of ONNX Runtime only: providers, external files, a plain session. See test_contract for the rest."""

from __future__ import annotations

import numpy as np
import pytest
from streams import FRAMES, logits_of

from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.errors import ArtifactError, EdgeshiftError
from edgeshift.runtimes import load

onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.slow


@pytest.fixture(params=["int8", "fp32"])
def model(request, made):
    return load(made("tsm", request.param, "onnx").path)


def test_logits_and_states_are_those_of_a_plain_session(model, made):
    """``session.run`` gives the same values if the caller feeds the states back."""
    precision = model.spec.precision
    body = read_artifact(made("tsm", precision, "onnx").path).body
    session = onnxruntime.InferenceSession(body, providers=["CPUExecutionProvider"])
    stream = model.stream()
    states = stream.state
    for frame in FRAMES:
        pixels = frame.astype(np.float32) if precision == "fp32" else (frame.astype(np.int16) - 128).astype(np.int8)
        logits, *following = session.run(None, {"frame": pixels[None], **states})
        states = dict(zip(states, following, strict=True))
        prediction = stream.step(frame)
        real = (logits[0].astype(np.float32) - model.spec.output.zero_point) * np.float32(model.spec.output.scale)
        np.testing.assert_allclose(prediction.logits, real, atol=1e-5)
    for name, state in stream.state.items():
        np.testing.assert_allclose(state, states[name], atol=1e-5)


def test_threads_give_the_same_logits(made):
    path = made("tsm", "int8", "onnx").path
    np.testing.assert_allclose(logits_of(load(path, threads=2).stream()), logits_of(load(path).stream()))


def test_providers_are_checked(made):
    path = made("tsm", "int8", "onnx").path
    with pytest.raises(EdgeshiftError, match=r"unknown ONNX Runtime provider 'coda'; did you mean cuda"):
        load(path, provider="coda")
    with pytest.raises(EdgeshiftError, match=r"has no provider 'nnapi'; it has .*cpu") as caught:
        load(path, provider="nnapi")
    assert "\n" not in str(caught.value)
    assert "(cpu, 1 thread)" in load(path, provider="cpu").runtime


def test_a_provider_that_cannot_start_is_an_error(made, monkeypatch):
    """ONNX Runtime itself only logs the failure and uses the CPU."""
    known = onnxruntime.get_available_providers()
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [*known, "CUDAExecutionProvider"])
    with pytest.warns(UserWarning, match="not in available provider"), pytest.raises(EdgeshiftError) as caught:
        load(made("tsm", "int8", "onnx").path, provider="cuda")
    assert "could not start the provider 'cuda' here" in str(caught.value) and "\n" not in str(caught.value)


def test_weights_in_another_file_are_refused(made, tmp_path, monkeypatch):
    """A model can read its weights from other files, but an artifact is one file."""
    onnx = pytest.importorskip("onnx")
    artifact = made("tsm", "fp32", "onnx")
    model = onnx.load_from_string(read_artifact(artifact.path).body)
    monkeypatch.chdir(tmp_path)
    tensor = next(t for t in model.graph.initializer if len(t.raw_data) > 4096)
    (tmp_path / "weights.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    write_artifact(tmp_path / "a.onnx", model.SerializeToString(), artifact.result.spec)
    with pytest.raises(ArtifactError, match="its weights are in another file"):
        load(tmp_path / "a.onnx")
