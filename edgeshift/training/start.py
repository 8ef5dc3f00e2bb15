"""The network that a training run starts from: random weights, ImageNet's, or any checkpoint that edgeshift reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from edgeshift.artifact.description import WeightsSpec, describe_network
from edgeshift.checkpoints import Checkpoint, LoadOptions, load
from edgeshift.checkpoints.variant import NOT_RECORDED, UnknownKindError
from edgeshift.errors import TrainingError
from edgeshift.models import ModelConfig, build, parse_name
from edgeshift.models.config import DIV, DIVIDED
from edgeshift.models.network import ShiftNetwork
from edgeshift.models.slot_migration import past_first
from edgeshift.models.sound import add_sound, remove_sound
from edgeshift.training.recipe import Recipe


def starting_network(
    recipe: Recipe, labels: tuple[str, ...], init: Path | None, *, past_only: bool = False
) -> Checkpoint:
    """Build the network of a recipe, with the weights of a checkpoint or with random ones.

    A head for other labels is replaced by an untrained one. Weights of another shift table are used unchanged, because
    a shift has no weights. Bi-directional TSM and TSAM become past-only by ``edgeshift.models.slot_migration``.

    Args:
        recipe: the hyperparameters, including the name of the model.
        labels: the labels to train for.
        init: a checkpoint; None: random weights.
        past_only: the checkpoint was trained past-only. The tensor names of MIT and mmaction2 do not show this.

    Returns:
        A checkpoint with the network. Its description has the origin and the licence of the weights, and its notes say
        which facts the file does not record.

    Raises:
        CheckpointError, ModelError: the file cannot be read, or its weights cannot become past-only.
        TrainingError: the checkpoint has another backbone.
    """
    table, backbone = parse_name(recipe.model)
    chosen: dict[str, Any] = {
        option: value for option in ("div", "place", "depth") if (value := getattr(recipe, option))
    }
    if init is None:
        options = {option: getattr(recipe, option) for option in ("size", "width", "bidirectional")}
        config = ModelConfig(table, backbone, len(labels), **options, **chosen)
        weights = WeightsSpec(source=f"scratch, seed {recipe.seed}", trained=False)
        network = _with_sound(build(config, seed=recipe.seed), recipe)
        config = network.config
        return Checkpoint(network, describe_network(config, labels=labels, weights=weights), "untrained")
    facts: LoadOptions = {"bidirectional": False if past_only else None}
    checkpoint = _load(init, facts)
    if checkpoint.layout != "edgeshift" and checkpoint.config.table == table:  # the file may not record these facts
        facts |= {"shift_div": recipe.div, "depth": recipe.depth if table == "tsam" else None}
        checkpoint = _load(init, facts)
    if checkpoint.description.labels != labels:
        facts["new_head"] = len(labels)
        checkpoint = _load(init, facts)
    if part := checkpoint.config.clip_only:
        raise _not_trained(init, part)
    if checkpoint.config.sound is not None and recipe.sound is None and checkpoint.layout == "edgeshift":
        raise TrainingError(f"{init} has a sound segment, which would not be trained: add --sound")
    if checkpoint.config.backbone != backbone:
        raise TrainingError(f"{init} holds a {checkpoint.config.name}: it cannot become a {recipe.model}")
    network = checkpoint.network
    if network.config.sound is not None and recipe.sound is None:
        network = remove_sound(network)  # in other layouts, it is only the same network's second use
    has_future = checkpoint.config.bidirectional and checkpoint.config.table != "tsn"
    if checkpoint.config.table == table and has_future and not recipe.bidirectional:
        network = past_first(network)
    if table not in DIVIDED:
        chosen["div"] = DIV
    config = msgspec.structs.replace(
        network.config,
        **chosen,
        table=table,
        size=recipe.size,
        bidirectional=recipe.bidirectional,
        streamed_bidirectional=False,
    )
    start = build(config)
    start.load_state_dict(network.state_dict())
    start = _with_sound(start, recipe)
    weights = checkpoint.description.weights
    source = f"{init.name} ({checkpoint.layout}), sha256 {weights.sha256}"
    if earlier := checkpoint.training.get("start"):
        source = f"{source}, which started from {earlier}"[:2000]
    weights = msgspec.structs.replace(weights, source=source)
    description = describe_network(start.config, labels=labels, weights=weights)
    notes = tuple(note for note in checkpoint.notes if NOT_RECORDED in note)
    return Checkpoint(start, description, checkpoint.layout, notes, training=checkpoint.training)


def recipe_defaults(init: Path) -> dict[str, Any]:
    """Return the values that a run takes from a checkpoint for those fields of ``Recipe`` that the user leaves out.

    Layouts other than our own do not record these values.
    """
    checkpoint = _load(init, {})
    if checkpoint.layout != "edgeshift":
        return {}
    config, spacing = checkpoint.config, checkpoint.description.frame_spacing
    recorded = {"size": config.size, "spacing": spacing, "sound": config.sound}
    return {name: value for name, value in recorded.items() if value is not None}


def _with_sound(network: ShiftNetwork, recipe: Recipe) -> ShiftNetwork:
    """Return a network with the sound segment of the recipe, if there is one.

    A network that has a sound segment already keeps its weights: only settings without weights may change.
    """
    own = network.config.sound
    if recipe.sound is None or own == recipe.sound:
        return network
    if own is None:
        return add_sound(network, recipe.sound)
    if own.norms != recipe.sound.norms:
        raise TrainingError(
            f"the starting weights have {own.norms} batch norms for sounds, which cannot become {recipe.sound.norms}: "
            "leave --sound-norms out"
        )
    result = build(msgspec.structs.replace(network.config, sound=recipe.sound))
    result.load_state_dict(network.state_dict())
    return result


def _load(init: Path, options: LoadOptions) -> Checkpoint:
    """Load a checkpoint. Raise TrainingError if nothing tells the kind of its non-local blocks."""
    try:
        return load(init, **options)
    except UnknownKindError as error:  # its message asks for an option that training does not have
        raise _not_trained(init, "non-local blocks") from error


def _not_trained(init: Path, part: str) -> TrainingError:
    return TrainingError(f"{init} has {part}, which edgeshift does not train: start from weights without it")
