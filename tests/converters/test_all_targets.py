"""Conversion to all targets: shared work is done once, and a target that fails does not stop the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edgeshift import load
from edgeshift.artifact.file import artifact_size, read_artifact
from edgeshift.artifact.spec import ParitySpec
from edgeshift.checkpoints.source import untrained_source
from edgeshift.cli import main
from edgeshift.converters import Converted, convert_all
from edgeshift.converters import pipeline as conversion
from edgeshift.converters.all_targets import Outcome
from edgeshift.converters.onnx.target import _export
from edgeshift.errors import CheckFailedError, ConversionError
from edgeshift.targets import targets_of_all

SIZE = 64


def run(*line: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["convert", *line])
    return int(ended.value.code or 0)


@pytest.mark.slow
def test_every_target_in_one_table(
    made: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints are calibrated and exported once for all targets. Other tests use the artifacts, too."""
    for package in ("litert_torch", "onnxscript", "executorch", "coremltools"):
        pytest.importorskip(package)
    rolled, exported = [], []
    original = conversion.samples_of
    monkeypatch.setattr(conversion, "samples_of", lambda *given: (rolled.append(1), original(*given))[1])
    monkeypatch.setattr(
        "edgeshift.converters.onnx.target._export", lambda job: (exported.append(job.precision), _export(job))[1]
    )
    # These options give the network of made.source("tsm").
    line = ("tsm_mobilenet_v2", "--target", "all", "--size", str(SIZE), "--width", "1", "--out", str(tmp_path / "a"))
    assert run(*line, "--json") == 0
    outcomes = json.loads(capfd.readouterr().out)
    assert [outcome["target"] for outcome in outcomes] == targets_of_all("int8")
    clips = outcomes[0]["spec"]["calibration"]["clips"]
    assert len(rolled) == clips >= conversion.MIN_CLIPS, "calibrated once for all targets"
    assert exported == ["int8"], "ONNX and TensorRT share the export"
    frame = np.full((SIZE, SIZE, 3), 127, np.uint8)
    for outcome in outcomes:
        assert outcome["spec"]["parity"]["runtime"] and outcome["spec"]["target"] == outcome["target"]
        path = Path(outcome["path"])
        assert load(path).stream().step(frame).logits.shape == (10,)
        before = outcome.get("before_compilation") and msgspec.convert(outcome["before_compilation"], ParitySpec)
        made.add(Converted(path, read_artifact(path).spec, artifact_size(path), {}, None, before), "tsm")


def outcomes(*errors: Exception | None) -> list[Outcome]:
    return [Outcome(f"target{index}", None, error, 1.0) for index, error in enumerate(errors)]  # type: ignore[arg-type]


def test_a_target_that_fails_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def convert(source: object, target: str, *_: object, **__: object) -> None:
        tried.append(target)
        if target == "onnx":
            raise ConversionError("it cannot")

    monkeypatch.setattr("edgeshift.converters.all_targets.convert", convert)
    monkeypatch.setattr("edgeshift.converters.all_targets.prepare", lambda *_: None)
    source = untrained_source("tsm_mobilenet_v2", size=SIZE, width=0.35)
    outcomes = convert_all(source, tmp_path, targets=("tflite", "onnx", "tensorrt"))
    assert tried == ["tflite", "onnx", "tensorrt"]
    assert [outcome.error and str(outcome.error) for outcome in outcomes] == [None, "it cannot", None]


def test_the_exit_status_shows_a_failed_check(capsys: pytest.CaptureFixture[str]) -> None:
    from edgeshift.cli.convert_text import show_all

    assert show_all(outcomes(ConversionError("a"), CheckFailedError("b")), as_json=False) == 1
    assert show_all(outcomes(ConversionError("a")), as_json=True) == 2
    text = capsys.readouterr()
    assert "not converted" in text.out and "edgeshift: target1: b" in text.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("--out", "a.tflite"), "writes into a folder"),
        (("--state", "native"), "--state has no effect with --target all, which uses io"),
        (("--backend", "xnnpack"), "--backend has no effect with --target all"),
        (("--precision", "fp32", "--calibration", "clips"), "--calibration has no effect with --precision fp32"),
    ],
)
def test_options_that_do_not_fit_are_refused_at_once(
    line: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--target", "all", *line) == 2
    assert message in capsys.readouterr().err
