"""The network that a training run starts from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgeshift.checkpoints import save
from edgeshift.errors import TrainingError
from edgeshift.models import ModelConfig, build
from edgeshift.models.slot_migration import past_first
from edgeshift.training import Recipe
from edgeshift.training.start import starting_network

LABELS = ("a", "b", "none")
NARROW = {"size": 64, "width": 0.75}


def save_checkpoint(path: Path, table: str, labels: tuple[str, ...] = LABELS, **options: bool) -> Path:
    config = ModelConfig(table, "mobilenet_v2", len(labels), **NARROW, **options)  # type: ignore[arg-type]
    save(path, build(config, seed=7), labels=labels)
    return path


def recipe(model: str, **options: bool) -> Recipe:
    return Recipe(model=f"{model}_mobilenet_v2", **NARROW, **options)  # type: ignore[arg-type]


def same(one: torch.nn.Module, other: torch.nn.Module, head: bool = True) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(torch.equal(a, b) for (name, a), (_, b) in pairs if head or "classifier" not in name)


def test_scratch_depends_on_the_seed() -> None:
    start = starting_network(recipe("tsm"), LABELS, None)
    network = start.network
    assert start.description.weights.source == "scratch, seed 0"
    assert same(network, starting_network(recipe("tsm"), LABELS, None).network)
    assert network.config.size == 64 and network.config.classes == 3


def test_a_head_for_the_same_labels_is_save_checkpoint(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "tsm.safetensors", "tsm")
    start = starting_network(recipe("tsm"), LABELS, path)
    network = start.network
    assert same(network, build(ModelConfig("tsm", "mobilenet_v2", 3, **NARROW), seed=7))  # type: ignore[arg-type]
    assert "tsm.safetensors" in start.description.weights.source and "sha256" in start.description.weights.source


def test_a_head_for_other_labels_is_replaced(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "tsm.safetensors", "tsm")
    network = starting_network(recipe("tsm"), ("x", "y", "z", "none"), path).network
    assert network.config.classes == 4
    old = build(ModelConfig("tsm", "mobilenet_v2", 3, **NARROW), seed=7)  # type: ignore[arg-type]
    assert same(network, old, head=False)


@pytest.mark.parametrize(("given", "wanted"), [("tsn", "tsm"), ("tsm", "stsm"), ("stsm", "tsn")])
def test_another_shift_table_uses_the_weights_unchanged(tmp_path: Path, given: str, wanted: str) -> None:
    network = starting_network(recipe(wanted), LABELS, save_checkpoint(tmp_path / "given.safetensors", given)).network
    assert network.config.table == wanted
    assert same(network, build(ModelConfig(given, "mobilenet_v2", 3, **NARROW), seed=7))  # type: ignore[arg-type]


def test_bidirectional_weights_become_past_only(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "both.safetensors", "tsm", bidirectional=True)
    network = starting_network(recipe("tsm"), LABELS, path).network
    given = build(ModelConfig("tsm", "mobilenet_v2", 3, bidirectional=True, **NARROW), seed=7)  # type: ignore[arg-type]
    assert not network.config.bidirectional
    assert same(network, past_first(given))
    assert not same(network, given)
    still = starting_network(recipe("tsm", bidirectional=True), LABELS, path).network
    assert same(still, given) and still.config.bidirectional


def test_past_only_weights_are_not_reordered(tmp_path: Path) -> None:
    from edgeshift.training.start import kept_numbers

    path = save_checkpoint(tmp_path / "online.safetensors", "tsm")
    assert same(starting_network(recipe("tsm"), LABELS, path, past_only=True).network, build_tsm())
    assert kept_numbers(path)["size"] == 64


def build_tsm() -> torch.nn.Module:
    return build(ModelConfig("tsm", "mobilenet_v2", 3, **NARROW), seed=7)  # type: ignore[arg-type]


def test_another_backbone_is_refused(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "tsm.safetensors", "tsm")
    with pytest.raises(TrainingError, match="cannot become a tsm_resnet50"):
        starting_network(Recipe(model="tsm_resnet50", size=64), LABELS, path)
