"""The cost of a shift in each runtime, from made-up samples. One slow test runs the study, but checks no times."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeshift.benchmarks.studies import shift_cost
from edgeshift.errors import RuntimeMissingError, install_command
from edgeshift.targets import TARGETS

#: {name of a candidate: milliseconds}.
TIMES = {
    "tflite tsn fp32": 10.0,
    "tflite tsm fp32": 10.2,
    "tflite stsm fp32": 10.6,
    "tflite tsn int8": 4.0,
    "tflite tsm int8": 4.2,
    "tflite stsm int8": 4.1,
    "onnx tsn fp32": 20.0,
    "onnx tsm fp32": 20.0,
    "onnx stsm fp32": 20.0,
    "onnx tsn int8": 8.0,
    "onnx tsm int8": 8.4,
    "onnx stsm int8": 8.4,
}


def test_figures_follow_from_the_samples() -> None:
    samples = {name: time * np.linspace(0.5, 3.0, 9) for name, time in TIMES.items()}
    figures = {f"{figure.group}: {figure.name}": figure for figure in shift_cost.assemble(samples)}
    assert len(figures) == 12
    assert figures["shift, tflite: TSM / TSN, fp32"].value == pytest.approx(1.02)
    assert [name for name, figure in figures.items() if figure.met is False] == [
        "shift, tflite: STSM / TSN, fp32",
        "shift, tflite: TSM / TSN, int8",
        "shift, onnx: TSM / TSN, int8",
    ]
    assert figures["runtime: onnx tsm int8 / tflite tsm int8"].value == pytest.approx(2.0)
    assert figures["runtime: tflite tsm int8 / tflite tsm int8"].value == 1.0


@pytest.mark.slow
def test_a_target_without_its_runtime_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = shift_cost.Artifacts.shipped

    def shipped(self, source, precision, target="tflite"):
        if target == "tflite":
            raise RuntimeMissingError(f"not installed: {install_command('tflite')}")
        return original(self, source, precision, target)

    monkeypatch.setattr(shift_cost.Artifacts, "shipped", shipped)
    monkeypatch.setitem(TARGETS, "executorch", TARGETS["executorch"]._replace(timed=False))
    assert shift_cost.main(["--size", "64", "--quick", "--json", "--cache", str(tmp_path)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["notes"] == [f"tflite is left out: not installed: {install_command('tflite')}"]
    assert {f["group"] for f in report["figures"]} == {"shift, onnx", "runtime"}
    assert all(f["value"] > 0 for f in report["figures"])
    assert len(list(tmp_path.glob("*.onnx"))) == 6


def test_a_machine_that_can_time_no_target_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, target in TARGETS.items():
        monkeypatch.setitem(TARGETS, name, target._replace(timed=False))
    assert shift_cost.main(["--size", "64", "--quick", "--cache", str(tmp_path)]) == 2
    assert "no target can be timed on this machine" in capsys.readouterr().err
