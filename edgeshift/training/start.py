"""What a run starts from: random weights, ImageNet's, or any checkpoint that edgeshift reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edgeshift.checkpoints import Checkpoint, load
from edgeshift.errors import TrainingError
from edgeshift.models import ModelConfig, build, parse_name
from edgeshift.models.network import ShiftNetwork
from edgeshift.models.slot_migration import past_first
from edgeshift.training.recipe import Recipe

SCRATCH, OURS = "scratch", "edgeshift"


@dataclass(frozen=True, eq=False)
class Start:
    """What a run starts from.

    Attributes:
        network: to train. words: where its weights come from.
        training: how those were trained, as far as their file says. license: their terms.
    """

    network: ShiftNetwork
    words: str
    training: Mapping[str, str]
    license: str | None = None


def starting_network(recipe: Recipe, labels: tuple[str, ...], init: Path | None, *, past_only: bool = False) -> Start:
    """The network to train.

    A head whose labels are other ones is replaced. Weights of another shift are taken as they are, since a shift has
    none of its own; bi-directional TSM and TSAM become past-only by moving their slots (``models.slots``).

    Args:
        recipe: names the model. labels: of the answers. init: a checkpoint; None: random weights.
        past_only: its weights were trained past-only, which the names of MIT's and mmaction2's tensors cannot show.

    Raises:
        CheckpointError, ModelError: a file that cannot be read.
        TrainingError: a checkpoint of another backbone.
    """
    table, backbone = parse_name(recipe.model)
    if init is None:
        config = ModelConfig(
            *(table, backbone, len(labels)),
            size=recipe.size,
            width=recipe.width,
            depth=recipe.depth,
            bidirectional=recipe.bidirectional,
        )
        return Start(build(config, seed=recipe.seed), f"{SCRATCH}, seed {recipe.seed}", {})
    given = _read(init, labels, past_only)
    if given.config.backbone != backbone:
        raise TrainingError(f"{init} holds a {given.config.name}: it cannot become a {recipe.model}")
    network = given.network
    both_ways = given.config.bidirectional and given.config.table != "tsn"  # without a shift there is nothing to move
    if given.config.table == table and both_ways and not recipe.bidirectional:
        network = past_first(network)
    wanted = msgspec.structs.replace(
        network.config,
        table=table,
        size=recipe.size,
        depth=recipe.depth,
        bidirectional=recipe.bidirectional,
        streamed_bidirectional=False,
    )
    started = build(wanted)
    started.load_state_dict(network.state_dict())
    words = f"{init.name} ({given.layout}), sha256 {given.sha256}"
    before = (given.training or {}).get("start")
    words = f"{words}, which started from {before}"[:2000] if before else words
    return Start(started, words, given.training or {}, given.license)


def kept_numbers(init: Path) -> dict[str, Any]:
    """What a run takes over from a checkpoint of our own, unless told otherwise: ``Recipe`` fields.

    Empty for other layouts: those do not say what they were trained at.
    """
    given = load(init)
    if given.layout != OURS:
        return {}
    kept = {"size": given.config.size, "depth": given.config.depth, "spacing": given.frame_spacing}
    return {name: value for name, value in kept.items() if value is not None}


def _read(init: Path, labels: tuple[str, ...], past_only: bool) -> Checkpoint:
    slots = False if past_only else None
    given = load(init, bidirectional=slots)
    return given if given.labels == labels else load(init, new_head=len(labels), bidirectional=slots)
