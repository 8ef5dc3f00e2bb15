"""The ablation of the shift: each network is trained and tested once, and stored results are used again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from edgeshift.benchmarks.studies import shift_ablation, trained_networks
from edgeshift.models import ModelConfig, build
from edgeshift.training import Recipe


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    """Return ImageNet weights of a backbone in a public layout."""
    path = tmp_path / "imagenet.pt"
    torch.save(build(ModelConfig("tsn", "mobilenet_v2", 1000), seed=0).backbone.state_dict(), path)
    return path


@pytest.mark.slow
def test_finished_runs_are_not_trained_or_tested_again(
    imagenet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edgeshift.training.run.RULE_STREAMS", 1)
    monkeypatch.setattr("edgeshift.training.run.RULE_SECONDS", 6.0)
    monkeypatch.setattr("edgeshift.training.folder.Run.validation_count", 1)
    monkeypatch.setattr(shift_ablation, "Recipe", lambda **fields: Recipe(**fields, frames=4, batch=1))
    line = ["--out", str(tmp_path / "runs"), "--init", str(imagenet), "--seeds", "1", "--steps", "1", "--size", "64"]
    line += ["--clips", "2", "--models", "tsn_mobilenet_v2,tsm_mobilenet_v2", "--json"]
    assert shift_ablation.main(line) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["model"], row["drawn"]["total"], row["videos"]) for row in rows] == [
        ("tsn_mobilenet_v2", 2, None),
        ("tsm_mobilenet_v2", 2, None),
    ]
    results = sorted((tmp_path / "runs").glob("*/model.safetensors"))
    stamps = [result.stat().st_mtime_ns for result in results]
    assert shift_ablation.main(line) == 0
    assert json.loads(capsys.readouterr().out) == rows
    assert [result.stat().st_mtime_ns for result in results] == stamps and len(stamps) == 2
    measured: list[str] = []
    measure = trained_networks.measure_row
    monkeypatch.setattr(
        trained_networks, "measure_row", lambda *arguments: (measured.append(arguments[1]), measure(*arguments))[1]
    )
    assert shift_ablation.main(line) == 0 and not measured
    results[0].with_name(trained_networks.MEASURED).write_text("damaged")
    assert shift_ablation.main(line) == 0 and measured == ["tsm_mobilenet_v2"]
    assert shift_ablation.main([*line, "--clips", "1"]) == 0 and len(measured) == 3
    rows = json.loads((tmp_path / "runs" / shift_ablation.RESULTS).read_text())
    assert [row["drawn"]["total"] for row in rows] == [1, 1]
    assert shift_ablation.main([*line, "--steps", "2"]) == 2
    assert "holds a run of 1 steps: give --steps 1, or another --out" in capsys.readouterr().err
    assert shift_ablation.main([*line, "--size", "96"]) == 2
    assert "holds another run (size: 64, now 96)" in capsys.readouterr().err


def test_zero_seeds_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shift_ablation.main(["--out", str(tmp_path), "--init", "none.pt", "--seeds", "0"]) == 2
    assert capsys.readouterr().err.startswith("edgeshift: Invalid value for '--seeds'")
