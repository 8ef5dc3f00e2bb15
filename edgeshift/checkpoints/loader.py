"""Turn a weights file into a checkpoint: choose the network, load its weights, and collect the known facts."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from edgeshift._system.text import printable
from edgeshift.artifact.description import ModelDescription, RuleSpec, WeightsSpec, check_labels, numbered_labels
from edgeshift.checkpoints.checkpoint import Checkpoint, LoadOptions
from edgeshift.checkpoints.edgeshift_file import Metadata
from edgeshift.checkpoints.matching import Match
from edgeshift.checkpoints.record import read_record
from edgeshift.checkpoints.variant import choose_variant
from edgeshift.checkpoints.weights_file import WeightsFile, quote, read, refusal
from edgeshift.errors import ModelError, ShiftError
from edgeshift.models import ModelConfig, build, parse_name
from edgeshift.models.network import ShiftNetwork
from edgeshift.shift import bidirectional_ways
from edgeshift.video.fit import FrameSpec

#: Seed of a new head. It is fixed, so that the same options give the same network.
SEED = 0


def load_file(path: str | os.PathLike[str], options: LoadOptions) -> Checkpoint:
    """Read a weights file; see ``edgeshift.checkpoints.load``."""
    model, labels, size = options.get("model"), options.get("labels"), options.get("size")
    requested = parse_name(model) if model is not None else None
    file = read(path)
    record = read_record(file, head=options.get("new_head") is None)
    match, recorded = record.match, record.facts
    config = _choose_config(file, recorded.config, requested, options.get("bidirectional"), own_file=record.own_file)
    variant = choose_variant(file, match.layout, recorded.config, config, record.known, options)
    config = variant.config
    if options.get("stream_bidirectional") and config.bidirectional:
        config = msgspec.structs.replace(config, streamed_bidirectional=True)
    if match.classes is None:
        classes = options.get("new_head") or (len(labels) if labels else recorded.config.classes)
        config = msgspec.structs.replace(config, classes=classes)
    if size is not None:
        config = msgspec.structs.replace(config, size=size)
    network = _build(file, config, match)
    return Checkpoint(
        network,
        _describe(file, match, recorded, config, options),
        match.layout.name,
        (
            *_left_out(file, match),
            *_notes(config, recorded, has_head=match.classes is not None),
            *variant.notes,
            *record.notes,
            *recorded.notes,
        ),
        recorded.training or {},
        (*file.left_out, *match.companions),
        _unused(recorded.config, config, options) | dict(variant.unused),
    )


def require_streamable(checkpoint: Checkpoint, path: str | os.PathLike[str]) -> Checkpoint:
    """Return the checkpoint, unless its network needs future frames.

    Raises:
        CheckpointError: the network needs future frames. The message names the choices.
    """
    if part := checkpoint.config.clip_only:
        raise refusal(
            Path(path),
            f"cannot stream one frame at a time because of its {part}: convert it with --mode clip",
        )
    if any(table.future for table in checkpoint.network.tables.values()):
        raise refusal(
            Path(path),
            f"cannot stream: it is a bi-directional {checkpoint.config.name}, which needs future frames. "
            + bidirectional_ways(own_code=checkpoint.config.adopted),
        )
    return checkpoint


def _choose_config(
    file: WeightsFile,
    recorded: ModelConfig,
    requested: tuple[str, str] | None,
    bidirectional: bool | None,
    *,
    own_file: bool,
) -> ModelConfig:
    """Return the recorded network, or the requested one if the weights were trained without a shift."""
    table, backbone = requested or (recorded.table, recorded.backbone)
    name = f"{table}_{backbone}"
    if backbone != recorded.backbone:
        raise file.error(
            f"holds a {recorded.backbone}, not a {backbone}: load it as {table}_{recorded.backbone}, not {name}"
        )
    if table == recorded.table:
        if table == "tsn" or bidirectional in (None, recorded.bidirectional):
            return recorded
        if own_file:
            slots = "bi-directional" if recorded.bidirectional else "past-only"
            raise file.error(f"was saved as a {slots} {name}; leave bidirectional={bidirectional} out, or retrain it")
        return msgspec.structs.replace(recorded, bidirectional=bidirectional)
    if recorded.table != "tsn":
        raise file.error(
            f"was trained as {recorded.name} and would give wrong answers as {name}, because {name} shifts other "
            f"channels; load it as {recorded.name}, or train {name} from weights without a shift"
        )
    return msgspec.structs.replace(recorded, table=table, bidirectional=bool(bidirectional) and table != "tsn")


def _build(file: WeightsFile, config: ModelConfig, match: Match) -> ShiftNetwork:
    try:
        config = msgspec.convert(msgspec.to_builtins(config), ModelConfig)  # checks the ranges of replaced fields
    except msgspec.ValidationError as error:
        wanted = f"{config.name} with {config.classes} outputs and frames of {config.size} pixels"
        raise ModelError(f"cannot build {wanted}: {error}") from error
    try:
        network = build(config, seed=SEED)
    except ShiftError as error:
        raise file.error(f"cannot be loaded as {config.name}: {error}") from error
    # A new head, and the batch counters that old files lack, keep the values they were built with. Every other tensor
    # is in the match.
    network.backbone.load_state_dict(network.backbone.state_dict() | match.state)
    return network


def _describe(
    file: WeightsFile, match: Match, recorded: Metadata, config: ModelConfig, options: LoadOptions
) -> ModelDescription:
    """Return the description. Each fact is taken from the options, or else from the file, or else from a default."""
    has_head = match.classes is not None
    trained = recorded.trained and has_head and config.table == recorded.config.table
    labels = _labels(file, recorded if has_head else None, config, options)
    return ModelDescription(
        labels=labels,
        frame=FrameSpec(
            config.size,
            config.size,
            fit=options.get("fit") or recorded.fit or "crop",
            order=options.get("order") or ("bgr" if recorded.channel_order == "bgr" else "rgb"),
        ),
        weights=WeightsSpec(
            source=recorded.source or f"{printable(file.path.name)} ({match.layout.name})",
            sha256=file.sha256,
            trained=trained,
            license=recorded.license,
        ),
        frame_spacing=options.get("frame_spacing") or recorded.frame_spacing,
        clip_frames=recorded.frames,
        consensus=recorded.consensus,
        rule=_rule(recorded, labels) if trained else None,
        quiet=recorded.quiet if has_head and config.sound is not None else None,
        notes=recorded.notes,
    )


def _labels(file: WeightsFile, recorded: Metadata | None, config: ModelConfig, options: LoadOptions) -> tuple[str, ...]:
    labels = options.get("labels")
    if labels is None:
        return (recorded.labels if recorded is not None else None) or numbered_labels(config.classes)
    try:
        check_labels(labels, config.classes)
    except ValueError as error:
        raise file.error(f"cannot be loaded with these labels: {error}; give one name per output") from error
    return tuple(labels)


def _rule(recorded: Metadata, labels: tuple[str, ...]) -> RuleSpec | None:
    """Return the event rule of the file. If the outputs were renamed, so are the rule's labels."""
    if recorded.rule is None or recorded.labels is None or labels == recorded.labels:
        return recorded.rule
    idle = recorded.rule.no_gesture_index(recorded.labels)
    silent = tuple(labels[recorded.labels.index(label)] for label in recorded.rule.silent)
    return msgspec.structs.replace(recorded.rule, none=None if idle is None else labels[idle], silent=silent)


