"""Artifacts of several runtimes against each other."""

from __future__ import annotations

import json

import pytest

from edgeshift.benchmarks.studies import step_ratios


@pytest.mark.slow
def test_files_are_compared_with_the_first(made, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(made("tsm", "int8", target).path) for target in ("tflite", "onnx")]
    assert step_ratios.main([*paths, "--rounds", "2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (found,) = document["figures"]
    assert found["name"].endswith(".tflite") and found["value"] > 0
    assert len(document["runtimes"]) == 2 and len(document["milliseconds"]) == 2
    assert step_ratios.main([*paths, "--rounds", "2"]) == 0
    assert "what over what" in capsys.readouterr().out


@pytest.mark.slow
def test_what_cannot_be_compared(made, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(made("tsm", "int8", "tflite").path)
    assert step_ratios.main([path]) == 2
    assert capsys.readouterr().err == (
        "error: give two files or more, of different names: the first is what the others are over\n"
    )
    assert step_ratios.main([path, "none.onnx"]) == 2
    assert capsys.readouterr().err == "error: none.onnx: no such file\n"
