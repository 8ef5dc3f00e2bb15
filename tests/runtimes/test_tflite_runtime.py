"""Behaviour of the TFLite runtime only: its two back ends, and an old package. See test_contract for the rest."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from streams import logits_of

from edgeshift.errors import EdgeshiftError
from edgeshift.runtimes import load

pytestmark = pytest.mark.slow


def test_backends_agree(made):
    for precision in ("int8", "fp32"):
        path = made("tsm", precision).path
        compiled, interpreted = (load(path, backend=b) for b in ("compiled", "interpreter"))
        assert "compiled" in compiled.runtime and "interpreter" in interpreted.runtime
        a, b = compiled.stream(), interpreted.stream()
        np.testing.assert_array_equal(logits_of(a), logits_of(b))
        for name, state in a.state.items():
            np.testing.assert_array_equal(state, b.state[name])


def test_threads_and_backend_are_checked(made):
    path = made("tsm", "int8").path
    np.testing.assert_allclose(logits_of(load(path, threads=2).stream()), logits_of(load(path).stream()))
    with pytest.raises(EdgeshiftError, match="unknown TFLite backend"):
        load(path, backend="gpu")


def test_falls_back_to_tflite_runtime(made, monkeypatch):
    """Old Raspberry Pi images have tflite-runtime, whose Interpreter has the same interface."""
    import importlib.metadata
    import types

    from ai_edge_litert.interpreter import Interpreter

    old = types.ModuleType("tflite_runtime.interpreter")
    old.Interpreter = Interpreter  # type: ignore[attr-defined]
    expected = logits_of(load(made("tsm", "int8").path).stream())
    for module in ("ai_edge_litert.compiled_model", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", types.ModuleType("tflite_runtime"))
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", old)
    monkeypatch.setattr(importlib.metadata, "version", lambda package: "2.16.0")
    model = load(made("tsm", "int8").path)
    assert model.runtime.startswith("tflite-runtime 2.16.0")
    np.testing.assert_array_equal(logits_of(model.stream()), expected)
