"""Comparisons of runs of one artifact, shortened: steps that take ten times as long are called slower."""

from __future__ import annotations

import json

import pytest

from edgeshift.benchmarks.latency import mode
from edgeshift.benchmarks.studies import repeatability


@pytest.mark.slow
def test_slowed_steps_are_called_slower(made, monkeypatch, capsys):
    monkeypatch.setitem(mode.MODES, "rapid", mode.Length(64, 0.2, 3))
    path = str(made("tsm", "int8").path)
    repeatability.main([path, "--pairs", "1", "--share", "9", "--json"])
    (pair,) = json.loads(capsys.readouterr().out)["pairs"]
    assert pair["slowed"][1] == "slower" and pair["slowed"][0] > 3
    assert repeatability.main(["gone.tflite"]) == 2
    assert "gone.tflite: no such file" in capsys.readouterr().err
