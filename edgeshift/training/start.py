"""What a run starts from: random weights, ImageNet's, or any checkpoint that edgeshift reads."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgeshift.checkpoints import Checkpoint, load
from edgeshift.errors import TrainingError
from edgeshift.models import ModelConfig, build, parse_name
from edgeshift.models.network import ShiftNetwork
from edgeshift.models.slots import past_first
from edgeshift.training.recipe import Recipe

SCRATCH = "scratch"


def starting_network(recipe: Recipe, labels: tuple[str, ...], init: Path | None) -> tuple[ShiftNetwork, str]:
    """The network to train, and where its weights come from.

    A head whose labels are other ones is replaced. Weights of another shift are taken as they are, since a shift has
    none of its own; bi-directional TSM and TSAM become past-only by moving their slots (``models.slots``).

    Args:
        recipe: names the model. labels: of the answers. init: a checkpoint; None: random weights.

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
        return build(config, seed=recipe.seed), f"{SCRATCH}, seed {recipe.seed}"
    given = _read(init, labels)
    if given.config.backbone != backbone:
        raise TrainingError(f"{init} holds a {given.config.name}: it cannot become a {recipe.model}")
    network = given.network
    if given.config.table == table and given.config.bidirectional and not recipe.bidirectional:
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
    start = f"{init.name} ({given.layout}), sha256 {given.sha256}"
    before = (given.training or {}).get("start")
    return started, f"{start}, which started from {before}"[:2000] if before else start


def _read(init: Path, labels: tuple[str, ...]) -> Checkpoint:
    given = load(init)
    return given if given.labels == labels else load(init, new_head=len(labels))
