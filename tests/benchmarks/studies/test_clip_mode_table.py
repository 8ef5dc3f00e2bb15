"""The table of clip artifacts: figures of both forms, artifacts that are kept, and reasons in place of artifacts."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edgeshift.benchmarks.studies import clip_mode
from edgeshift.benchmarks.studies.clip_mode import COLUMNS, ClipRow, ClipStudy, cells


@pytest.mark.slow
def test_a_clip_artifact_is_compared_with_a_stream_of_the_same_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["--out", str(tmp_path), "--networks", "tsm_mobilenet_v2", "--targets", "tflite,coreml"]
    line += ["--precisions", "fp32", "--frames", "4", "--size", "64", "--rounds", "2"]
    assert clip_mode.main([*line, "--json"]) == 0
    result = msgspec.json.decode(capsys.readouterr().out, type=ClipStudy)
    tflite, coreml = result.rows
    assert (result.frames, result.hop) == (4, 2) and tflite.transposes == 0
    assert tflite.parity is not None and tflite.parity.frames >= 32 and tflite.parity.max_error < 1e-4
    assert tflite.graph is not None and tflite.graph.partitions == 1 and tflite.steps is not None
    assert tflite.answer is not None and tflite.frame == pytest.approx(tflite.answer / 2, abs=0.002)
    assert coreml.answer is coreml.steps is None, "the reference executor is not timed"
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tflite")}
    assert len(stamps) == 2
    assert clip_mode.main([*line, "--markdown"]) == 0
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps, "they are not converted again"
    rows = capsys.readouterr().out.splitlines()
    assert rows[0] == f"| {' | '.join(COLUMNS)} |" and rows[2].startswith("| tsm_mobilenet_v2 | tflite | fp32 |")


def test_a_row_without_an_artifact_has_the_reason() -> None:
    row = cells(ClipRow(network="x", target="onnx", precision="int8", reason="it cannot"))
    assert len(row) == len(COLUMNS) and row[-1] == "it cannot"


@pytest.mark.parametrize(
    ("line", "message"),
    [(("--precisions", "int4"), "--precisions int4"), (("--targets", "tflit"), "unknown target 'tflit'; did you mean")],
)
def test_an_unknown_precision_or_target_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: tuple[str, ...], message: str
) -> None:
    assert clip_mode.main(["--out", str(tmp_path), *line]) == 2
    assert message in capsys.readouterr().err
