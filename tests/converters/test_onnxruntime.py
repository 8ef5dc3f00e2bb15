"""ONNX Runtime on a real artifact: streams, states, providers, damage."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from edgeshift.artifact import read_artifact, write_artifact
from edgeshift.errors import ArtifactError, EdgeshiftError, RuntimeMissingError
from edgeshift.runtimes import load
from edgeshift.selfcheck import check_frames

onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.slow
FRAMES = check_frames(5, 12, 64, 64)


def answers(stream, frames=FRAMES):
    return np.stack([stream.step(frame).logits for frame in frames])


@pytest.fixture(params=["int8", "fp32"])
def model(request, made):
    return load(made("tsm", request.param, "onnx").path)


def test_streams_are_independent(model):
    alone = answers(model.stream())
    a, b = model.stream(), model.stream()
    mixed = []
    for t, frame in enumerate(FRAMES):
        mixed.append(a.step(frame).logits)
        b.step(FRAMES[-1 - t])  # another camera, another scene
    np.testing.assert_array_equal(np.stack(mixed), alone)
    assert not np.array_equal(answers(b), alone)


def test_reset_is_bit_equal(model):
    stream = model.stream()
    first = answers(stream)
    assert not np.array_equal(answers(stream), first)  # the state matters
    stream.reset()
    np.testing.assert_array_equal(answers(stream), first)
    stream.step(FRAMES[0])  # an odd number of steps: the other set of states is the current one
    stream.reset()
    np.testing.assert_array_equal(answers(stream), first)


def test_state_saves_and_restores(model):
    for steps in (4, 5):  # either set of states
        stream = model.stream()
        answers(stream, FRAMES[:steps])
        saved = stream.state
        kept = {name: array.copy() for name, array in saved.items()}
        rest = answers(stream, FRAMES[steps:])
        for name, array in saved.items():  # a copy, not a view of what the runtime goes on writing
            np.testing.assert_array_equal(array, kept[name])
        other = model.stream()
        other.state = saved
        np.testing.assert_array_equal(answers(other, FRAMES[steps:]), rest)
    with pytest.raises(EdgeshiftError, match="state_features_3"):
        other.state = {**saved, "state_features_3": saved["state_features_3"][:, :4]}


def test_state_at_the_start_is_zero(model):
    spec = {state.name: state for state in model.spec.states}
    for name, stored in model.stream().state.items():
        assert (stored == spec[name].zero_point).all()


def test_states_are_those_of_a_plain_run(model, made):
    """The same frames through `session.run` with arrays carried by hand: what a stranger would write."""
    precision = model.spec.precision
    body = read_artifact(made("tsm", precision, "onnx").path).body
    session = onnxruntime.InferenceSession(body, providers=["CPUExecutionProvider"])
    stream = model.stream()
    states = stream.state
    for frame in FRAMES:
        pixels = frame.astype(np.float32) if precision == "fp32" else (frame.astype(np.int16) - 128).astype(np.int8)
        logits, *following = session.run(None, {"frame": pixels[None], **states})
        states = dict(zip(states, following, strict=True))
        answer = stream.step(frame)
        real = (logits[0].astype(np.float32) - model.spec.output.zero_point) * np.float32(model.spec.output.scale)
        np.testing.assert_allclose(answer.logits, real, atol=1e-5)
    for name, state in stream.state.items():
        np.testing.assert_allclose(state, states[name], atol=1e-5)


def test_threads_are_checked(made):
    path = made("tsm", "int8", "onnx").path
    np.testing.assert_allclose(answers(load(path, threads=2).stream()), answers(load(path).stream()))
    with pytest.raises(EdgeshiftError, match="threads must be 1 to 64"):
        load(path, threads=0)


def test_providers_are_checked(made, monkeypatch):
    path = made("tsm", "int8", "onnx").path
    with pytest.raises(EdgeshiftError, match=r"unknown ONNX Runtime provider 'coda'; did you mean cuda"):
        load(path, provider="coda")
    with pytest.raises(EdgeshiftError, match=r"has no provider 'nnapi'; it has .*cpu") as caught:
        load(path, provider="nnapi")
    assert "\n" not in str(caught.value)
    assert "(cpu, 1 thread)" in load(path, provider="cpu").runtime


def test_a_provider_that_cannot_start_is_no_silent_fallback(made, monkeypatch):
    """ONNX Runtime logs, drops the provider and goes on with the processor."""
    known = onnxruntime.get_available_providers()
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [*known, "CUDAExecutionProvider"])
    with pytest.warns(UserWarning, match="not in available provider"), pytest.raises(EdgeshiftError) as caught:
        load(made("tsm", "int8", "onnx").path, provider="cuda")
    assert "could not start the provider 'cuda' here" in str(caught.value) and "\n" not in str(caught.value)


def test_no_runtime_names_the_extra(made, monkeypatch):
    path = made("tsm", "int8", "onnx").path
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RuntimeMissingError, match=r'needs onnxruntime, .*pip install "edgeshift\[onnx\]"'):
        load(path)


def test_damage_is_one_line_before_the_runtime(made, tmp_path, monkeypatch):
    whole = made("tsm", "int8", "onnx").path.read_bytes()
    monkeypatch.setattr(onnxruntime, "InferenceSession", None)  # must not be reached
    path = tmp_path / "damaged.onnx"
    spec_at = whole.rindex(b"edgeshift/spec.json")
    flips = [8, 1000, len(whole) // 2, spec_at - 5, spec_at + 40, len(whole) - 10]
    damaged = [whole[:n] for n in (0, 100, len(whole) // 2, len(whole) - 100, len(whole) - 1)]
    damaged += [whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :] for at in flips]
    for data in damaged:
        path.write_bytes(data)
        with pytest.raises(EdgeshiftError) as error:
            load(path)
        assert "\n" not in str(error.value) and str(path) in str(error.value)
        assert error.value.status == 2


@pytest.mark.parametrize("body", [b"", b"noise" * 100, b"\x08\x08"], ids=["empty", "noise", "no graph"])
def test_a_graph_that_is_none(made, tmp_path, body):
    """Behind a right hash: what the runtime itself refuses becomes one line."""
    path = tmp_path / "none.onnx"
    write_artifact(path, body, made("tsm", "int8", "onnx").result.spec)
    with pytest.raises(ArtifactError) as error:
        load(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_weights_in_another_file_are_refused(made, tmp_path, monkeypatch):
    """A model may name files to read its weights from; an artifact is one file."""
    onnx = pytest.importorskip("onnx")
    one = made("tsm", "fp32", "onnx")
    model = onnx.load_from_string(read_artifact(one.path).body)
    monkeypatch.chdir(tmp_path)
    tensor = next(t for t in model.graph.initializer if len(t.raw_data) > 4096)
    (tmp_path / "weights.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    write_artifact(tmp_path / "a.onnx", model.SerializeToString(), one.result.spec)
    with pytest.raises(ArtifactError, match="its weights are in another file"):
        load(tmp_path / "a.onnx")


def test_graph_that_does_not_fit_its_description(made, tmp_path):
    """A hash can be made to fit by whoever writes the file; names and shapes are checked against the graph."""
    body = read_artifact(made("tsn", "int8", "onnx").path).body
    path = tmp_path / "mixed.onnx"
    write_artifact(path, body, made("tsm", "int8", "onnx").result.spec)
    with pytest.raises(ArtifactError, match="'state_features_3' is nothing; its description promises"):
        load(path)


def test_nothing_is_printed(made):
    """Loading, running and leaving must be silent."""
    program = (
        "import sys, numpy as np, edgeshift\n"
        "stream = edgeshift.load(sys.argv[1]).stream()\n"
        "stream.step(np.zeros((48, 64, 3), np.uint8)); stream.state\n"
        "assert 'onnx' not in sys.modules and 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(made("tsm", "int8", "onnx").path)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_commands(capsys, made):
    """inspect, verify and demo take it like any other artifact."""
    import json

    from edgeshift.cli import main

    path = made("tsm", "int8", "onnx").path

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert (ended.value.code or 0, err) == (0, "")
        return out

    assert "52 QLinearConv" in run("inspect", path) and "delegated" not in run("inspect", path)
    report = json.loads(run("verify", path, "--json"))
    assert report["ok"] and report["parity"]["frames"] == 32 and report["runtime"].startswith("ONNX Runtime")
    from edgeshift.apps.replay import drawn_clip

    frames = len(list(drawn_clip(size=32)))
    assert json.loads(run("demo", path, "--headless", "--json"))["steps"] == frames
