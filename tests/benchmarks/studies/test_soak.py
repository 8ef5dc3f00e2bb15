"""A long stream, shortened: it passes where nothing grows, and fails where something does."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgeshift.benchmarks.studies import harness, soak
from edgeshift.stream import Model


@pytest.fixture
def pair(made):
    return made("tsm", "int8").path, made("tsm", "fp32").path


@pytest.mark.slow
def test_nothing_grows_and_nothing_drifts(pair, capsys):
    int8, fp32 = map(str, pair)
    assert soak.main([int8, "--reference", fp32, "--minutes", "0.3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["windows"]) == soak.WINDOWS and found["problems"] == []
    assert sum(window["steps"] for window in found["windows"]) > 60
    assert 0 < max(window["state_error"] for window in found["windows"]) <= 0.5
    assert soak.main([int8, "--reference", fp32, "--minutes", "0.01"]) == 0
    assert "memory does not grow and no state drifts" in capsys.readouterr().out


@pytest.mark.slow
def test_a_leak_is_seen(pair, monkeypatch):
    """Half a megabyte a step."""
    kept = []

    class Leaky:
        def __init__(self, executor):
            self._executor = executor

        def run(self, frame):
            kept.append(np.ones(1 << 19, np.uint8))
            return self._executor.run(frame)

        def __getattr__(self, name):
            return getattr(self._executor, name)

    original = soak.load

    def load(path):
        model = original(path)
        return Model(model.spec, model.runtime, lambda: Leaky(model._executor()))

    monkeypatch.setattr(soak, "load", load)
    found = soak.soak(*pair, minutes=0.02, windows=4)
    kept.clear()
    assert any("memory grew by" in problem for problem in found.problems)


@pytest.mark.slow
def test_a_state_that_drifts_is_seen(pair, monkeypatch):
    """One whose int8 side slowly turns into something else."""
    original = soak.real_states

    def drifting(stream):
        found = original(stream)
        if stream.spec.precision == "int8":
            drifting.steps += 1
            found = {name: state + 0.02 * drifting.steps for name, state in found.items()}
        return found

    drifting.steps = 0
    monkeypatch.setattr(soak, "real_states", drifting)
    monkeypatch.setattr(soak, "EVERY", 1)
    found = soak.soak(*pair, minutes=0.05, windows=4)
    assert any("a state is off by" in problem for problem in found.problems)


@pytest.mark.slow
def test_two_networks(made, pair, capsys):
    assert soak.main([str(pair[0]), "--reference", str(made("stsm", "fp32").path), "--minutes", "0.01"]) == 2
    assert "must be the same network, with states" in capsys.readouterr().err


@pytest.mark.slow
def test_the_harness_is_measured(pair, capsys):
    assert harness.main([*map(str, pair), "--rounds", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [figure["goal"] for figure in found["figures"]] == [1.02, 1.02]
    assert all(0.2 < figure["value"] < 5 for figure in found["figures"])
    assert len(found["milliseconds"]) == 4
