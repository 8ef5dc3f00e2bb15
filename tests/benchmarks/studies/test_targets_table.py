"""The table of targets: artifacts are kept, a missing artifact has a reason, and only real runtimes are timed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeshift.benchmarks.studies import targets
from edgeshift.checkpoints.source import untrained_source


@pytest.mark.slow
def test_artifacts_of_the_same_weights_are_not_converted_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxscript")
    source = untrained_source("tsm_mobilenet_v2", size=64, width=0.5)
    monkeypatch.setattr(targets, "default_source", lambda: source)
    line = ["--out", str(tmp_path), "--precisions", "fp32", "--targets", "onnx,tensorrt", "--rounds", "2"]
    assert targets.main([*line, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["target"], row["step"]) for row in rows] == [("onnx", 1.0), ("tensorrt", None)]
    assert all(row["parity"]["max_error"] < 1e-4 and row["size"] > 1e6 for row in rows)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.onnx")}
    assert len(stamps) == 2
    assert targets.main([*line, "--markdown"]) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.onnx")} == stamps
    text = capsys.readouterr().out.splitlines()
    assert len(text) == 4 and text[2].startswith("| onnx | fp32 |") and "ONNX Runtime" in text[2]
    other = untrained_source("tsm_mobilenet_v2", size=64, width=0.75)
    monkeypatch.setattr(targets, "default_source", lambda: other)
    assert targets.main(line) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.onnx")} != stamps


def test_a_row_without_an_artifact_has_the_reason() -> None:
    row = targets.TargetRow(target="x", precision="fp16", reason="x has no fp16")
    assert targets.cells(row) == ("x", "fp16", "-", "-", "-", "-", "-", "-", "x has no fp16")


@pytest.mark.parametrize(
    ("line", "message"),
    [(("--precisions", "int4"), "--precisions int4"), (("--targets", "tflit"), "unknown target 'tflit'; did you mean")],
)
def test_an_unknown_precision_or_target_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: tuple[str, ...], message: str
) -> None:
    assert targets.main(["--out", str(tmp_path), *line]) == 2
    assert message in capsys.readouterr().err
