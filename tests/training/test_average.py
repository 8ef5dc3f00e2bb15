"""The mean of the last stages of a training."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch

from edgeshift.artifact.description import NONE
from edgeshift.checkpoints import load, save
from edgeshift.gestures import STROKES
from edgeshift.models import ModelConfig, build
from edgeshift.training import Recipe
from edgeshift.training import tune_rule as choose
from edgeshift.training.average import main

LABELS = (*STROKES, NONE)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeshift.training.run.RULE_STREAMS", 2)
    monkeypatch.setattr("edgeshift.training.run.RULE_SECONDS", 6.0)
    monkeypatch.setattr("edgeshift.training.average.keep_freed_memory", lambda: None)  # it would outlive this test


def stage(path: Path, seed: int, table: str = "tsm", **kept: object) -> Path:
    network = build(ModelConfig(table, "mobilenet_v2", len(LABELS), size=64, width=0.5), seed=seed)
    recipe = msgspec.json.encode(Recipe(size=64, width=0.5, seed=seed)).decode()
    options: dict[str, object] = {"labels": LABELS, "frame_spacing": 0.25, "training": {"recipe": recipe}}
    save(path, network, **(options | kept))  # type: ignore[arg-type]
    return path


def test_the_mean_is_that_of_all_weights(tmp_path: Path) -> None:
    first, second = stage(tmp_path / "a.safetensors", 1), stage(tmp_path / "b.safetensors", 2)
    out = tmp_path / "mean.safetensors"
    assert main([str(first), str(second), "--out", str(out)]) == 0
    mean, states = load(out), [load(path).network.state_dict() for path in (first, second)]
    for name, tensor in mean.network.state_dict().items():
        assert torch.allclose(tensor.double(), (states[0][name].double() + states[1][name].double()) / 2, atol=1e-7)
    assert mean.labels == LABELS and mean.rule is not None and mean.rule.memory is not None
    training = mean.training or {}
    assert load(first).sha256 in training["mean of"] and load(second).sha256 in training["mean of"]
    assert "mean of 2 stages" in (mean.source or "")


def test_a_rule_is_chosen_anew_and_nothing_else_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(choose, "keep_freed_memory", lambda: None)
    first, out = stage(tmp_path / "a.safetensors", 1), tmp_path / "b.safetensors"
    assert choose.main([str(first), "--out", str(out), "--streams", "3"]) == 0
    assert capsys.readouterr().out.startswith("rule: ")
    before, after = load(first), load(out)
    assert before.rule is None and after.rule is not None
    assert (after.training or {}) == {**(before.training or {}), "rule": "chosen on 3 drawn streams of a minute"}
    assert (after.config, after.labels, after.frame_spacing) == (before.config, before.labels, before.frame_spacing)
    kept = after.network.state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in before.network.state_dict().items())
    assert choose.main([str(first), "--out", str(out), "--streams", "0"]) == 2
    other = stage(tmp_path / "c.safetensors", 1, labels=(*LABELS[1:], LABELS[0]))
    assert (
        choose.main([str(other), "--out", str(out)]) == 3 or "not trained on drawn gestures" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        ({"table": "tsn"}, "differ in their config"),
        ({"labels": (*LABELS[1:], LABELS[0])}, "differ in their labels"),
        ({"frame_spacing": 0.1}, "differ in their frame_spacing"),
    ],
)
def test_unlike_networks_have_no_mean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: dict[str, object], says: str
) -> None:
    table = str(kept.pop("table", "tsm"))
    files = [stage(tmp_path / "a.safetensors", 1), stage(tmp_path / "b.safetensors", 2, table, **kept)]
    assert main([*map(str, files), "--out", str(tmp_path / "mean.safetensors")]) == 2
    assert says in capsys.readouterr().err and not (tmp_path / "mean.safetensors").exists()


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        ({"training": {}}, "does not say how it was trained"),
        ({"training": {"recipe": "{}x"}}, "does not say how it was trained"),
        ({"labels": tuple("abcdefghijk")}, "not trained on drawn gestures"),
    ],
)
def test_what_has_no_recipe_or_other_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: dict[str, object], says: str
) -> None:
    files = [stage(tmp_path / f"{seed}.safetensors", seed, **kept) for seed in (1, 2)]
    assert main([*map(str, files), "--out", str(tmp_path / "mean.safetensors")]) == 2
    assert says in capsys.readouterr().err


def test_one_is_no_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(stage(tmp_path / "a.safetensors", 1)), "--out", str(tmp_path / "mean.safetensors")]) == 2
    assert "two checkpoints or more" in capsys.readouterr().err
