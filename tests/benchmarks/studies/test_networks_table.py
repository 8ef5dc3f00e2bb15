"""The table of networks: figures of both modes, artifacts that are kept, and reasons where there is no artifact."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edgeshift.benchmarks.studies import networks
from edgeshift.benchmarks.studies.networks import COLUMNS, NetworkRow, NetworkStudy, reasons

OWN = Path(__file__).parents[2] / "checkpoints/own_network_sources.py"


@pytest.mark.slow
def test_a_clip_artifact_is_compared_with_a_stream_of_the_same_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["--out", str(tmp_path), "--networks", "tsm_mobilenet_v2+div=4", "--targets", "tflite,coreml"]
    line += ["--precisions", "fp32", "--frames", "4", "--size", "64", "--rounds", "2"]
    assert networks.main([*line, "--json"]) == 0
    result = msgspec.json.decode(capsys.readouterr().out, type=NetworkStudy)
    rows = {(row.mode, row.target): row for row in result.rows}
    stream, clip, coreml = (rows[key] for key in (("stream", "tflite"), ("clip", "tflite"), ("clip", "coreml")))
    assert len(rows) == 4 and {row.network for row in result.rows} == {"tsm_mobilenet_v2, div 4"}
    for row in (stream, clip):
        assert row.transposes == 0 and row.answer is not None and row.problems == ()
        assert row.parity is not None and row.parity.frames >= 32 and row.parity.max_error < 1e-4
        assert row.graph is not None and row.graph.partitions == 1
    assert clip.steps is not None and stream.steps is None
    assert coreml.answer is coreml.steps is None, "the reference executor is not timed"
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tflite")}
    assert len(stamps) == 2
    assert networks.main([*line, "--markdown"]) == 0
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps, "they are not converted again"
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"| {' | '.join(COLUMNS)} |"
    assert lines[2].startswith("| tsm_mobilenet_v2, div 4 | stream | tflite | fp32 | passes |")


def test_an_own_network_without_a_form_has_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["--out", str(tmp_path), "--networks", f"{OWN}:causal", "--targets", "tflite,onnx", "--size", "64"]
    assert networks.main([*line, "--precisions", "int8", "--rounds", "2"]) == 0
    out = capsys.readouterr().out
    assert "causal, stream (tflite int8, onnx int8): int8 cannot hold state_blocks_0_gate_count" in out
    assert "causal, clip (tflite int8, onnx int8): this network takes one frame at a time" in out


def test_equal_reasons_are_one_line() -> None:
    row = NetworkRow(network="x", mode="clip", target="onnx", precision="int8", reason="it cannot")
    assert reasons([row, msgspec.structs.replace(row, precision="fp16")]) == [
        "x, clip (onnx int8, onnx fp16): it cannot"
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("--precisions", "int4"), "--precisions int4"),
        (("--targets", "tflit"), "unknown target 'tflit'; did you mean"),
        (("--networks", "tsm_resnet5"), "unknown model"),
        (("--networks", "tsm_resnet50+div=x"), "div"),
    ],
)
def test_an_unknown_precision_or_target_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: tuple[str, ...], message: str
) -> None:
    assert networks.main(["--out", str(tmp_path), *line]) == 2
    assert message in capsys.readouterr().err
