"""The ratios of step times of artifacts of several runtimes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeshift.benchmarks.studies import step_ratios


@pytest.mark.slow
def test_files_are_compared_with_the_first(made, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(made("tsm", "int8", target).path) for target in ("tflite", "onnx")]
    assert step_ratios.main([*paths, "--rounds", "2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (figure,) = document["figures"]
    assert figure["name"].endswith(".tflite") and figure["value"] > 0
    assert len(document["runtimes"]) == 2 and len(document["milliseconds"]) == 2
    assert step_ratios.main([*paths, "--rounds", "2"]) == 0
    assert f" / {Path(paths[0]).name}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_an_answer_of_a_clip_is_compared_with_a_step(made, clip_artifact, capsys: pytest.CaptureFixture[str]) -> None:
    """Both networks take frames of 64 pixels, and the clip has four frames."""
    assert step_ratios.main([str(made("tsm", "fp32").path), str(clip_artifact), "--rounds", "2", "--json"]) == 0
    (figure,) = json.loads(capsys.readouterr().out)["figures"]
    assert figure["name"].startswith("clip.tflite / ") and figure["value"] > 1


@pytest.mark.slow
def test_one_file_or_a_missing_file_is_an_error(made, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(made("tsm", "int8", "tflite").path)
    assert step_ratios.main([path]) == 2
    assert "give two artifacts or more with different file names" in capsys.readouterr().err
    assert step_ratios.main([path, "none.onnx"]) == 2
    assert capsys.readouterr().err == "edgeshift: none.onnx: no such file\n"
