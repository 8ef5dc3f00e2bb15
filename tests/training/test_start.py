"""The network that a training run starts from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgeshift.checkpoints import save
from edgeshift.errors import TrainingError
from edgeshift.models import ModelConfig, build
from edgeshift.models.network import ShiftNetwork
from edgeshift.models.slot_migration import past_first
from edgeshift.training import Recipe
from edgeshift.training.start import recipe_defaults, starting_network

LABELS = ("a", "b", "none")
NARROW = {"size": 64, "width": 0.75}


def save_checkpoint(path: Path, table: str, labels: tuple[str, ...] = LABELS, **options: bool) -> Path:
    config = ModelConfig(table, "mobilenet_v2", len(labels), **NARROW, **options)  # type: ignore[arg-type]
    save(path, build(config, seed=7), labels=labels)
    return path


def recipe(model: str, **options: bool) -> Recipe:
    return Recipe(model=f"{model}_mobilenet_v2", **NARROW, **options)  # type: ignore[arg-type]


def saved_network(table: str, **options: bool) -> ShiftNetwork:
    """Return the network that ``save_checkpoint`` saves."""
    return build(ModelConfig(table, "mobilenet_v2", 3, **NARROW, **options), seed=7)  # type: ignore[arg-type]


def same(first: ShiftNetwork, second: ShiftNetwork, head: bool = True) -> bool:
    """Return whether two networks have the same weights. ``head=False``: the head is not compared."""
    pairs = zip(first.state_dict().items(), second.state_dict().items(), strict=True)
    return all(torch.equal(a, b) for (name, a), (_, b) in pairs if head or "classifier" not in name)


def test_without_a_checkpoint_the_seed_determines_the_weights() -> None:
    start = starting_network(recipe("tsm"), LABELS, None)
    assert start.description.weights.source == "scratch, seed 0"
    assert same(start.network, starting_network(recipe("tsm"), LABELS, None).network)
    assert start.config.size == 64 and start.config.classes == 3


def test_a_head_for_the_same_labels_is_kept(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "tsm.safetensors", "tsm")
    start = starting_network(recipe("tsm"), LABELS, path)
    assert same(start.network, saved_network("tsm"))
    assert "tsm.safetensors" in start.description.weights.source and "sha256" in start.description.weights.source


def test_a_head_for_other_labels_is_replaced(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "tsm.safetensors", "tsm")
    network = starting_network(recipe("tsm"), ("x", "y", "z", "none"), path).network
    assert network.config.classes == 4
    assert same(network, saved_network("tsm"), head=False)


@pytest.mark.parametrize(("given", "wanted"), [("tsn", "tsm"), ("tsm", "stsm"), ("stsm", "tsn")])
def test_another_shift_table_uses_the_weights_unchanged(tmp_path: Path, given: str, wanted: str) -> None:
    network = starting_network(recipe(wanted), LABELS, save_checkpoint(tmp_path / "given.safetensors", given)).network
    assert network.config.table == wanted
    assert same(network, saved_network(given))


def test_bidirectional_weights_become_past_only(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "both.safetensors", "tsm", bidirectional=True)
    network = starting_network(recipe("tsm"), LABELS, path).network
    given = saved_network("tsm", bidirectional=True)
    assert not network.config.bidirectional
    assert same(network, past_first(given))
    assert not same(network, given)
    unchanged = starting_network(recipe("tsm", bidirectional=True), LABELS, path).network
    assert same(unchanged, given) and unchanged.config.bidirectional


def test_past_only_weights_are_not_reordered(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "online.safetensors", "tsm")
    assert same(starting_network(recipe("tsm"), LABELS, path, past_only=True).network, saved_network("tsm"))
    assert recipe_defaults(path)["size"] == 64


def test_another_backbone_is_refused(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "tsm.safetensors", "tsm")
    with pytest.raises(TrainingError, match="cannot become a tsm_resnet50"):
        starting_network(Recipe(model="tsm_resnet50", size=64), LABELS, path)
