"""Accuracy and step time by frame size: each size is trained and measured once, and stored results are used again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeshift.benchmarks.studies import events, frame_sizes
from edgeshift.training import Recipe

pytest.importorskip("litert_torch", reason="the converters are not installed")


@pytest.mark.slow
def test_each_size_is_trained_and_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edgeshift.training.run.RULE_STREAMS", 1)
    monkeypatch.setattr("edgeshift.training.run.RULE_SECONDS", 6.0)
    monkeypatch.setattr("edgeshift.training.folder.Run.validation_count", 1)
    monkeypatch.setattr(events, "SECONDS", 6.0)
    monkeypatch.setattr(frame_sizes, "Recipe", lambda **fields: Recipe(**fields, frames=4, batch=1))
    line = ["--out", str(tmp_path / "runs"), "--sizes", "64,96", "--steps", "1", "--clips", "2", "--minutes", "1"]
    line += ["--rounds", "5", "--json"]
    assert frame_sizes.main(line) == 0
    small, large = rows = json.loads(capsys.readouterr().out)
    assert [row["size"] for row in rows] == [64, 96]
    assert [row["accuracy"]["drawn"]["total"] for row in rows] == [2, 2]
    assert small["step"] == [1.0, 1.0, 1.0] and 0 < large["step"][1] <= large["step"][0] <= large["step"][2]
    stored = (tmp_path / "runs").glob(f"*/{frame_sizes.ANNOUNCED}")
    assert sorted(path.parent.name for path in stored) == ["tsm_mobilenet_v2_64", "tsm_mobilenet_v2_96"]
    measured: list[Path] = []
    measure = events.measure
    monkeypatch.setattr(events, "measure", lambda path, *rest: (measured.append(path), measure(path, *rest))[1])
    assert frame_sizes.main(line) == 0 and not measured
    again = json.loads(capsys.readouterr().out)
    assert [row["recall"] for row in again] == [row["recall"] for row in rows]
    assert frame_sizes.main([*line, "--minutes", "2"]) == 0 and len(measured) == 2


def test_a_size_that_is_not_a_number_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert frame_sizes.main(["--out", str(tmp_path), "--sizes", "96,big"]) == 2
    assert capsys.readouterr().err.startswith("edgeshift: --sizes 96,big")