def _unused(recorded: ModelConfig, config: ModelConfig, options: LoadOptions) -> dict[str, str]:
    """Return the options about slots that were given and changed nothing, with the reason."""
    requested, unused = options.get("bidirectional"), {}
    slots = "bi-directional" if recorded.bidirectional else "past-only"
    if config.table == "tsn":
        slots = "not shifted"
    if (
        requested is not None
        and config.table == recorded.table
        and (config.table == "tsn" or requested == recorded.bidirectional)
    ):
        unused["bidirectional"] = f"the file is recognised as {slots} without it"
    if options.get("stream_bidirectional") and not config.streamed_bidirectional:
        unused["stream_bidirectional"] = f"the network is {slots if requested is None else 'past-only'}"
    return unused


def _left_out(file: WeightsFile, match: Match) -> tuple[str, ...]:
    """Return a note about tensors in the file that are not part of the network."""
    names = [*file.left_out, *match.companions]
    listed = ", ".join(quote(name) for name in names[:3]) + (", ..." if len(names) > 3 else "")
    return (f"weights in the file that are not used: {listed} ({len(names)})",) if names else ()


def _notes(config: ModelConfig, recorded: Metadata, *, has_head: bool) -> tuple[str, ...]:
    notes = []
    if not has_head:
        notes.append(f"the head is new, {config.classes} outputs with weights from seed {SEED}: train before use")
    if not recorded.trained:
        notes.append("the file says that its weights were not trained as this model: train before use")
    if config.table != recorded.config.table:
        notes.append(f"the weights were trained without a shift, not as {config.table}: train before use")
    elif config.bidirectional != recorded.config.bidirectional:
        slots = "bi-directional" if config.bidirectional else "past-only"
        notes.append(f"the slots are taken as {slots}, as requested: the file does not record them")
    if config.streamed_bidirectional:
        notes.append(
            "bi-directional weights are streamed: the past is in its own slot, and the fill in the slot of the future; "
            "accuracy drops until the network is fine-tuned"
        )
    if recorded.channel_order == "unknown":
        notes.append(
            "it is not documented whether the weights were trained on RGB or BGR frames: RGB is assumed; try BGR if "
            "accuracy is low"
        )
    return tuple(notes)
