"""What is known about a checkpoint, and how it can be converted, for people who look at the file first."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from edgeshift.artifact.description import ModelDescription, numbered_labels
from edgeshift.checkpoints.checkpoint import Checkpoint
from edgeshift.models import ModelConfig
from edgeshift.models.config import NonLocalKind


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way to use a checkpoint.

    Attributes:
        command: the command line after ``edgeshift``.
        remark: when to choose this way, and what it costs; empty: nothing.
    """

    command: tuple[str, ...]
    remark: str = ""


class PlaceShift(msgspec.Struct, frozen=True, kw_only=True):
    """The shift at one place in the network: how many of its channels come from which frame.

    Attributes:
        place: name of the place.
        channels: number of channels.
        slots: {frame: number of channels}. "-1" is the previous frame; "0" are channels that move within the frame;
            "never" are channels of a frame that does not exist, which hold the fill.
    """

    place: str
    channels: int
    slots: dict[str, int]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint.

    Attributes:
        kind: "checkpoint".
        file, bytes, sha256: name, size and hash of the file.
        layout: name of the layout.
        model: the network.
        parameters: number of weights of the network.
        description: labels, frames, frame spacing, event rule and origin.
        labels_known: whether the labels have names.
        shifts: the shift at each place; empty: no shift.
        training: how the weights were trained.
        left_out: names of tensors and of sets of weights in the file that are not used.
        notes: warnings about the network.
        missing: {option of convert: what it tells} for facts that the file does not record.
        ways: how the checkpoint can be used, the recommended way first.
        unused: {option that was given and changed nothing: why}.
    """

    kind: str = "checkpoint"
    file: str
    bytes: int
    sha256: str | None
    layout: str
    model: ModelConfig
    parameters: int
    description: ModelDescription
    labels_known: bool
    shifts: tuple[PlaceShift, ...]
    training: dict[str, str]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    missing: dict[str, str]
    ways: tuple[Way, ...]
    unused: dict[str, str]


def summarize(path: str | os.PathLike[str], *, non_local: NonLocalKind | None = None) -> Summary:
    """Read a checkpoint and return what is known about it. Nothing in the file is executed.

    Args:
        path: the file.
        non_local: the kind of its non-local blocks, if the file does not record it.

    Raises:
        CheckpointError, RuntimeMissingError: as ``edgeshift.checkpoints.load``.
    """
    from edgeshift.checkpoints import load

    path = Path(path)
    checkpoint = load(path, non_local=non_local)
    description, config = checkpoint.description, checkpoint.config
    return Summary(
        file=str(path),
        bytes=path.stat().st_size,
        sha256=description.weights.sha256,
        layout=checkpoint.layout,
        model=config,
        parameters=sum(parameter.numel() for parameter in checkpoint.network.parameters()),
        description=description,
        labels_known=description.labels != numbered_labels(config.classes),
        shifts=_shifts(checkpoint),
        training=dict(checkpoint.training),
        left_out=checkpoint.left_out,
        notes=checkpoint.notes,
        missing=_missing(checkpoint),
        ways=_ways(checkpoint, str(path)),
        unused=dict(checkpoint.unused),
    )


def _shifts(checkpoint: Checkpoint) -> tuple[PlaceShift, ...]:
    shifts = []
    for place, table in checkpoint.network.tables.items():
        slots: dict[str, int] = {}
        for row in table.rows:
            name = "never" if row.dt is None else f"{-row.dt:+d}" if row.dt else "0"
            slots[name] = slots.get(name, 0) + row.stop - row.start
        if slots:
            shifts.append(PlaceShift(place=place, channels=table.channels, slots=slots))
    return tuple(shifts)


def _missing(checkpoint: Checkpoint) -> dict[str, str]:
    """Return {option: what it tells} for facts that the file does not record and that conversion needs."""
    description, classes = checkpoint.description, checkpoint.config.classes
    missing = {}
    if description.labels == numbered_labels(classes):
        missing["--labels"] = f"a text file with {classes} lines, the names of the outputs"
    if description.frame_spacing is None:
        missing["--frame-spacing"] = "the seconds between two frames in training; otherwise every frame is fed"
    if any("RGB or BGR" in note for note in checkpoint.notes):
        missing["--order"] = "rgb or bgr, the channel order of the frames in training; rgb is assumed"
    for option, name in (("--shift-div", "shift divisor"), ("--depth", "depth K")):
        if any(f"does not record the {name}: " in note for note in checkpoint.notes):
            missing[option] = f"the {name} in training; with another one the answers are wrong"
    if description.rule is None:
        missing["--rule"] = "the event rule, chosen by edgeshift rule; otherwise a default rule is used"
    return missing


def _ways(checkpoint: Checkpoint, path: str) -> tuple[Way, ...]:
    config, description = checkpoint.config, checkpoint.description
    trained = description.weights.trained
    convert: Any = ("convert", "--target", "tflite", "--weights", path)
    sound, remark = config.sound, ""
    if sound is not None and sound.norms == "separate":
        sound, convert = None, (*convert, "--without-sound")
        remark = "for frames alone, because its sounds have their own batch norms, which no target has a graph for"
    if sound is not None and not sound.cut:
        convert = (*convert, "--precision", "fp16")  # int8, the default, cannot hold these pictures of sounds
    elif not checkpoint.drawn:  # int8 needs videos
        convert = (*convert, "--calibration", "VIDEOS", *(("--sounds", "SOUNDS") if sound else ()))
    past_only = f"{config.table}_{config.backbone}"
    shifting = past_only if config.table != "tsn" else f"{'tsam' if config.sound else 'tsm'}_{config.backbone}"
    hearing = ("--sound",) if config.sound else ()
    fine_tune: Any = ("train", past_only, *hearing, "--init", path, "--data", "DIR", "--out", "RUN")
    if not trained:
        fine_tune = ("train", shifting, *fine_tune[2:])
        return (Way(command=fine_tune, remark="the network is not trained as it is; train it first"),)
    clip: Any = (*convert, "--mode", "clip", "--frames", str(checkpoint.clip_mode_frames))
    if config.clip_only:
        return (Way(command=clip, remark=f"the only way, because of its {config.clip_only}"),)
    if any(table.future for table in checkpoint.network.tables.values()):
        ways = [
            Way(command=fine_tune, remark="recommended: fine-tune the past-only form"),
            Way(
                command=clip,
                remark="without training, with the accuracy of these weights; each answer costs the time of all frames",
            ),
            Way(
                command=(*convert, "--stream-bidirectional"),
                remark="without training: the fill (zeros for TSM) in place of future frames; accuracy drops",
            ),
        ]
        if checkpoint.layout != "edgeshift":  # files of other layouts do not record the slots
            remark = "only if you know that the weights were trained past-only; the tensors do not show it"
            ways.append(Way(command=(*convert, "--past-only"), remark=remark))
        return tuple(ways)
    if config.table == "tsn":
        shifted: Any = ("train", shifting, *fine_tune[2:])
        return (
            Way(command=shifted, remark="recommended: the weights have no shift; train a shift model from them"),
            Way(command=convert, remark="as they are: each frame is classified on its own"),
        )
    return (Way(command=convert, remark=remark),)
