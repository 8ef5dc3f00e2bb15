"""A long stream, shortened: the study passes, and fails if memory grows or a state drifts."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

from edgeshift.benchmarks.studies import harness, soak
from edgeshift.stream import Model


@pytest.fixture
def pair(made):
    return made("tsm", "int8").path, made("tsm", "fp32").path


@pytest.mark.slow
def test_an_artifact_without_leak_and_drift_passes(pair, capsys):
    int8, fp32 = map(str, pair)
    assert soak.main([int8, "--reference", fp32, "--minutes", "0.1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert len(result["windows"]) == soak.WINDOWS and result["problems"] == []
    assert all(window["steps"] >= soak.LEAST for window in result["windows"])
    assert 0 < max(window["state_error"] for window in result["windows"]) <= 0.5
    soak.show(msgspec.convert(result, soak.Soak))
    assert "memory does not grow and no state drifts" in capsys.readouterr().out


@pytest.mark.slow
def test_a_memory_leak_is_reported(pair, monkeypatch):
    """The executor leaks four megabytes per step, so that few steps are enough on a busy machine."""
    leaked = []

    class Leaky:
        def __init__(self, executor):
            self._executor = executor

        def run(self, frame):
            leaked.append(np.ones(4 << 20, np.uint8))
            return self._executor.run(frame)

        def __getattr__(self, name):
            return getattr(self._executor, name)

    original = soak.load

    def load(path):
        model = original(path)
        return Model(model.spec, model.runtime, lambda: Leaky(model._executor()))

    monkeypatch.setattr(soak, "load", load)
    result = soak.soak(*pair, minutes=0.02, windows=4)
    leaked.clear()
    assert any("memory grew by" in problem for problem in result.problems)


@pytest.mark.slow
def test_a_state_that_drifts_is_reported(pair, monkeypatch):
    """The states of the int8 artifact grow by a constant at each comparison."""
    original = soak.real_states

    def drifting(stream):
        states = original(stream)
        if stream.spec.precision == "int8":
            drifting.steps += 1
            states = {name: state + 0.02 * drifting.steps for name, state in states.items()}
        return states

    drifting.steps = 0
    monkeypatch.setattr(soak, "real_states", drifting)
    monkeypatch.setattr(soak, "EVERY", 1)
    result = soak.soak(*pair, minutes=0.05, windows=4)
    assert any("largest state error" in problem for problem in result.problems)


@pytest.mark.slow
def test_two_different_networks_are_an_error(made, pair, capsys):
    assert soak.main([str(pair[0]), "--reference", str(made("stsm", "fp32").path), "--minutes", "0.01"]) == 2
    assert "must be the same network, with states" in capsys.readouterr().err


@pytest.mark.slow
def test_the_cost_of_the_timed_loop_is_measured(pair, capsys):
    assert harness.main([*map(str, pair), "--rounds", "3", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [figure["goal"] for figure in report["figures"]] == [1.02, 1.02]
    assert all(0.2 < figure["value"] < 5 for figure in report["figures"])
    assert len(report["milliseconds"]) == 4
