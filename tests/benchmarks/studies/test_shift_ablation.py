"""What the shift carries: runs are trained once, measured, and summed up by model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from edgeshift.benchmarks.studies import shift_ablation as order
from edgeshift.models import ModelConfig, build
from edgeshift.training import Recipe


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    """A backbone in a public layout."""
    path = tmp_path / "imagenet.pt"
    torch.save(build(ModelConfig("tsn", "mobilenet_v2", 1000), seed=0).backbone.state_dict(), path)
    return path


@pytest.mark.slow
def test_what_is_there_is_not_trained_again(
    imagenet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edgeshift.training.run.RULE_STREAMS", 1)
    monkeypatch.setattr("edgeshift.training.run.RULE_SECONDS", 6.0)
    monkeypatch.setattr("edgeshift.training.trainer.Run.checks", 1)
    monkeypatch.setattr(order, "Recipe", lambda **given: Recipe(**given, frames=4, batch=1))
    line = ["--out", str(tmp_path / "runs"), "--init", str(imagenet), "--seeds", "1", "--steps", "1", "--size", "64"]
    line += ["--clips", "2", "--models", "tsn_mobilenet_v2,tsm_mobilenet_v2", "--json"]
    assert order.main(line) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["model"], row["drawn"]["total"], row["videos"]) for row in rows] == [
        ("tsn_mobilenet_v2", 2, None),
        ("tsm_mobilenet_v2", 2, None),
    ]
    results = sorted((tmp_path / "runs").glob("*/model.safetensors"))
    stamps = [result.stat().st_mtime_ns for result in results]
    assert order.main(line) == 0
    assert json.loads(capsys.readouterr().out) == rows
    assert [result.stat().st_mtime_ns for result in results] == stamps and len(stamps) == 2
    measured: list[str] = []
    real = order.row_of
    monkeypatch.setattr(order, "row_of", lambda *given: (measured.append(given[1]), real(*given))[1])
    assert order.main(line) == 0 and not measured, "nor measured again"
    results[0].with_name(order.MEASURED).write_text("damaged")
    assert order.main(line) == 0 and measured == ["tsm_mobilenet_v2"]
    assert order.main([*line, "--clips", "1"]) == 0 and len(measured) == 3
    assert [row["drawn"]["total"] for row in json.loads((tmp_path / "runs" / order.RESULTS).read_text())] == [1, 1]
    assert order.main([*line, "--steps", "2"]) == 2  # those runs are of another recipe: not passed off as these
    assert "another recipe" in capsys.readouterr().err


def test_nothing_to_compare_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert order.main(["--out", str(tmp_path), "--init", "none.pt", "--seeds", "0"]) == 2
    assert capsys.readouterr().err.startswith("error: 0 seeds")
