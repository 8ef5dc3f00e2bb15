"""The TFLite runtime on a real artifact: both ways to run it, streams, states, damage."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from edgeshift.errors import ArtifactError, EdgeshiftError, RuntimeMissingError
from edgeshift.runtimes import load
from edgeshift.selfcheck import check_frames

pytestmark = pytest.mark.slow
FRAMES = check_frames(5, 12, 64, 64)


def answers(stream, frames=FRAMES):
    return np.stack([stream.step(frame).logits for frame in frames])


@pytest.fixture(params=["compiled", "interpreter"])
def model(request, made):
    return load(made("tsm", "int8").path, backend=request.param)


def test_backends_agree(made):
    for precision in ("int8", "fp32"):
        path = made("tsm", precision).path
        compiled, interpreted = (load(path, backend=b) for b in ("compiled", "interpreter"))
        assert "compiled" in compiled.runtime and "interpreter" in interpreted.runtime
        a, b = compiled.stream(), interpreted.stream()
        np.testing.assert_array_equal(answers(a), answers(b))
        for name, state in a.state.items():
            np.testing.assert_array_equal(state, b.state[name])


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


def test_state_saves_and_restores(model):
    stream = model.stream()
    answers(stream, FRAMES[:5])
    saved = stream.state
    rest = answers(stream, FRAMES[5:])
    other = model.stream()
    other.state = saved
    np.testing.assert_array_equal(answers(other, FRAMES[5:]), rest)
    with pytest.raises(EdgeshiftError, match="state_features_3"):
        other.state = {**saved, "state_features_3": saved["state_features_3"][:, :4]}


def test_state_at_the_start_is_zero(model):
    spec = {state.name: state for state in model.spec.states}
    for name, stored in model.stream().state.items():
        assert (stored == spec[name].zero_point).all()


def test_threads_and_backend_are_checked(made):
    path = made("tsm", "int8").path
    np.testing.assert_allclose(answers(load(path, threads=2).stream()), answers(load(path).stream()))
    with pytest.raises(EdgeshiftError, match="threads must be 1 to 64"):
        load(path, threads=0)
    with pytest.raises(EdgeshiftError, match="unknown TFLite backend"):
        load(path, backend="gpu")


def test_no_runtime_names_the_extra(made, monkeypatch):
    for module in ("ai_edge_litert.compiled_model", "ai_edge_litert.interpreter", "tflite_runtime.interpreter"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RuntimeMissingError, match=r'pip install "edgeshift\[tflite\]"'):
        load(made("tsm", "int8").path)


def test_falls_back_to_tflite_runtime(made, monkeypatch):
    """Old Raspberry Pi images have tflite-runtime, whose Interpreter has the same face."""
    import importlib.metadata
    import types

    from ai_edge_litert.interpreter import Interpreter

    old = types.ModuleType("tflite_runtime.interpreter")
    old.Interpreter = Interpreter  # type: ignore[attr-defined]
    expected = answers(load(made("tsm", "int8").path).stream())
    for module in ("ai_edge_litert.compiled_model", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", types.ModuleType("tflite_runtime"))
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", old)
    monkeypatch.setattr(importlib.metadata, "version", lambda package: "2.14.0")
    model = load(made("tsm", "int8").path)
    assert model.runtime.startswith("tflite-runtime 2.14.0")
    np.testing.assert_array_equal(answers(model.stream()), expected)


def test_damage_is_one_line_before_the_interpreter(made, tmp_path):
    whole = made("tsm", "int8").path.read_bytes()
    path = tmp_path / "damaged.tflite"
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


def test_graph_that_does_not_fit_its_description(made, tmp_path):
    """A hash can be made to fit by whoever writes the file; names and shapes are checked against the graph."""
    from edgeshift.artifact import read_artifact, write_artifact

    body = read_artifact(made("tsn", "int8").path).body
    path = tmp_path / "mixed.tflite"
    write_artifact(path, body, made("tsm", "int8").result.spec)
    for backend in ("compiled", "interpreter"):
        with pytest.raises(ArtifactError, match="'state_features_3' is nothing; its description promises"):
            load(path, backend=backend)


def test_nothing_is_printed(made):
    """Native libraries log to stderr past Python; loading, running and leaving must be silent."""
    program = (
        "import sys, numpy as np, edgeshift\n"
        "stream = edgeshift.load(sys.argv[1]).stream()\n"
        "stream.step(np.zeros((48, 64, 3), np.uint8)); stream.state\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(made("tsm", "int8").path)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
