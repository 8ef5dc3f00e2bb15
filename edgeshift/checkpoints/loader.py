"""From a weights file to a network: which model it is, what it knows, and what must be said about it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgeshift.artifact.description import RuleSpec
from edgeshift.checkpoints import mit_name
from edgeshift.checkpoints.checkpoint import Checkpoint
from edgeshift.checkpoints.edgeshift_file import Meta, check_labels, own_layout, read_meta
from edgeshift.checkpoints.matching import Fit, fit
from edgeshift.checkpoints.weights_file import WeightsFile, read, refusal
from edgeshift.errors import ModelError, ShiftError
from edgeshift.models import ModelConfig, build, parse_name
from edgeshift.models.network import ShiftNetwork

#: Outputs of the head that a file without one gets, unless told: those of Jester, MobileNetV2's default here.
CLASSES = 27
#: Seed of a new head: the same arguments give the same network.
SEED = 0


def load_file(
    path: str | os.PathLike[str],
    *,
    model: str | None,
    size: int | None,
    labels: Sequence[str] | None,
    new_head: int | None,
    bidirectional: bool | None,
    stream_bidirectional: bool,
) -> Checkpoint:
    """``edgeshift.checkpoints.load``, which see."""
    asked = parse_name(model) if model is not None else None
    file = read(path)
    found, meta, ours = _record(file, head=new_head is None)
    config = _config(file, meta.config, asked, bidirectional, ours=ours)
    if stream_bidirectional and config.bidirectional:
        config = msgspec.structs.replace(config, streamed_bidirectional=True)
    if found.classes is None:
        classes = new_head or (len(labels) if labels else meta.config.classes)
        config = msgspec.structs.replace(config, classes=classes)
    if size is not None:
        config = msgspec.structs.replace(config, size=size)
    network = _network(file, config, found)
    kept = found.classes is not None
    trained = meta.trained and kept and config.table == meta.config.table
    named = _labels(file, tuple(labels) if labels is not None else meta.labels if kept else None, config)
    return Checkpoint(
        network=network,
        layout=found.layout.name,
        sha256=file.sha256,
        labels=named,
        frame_spacing=meta.frame_spacing,
        frames=meta.frames,
        consensus=meta.consensus,
        channel_order=meta.channel_order,
        fit=meta.fit,
        source=meta.source,
        license=meta.license,
        rule=_rule(meta, named) if trained else None,
        training=meta.training,
        trained=trained,
        notes=_notes(config, meta, kept=kept),
    )


def require_streamable(checkpoint: Checkpoint, path: str | os.PathLike[str]) -> Checkpoint:
    """The checkpoint itself, unless its network needs the future.

    Raises:
        CheckpointError: it does, with the choices spelled out.
    """
    if any(table.future for table in checkpoint.network.tables.values()):
        raise refusal(
            Path(path),
            f"cannot stream: it is a bi-directional {checkpoint.config.name}, which needs frames that have not been "
            "taken yet. Either train or fine-tune the past-only form and load that; or pass --stream-bidirectional, "
            "which keeps the past at its own slot and fills the future's (with zeros for TSM); accuracy drops until "
            "fine-tuned",
        )
    return checkpoint


def _record(file: WeightsFile, *, head: bool) -> tuple[Fit, Meta, bool]:
    """The tensors, what is known about them, and whether the file itself says so (it is one of ours)."""
    meta = read_meta(file)
    if meta is not None:
        config = meta.config
        found = fit(file, own_layout(config.backbone), ((config.width, config.rounding),), head=head)
        if found.classes not in (None, config.classes):
            raise file.error(
                f"its description says {config.classes} outputs, its head has {found.classes}; save it again"
            )
        return found, meta, True
    found = fit(file, head=head)
    layout = found.layout
    config = ModelConfig(
        layout.table,
        layout.backbone,
        found.classes or CLASSES,
        bidirectional=layout.bidirectional,
        width=found.width,
        rounding=found.rounding,
    )
    return found, Meta(config=config, frames=mit_name.frames(file, layout), channel_order=layout.channel_order), False


def _config(
    file: WeightsFile, recorded: ModelConfig, asked: tuple[str, str] | None, bidirectional: bool | None, *, ours: bool
) -> ModelConfig:
    """The network to build: the recorded one, or where nothing was recorded, the one asked for."""
    table, backbone = asked or (recorded.table, recorded.backbone)
    name = f"{table}_{backbone}"
    if backbone != recorded.backbone:
        raise file.error(
            f"holds a {recorded.backbone}, not a {backbone}: load it as {table}_{recorded.backbone}, not {name}"
        )
    if table == recorded.table:
        if table == "tsn" or bidirectional in (None, recorded.bidirectional):
            return recorded
        if ours:
            slots = "bi-directional" if recorded.bidirectional else "past-only"
            raise file.error(
                f"was saved as a {slots} {name}; leave bidirectional={bidirectional} out, or retrain it so"
            )
        return msgspec.structs.replace(recorded, bidirectional=bidirectional)
    if recorded.table != "tsn":
        raise file.error(
            f"was trained as {recorded.name} and would run as {name} with a wrong answer, each channel group in "
            f"another shift's slot; load it as {recorded.name}, or train {name} from weights without a shift"
        )
    return msgspec.structs.replace(recorded, table=table, bidirectional=bool(bidirectional) and table != "tsn")


def _network(file: WeightsFile, config: ModelConfig, found: Fit) -> ShiftNetwork:
    try:
        config = msgspec.convert(msgspec.to_builtins(config), ModelConfig)
    except msgspec.ValidationError as error:
        what = f"{config.name} with {config.classes} outputs and frames of {config.size} pixels"
        raise ModelError(f"cannot build {what}: {error}") from error
    try:
        network = build(config, seed=SEED)
    except ShiftError as error:
        raise file.error(f"cannot be loaded as {config.name}: {error}") from error
    # Counters that old files lack, and a new head, keep the values they were built with; `fit` found all else.
    network.backbone.load_state_dict(network.backbone.state_dict() | found.state)
    return network


def _labels(file: WeightsFile, labels: tuple[str, ...] | None, config: ModelConfig) -> tuple[str, ...] | None:
    if labels is not None:
        try:
            check_labels(labels, config.classes)
        except ValueError as error:
            raise file.error(f"cannot be loaded with these labels: {error}; give one name per output") from error
    return labels


def _rule(meta: Meta, labels: tuple[str, ...] | None) -> RuleSpec | None:
    """The file's rule; where the outputs were given other names, its label for no gesture has the new one."""
    if meta.rule is None or labels is None or meta.labels is None or labels == meta.labels:
        return meta.rule
    idle = meta.rule.idle(meta.labels)
    return msgspec.structs.replace(meta.rule, none=None if idle is None else labels[idle])


def _notes(config: ModelConfig, meta: Meta, *, kept: bool) -> tuple[str, ...]:
    notes = []
    if not kept:
        notes.append(f"the head is new, {config.classes} outputs with weights from seed {SEED}: train before use")
    if not meta.trained:
        notes.append("the file says that its weights are not trained as this model: train before use")
    if config.table != meta.config.table:
        notes.append(f"the weights were trained without a shift and have yet to learn {config.table}: train before use")
    elif config.bidirectional != meta.config.bidirectional:
        slots = "bi-directional" if config.bidirectional else "past-only"
        notes.append(f"the slots are {slots} because the caller says so: the file does not record them")
    if config.streamed_bidirectional:
        notes.append(
            "bi-directional slots made to stream: the past at its own slot, the fill in the future's; accuracy drops "
            "until fine-tuned"
        )
    if meta.channel_order == "unknown":
        notes.append("it is not documented whether the weights were trained on RGB or BGR frames")
    return tuple(notes)
