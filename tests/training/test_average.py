"""The program that averages the weights of several stages, and the program that tunes a new event rule."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from edgeshift.artifact.description import NONE
from edgeshift.checkpoints import load, save
from edgeshift.gestures import STROKES
from edgeshift.models import ModelConfig, build
from edgeshift.training import Recipe, average, tune_rule

LABELS = (*STROKES, NONE)


@pytest.fixture(autouse=True)
def two_short_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeshift.training.run.RULE_STREAMS", 2)
    monkeypatch.setattr("edgeshift.training.run.RULE_SECONDS", 6.0)
    for module in (average, tune_rule):  # this setting of the process would affect later tests
        monkeypatch.setattr(module, "keep_freed_memory", lambda: None)


def run(app: typer.Typer, *arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def stage(path: Path, seed: int, table: str = "tsm", **facts: object) -> Path:
    """Write a checkpoint like those of ``edgeshift train``, but with random weights, and return its path."""
    network = build(ModelConfig(table, "mobilenet_v2", len(LABELS), size=64, width=0.5), seed=seed)
    recipe = msgspec.json.encode(Recipe(size=64, width=0.5, seed=seed)).decode()
    options: dict[str, object] = {"labels": LABELS, "frame_spacing": 0.25, "training": {"recipe": recipe}}
    save(path, network, **(options | facts))  # type: ignore[arg-type]
    return path


def test_every_weight_of_the_result_is_the_mean(tmp_path: Path) -> None:
    first, second = stage(tmp_path / "a.safetensors", 1), stage(tmp_path / "b.safetensors", 2)
    out = tmp_path / "mean.safetensors"
    assert run(average.app, first, second, "--out", out).exit_code == 0
    mean, states = load(out), [load(path).network.state_dict() for path in (first, second)]
    for name, tensor in mean.network.state_dict().items():
        assert torch.allclose(tensor.double(), (states[0][name].double() + states[1][name].double()) / 2, atol=1e-7)
    facts = mean.description
    assert facts.labels == LABELS and facts.rule is not None and facts.rule.memory is not None
    for path in (first, second):
        assert str(load(path).description.weights.sha256) in mean.training["mean of"]
    assert "mean of 2 stages" in facts.weights.source


def test_tuning_changes_only_the_rule(tmp_path: Path) -> None:
    first, out = stage(tmp_path / "a.safetensors", 1), tmp_path / "b.safetensors"
    result = run(tune_rule.app, first, "--out", out, "--streams", 3)
    assert result.exit_code == 0 and result.stdout.startswith("rule: ")
    before, after = load(first), load(out)
    assert before.description.rule is None and after.description.rule is not None
    assert after.training == {**before.training, "rule": "chosen on 3 drawn streams of a minute"}
    restored = msgspec.structs.replace(after.description, rule=None, weights=before.description.weights)
    assert restored == before.description and after.config == before.config
    weights = after.network.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in before.network.state_dict().items())


def test_tuning_needs_streams_and_drawn_gestures(tmp_path: Path) -> None:
    first, out = stage(tmp_path / "a.safetensors", 1), tmp_path / "b.safetensors"
    assert run(tune_rule.app, first, "--out", out, "--streams", 0).exit_code == 2
    other = stage(tmp_path / "c.safetensors", 1, labels=(*LABELS[1:], LABELS[0]))
    result = run(tune_rule.app, other, "--out", out)
    assert result.exit_code == 2 and "not trained on drawn gestures" in result.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"table": "tsn"}, "differ in their config"),
        ({"labels": (*LABELS[1:], LABELS[0])}, "differ in their labels"),
        ({"frame_spacing": 0.1}, "differ in their frame_spacing"),
    ],
)
def test_different_networks_are_not_averaged(tmp_path: Path, facts: dict[str, object], reason: str) -> None:
    files = [stage(tmp_path / "a.safetensors", 1), stage(tmp_path / "b.safetensors", 2, **facts)]  # type: ignore[arg-type]
    result = run(average.app, *files, "--out", tmp_path / "mean.safetensors")
    assert result.exit_code == 2 and reason in result.stderr
    assert not (tmp_path / "mean.safetensors").exists()


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"training": {}}, "does not say how it was trained"),
        ({"training": {"recipe": "{}x"}}, "does not say how it was trained"),
        ({"labels": tuple("abcdefghijk")}, "not trained on drawn gestures"),
    ],
)
def test_checkpoints_that_were_not_trained_on_drawn_gestures_are_refused(
    tmp_path: Path, facts: dict[str, object], reason: str
) -> None:
    files = [stage(tmp_path / f"{seed}.safetensors", seed, **facts) for seed in (1, 2)]  # type: ignore[arg-type]
    result = run(average.app, *files, "--out", tmp_path / "mean.safetensors")
    assert result.exit_code == 2 and reason in result.stderr


def test_one_checkpoint_is_too_few(tmp_path: Path) -> None:
    result = run(average.app, stage(tmp_path / "a.safetensors", 1), "--out", tmp_path / "mean.safetensors")
    assert result.exit_code == 2 and "two checkpoints or more" in result.stderr
