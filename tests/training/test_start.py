"""The network that a training run starts from."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import foreign_resnets
import pytest
import torch

from edgeshift.checkpoints import load, save
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


def recipe(model: str, **options: int) -> Recipe:
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


def test_the_divisor_and_the_place_of_the_recipe(tmp_path: Path) -> None:
    start = starting_network(Recipe(model="tsm_resnet18", size=64, div=4, place="block"), LABELS, None)
    assert (start.config.div, start.config.place) == (4, "block")
    save(tmp_path / "quarter.safetensors", start.network, labels=LABELS)
    again = starting_network(Recipe(model="tsm_resnet18", size=64), LABELS, tmp_path / "quarter.safetensors")
    assert (again.config.div, again.config.place) == (4, "block")
    other = starting_network(Recipe(model="stsm_resnet18", size=64), LABELS, tmp_path / "quarter.safetensors")
    assert other.config.div == 8, "an STSM has no divisor"


def test_a_divisor_that_the_weights_do_not_record(tmp_path: Path) -> None:
    torch.save(foreign_resnets.mit(18, div=4).state_dict(), tmp_path / "mit.pth")
    assumed = starting_network(Recipe(model="tsm_resnet18", size=64), LABELS, tmp_path / "mit.pth")
    assert assumed.config.div == 8 and any("--shift-div" in note for note in assumed.notes)
    start = starting_network(Recipe(model="tsm_resnet18", size=64, div=4), LABELS, tmp_path / "mit.pth")
    given = load(tmp_path / "mit.pth", shift_div=4, new_head=3).network
    assert start.config.div == 4 and same(start.network, past_first(given))
    assert not same(start.network, assumed.network), "the past is in another slot"


def test_the_depth_of_the_recipe_or_of_the_weights(tmp_path: Path) -> None:
    assert starting_network(recipe("tsam"), LABELS, None).config.depth == 2
    save(tmp_path / "one.safetensors", starting_network(recipe("tsam", depth=1), LABELS, None).network, labels=LABELS)
    assert starting_network(recipe("tsam"), LABELS, tmp_path / "one.safetensors").config.depth == 1
    assert starting_network(recipe("tsam", depth=3), LABELS, tmp_path / "one.safetensors").config.depth == 3


def test_non_local_blocks_of_an_unknown_kind_are_not_trained(tmp_path: Path) -> None:
    torch.save({"state_dict": foreign_resnets.mmaction2(non_local="dot_product").state_dict()}, tmp_path / "mm.pth")
    for read in (recipe_defaults, partial(starting_network, Recipe(model="tsm_resnet50", size=64), LABELS)):
        with pytest.raises(TrainingError, match="has non-local blocks, which edgeshift does not train") as caught:
            read(tmp_path / "mm.pth")
        assert "--non-local" not in str(caught.value)


@pytest.mark.parametrize("options", [{"pool": True}, {"non_local": "embedded_gaussian"}])
def test_networks_that_need_a_clip_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    torch.save(foreign_resnets.mit(50, **options).state_dict(), tmp_path / "mit.pth")
    with pytest.raises(TrainingError, match=r"which edgeshift does not train: start from weights without it"):
        starting_network(Recipe(model="tsm_resnet50", size=64), LABELS, tmp_path / "mit.pth")
