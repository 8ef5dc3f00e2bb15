"""What is the TFLite runtime's own: two ways to run a file, and an old package. The rest: test_contract."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from edgeshift.errors import EdgeshiftError
from edgeshift.runtimes import load
from edgeshift.stream.selfcheck import check_frames

pytestmark = pytest.mark.slow
FRAMES = check_frames(5, 12, 64, 64)


def answers(stream, frames=FRAMES):
    return np.stack([stream.step(frame).logits for frame in frames])


def test_backends_agree(made):
    for precision in ("int8", "fp32"):
        path = made("tsm", precision).path
        compiled, interpreted = (load(path, backend=b) for b in ("compiled", "interpreter"))
        assert "compiled" in compiled.runtime and "interpreter" in interpreted.runtime
        a, b = compiled.stream(), interpreted.stream()
        np.testing.assert_array_equal(answers(a), answers(b))
        for name, state in a.state.items():
            np.testing.assert_array_equal(state, b.state[name])


def test_threads_and_backend_are_checked(made):
    path = made("tsm", "int8").path
    np.testing.assert_allclose(answers(load(path, threads=2).stream()), answers(load(path).stream()))
    with pytest.raises(EdgeshiftError, match="unknown TFLite backend"):
        load(path, backend="gpu")


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
