"""edgeshift's own weights file: safetensors with one metadata entry, ``edgeshift``, which is a JSON object.

The tensors have the names of our backbones. These are torchvision's names, so that other tools can use the file.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import safetensors.torch
import torch
from msgspec import Meta
from torch import Tensor

from edgeshift._system.files import atomic_write, sha256
from edgeshift.artifact.description import (
    ClipFrames,
    Consensus,
    FrameSpacing,
    Logits,
    ModelDescription,
    Name,
    Notes,
    RuleSpec,
    Text,
    check_labels,
    describe_network,
    numbered_labels,
)
from edgeshift.checkpoints.layouts import HEADS, ChannelOrder, Layout, backbone_shapes
from edgeshift.checkpoints.weights_file import WeightsFile, refusal
from edgeshift.errors import CheckpointError, EdgeshiftError, one_line
from edgeshift.models import ModelConfig
from edgeshift.models.network import ShiftNetwork

#: Name of the metadata entry.
KEY = "edgeshift"
VERSION = 1
#: Largest metadata entry that is read or written, bytes.
MAX_METADATA = 4 << 20


class Metadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The metadata of a file: the facts of ``ModelDescription`` in one flat object. All but ``config`` are optional.

    For a file of another layout, the loader makes such a record from the names of the file and of its tensors.
    """

    version: Literal[1] = 1
    config: ModelConfig
    labels: Annotated[tuple[str, ...], Meta(max_length=100_000)] | None = None
    frame_spacing: FrameSpacing | None = None
    frames: ClipFrames | None = None
    consensus: Consensus = "mean"
    channel_order: ChannelOrder = "rgb"
    trained: bool = True
    fit: Literal["squash", "crop"] | None = None
    source: Text | None = None
    license: Text | None = None
    rule: RuleSpec | None = None
    quiet: Logits | None = None
    notes: Notes = ()
    training: Annotated[dict[Name, Text], Meta(max_length=64)] | None = None

    def __post_init__(self) -> None:
        if self.labels is not None:
            check_labels(self.labels, self.config.classes)
        if self.rule is not None:
            self.rule.silent_indices(self.labels or ())
        if self.quiet is not None and len(self.quiet) != self.config.classes:
            raise ValueError(f"{len(self.quiet)} logits of a quiet room for {self.config.classes} outputs")
        if self.frame_spacing is not None and not math.isfinite(self.frame_spacing):
            # JSON has no NaN: it would be written as null, which means "not known".
            raise ValueError(f"frame_spacing {self.frame_spacing} is not a number of seconds")


def own_layout(config: ModelConfig) -> Layout:
    """Return the layout of our own files, in which every tensor has the name that it has in the backbone."""
    return Layout("edgeshift", config, str, (HEADS[config.backbone],))


def read_metadata(file: WeightsFile) -> Metadata | None:
    """Return the metadata of one of our own files; None: the file has another layout.

    Raises:
        CheckpointError: the metadata are too large, have another version, or are not valid.
    """
    text = file.metadata.get(KEY)
    if text is None:
        return None
    if len(text) > MAX_METADATA:
        raise file.error(f"its description is {len(text):,} characters; the limit is {MAX_METADATA:,}")
    try:
        version = msgspec.json.decode(text, type=_Versioned).version
        if version != VERSION:
            raise file.error(
                f"its description has version {version}, this edgeshift reads version {VERSION}; update edgeshift"
            )
        return msgspec.json.decode(text, type=Metadata)
    except CheckpointError:
        raise
    except (msgspec.MsgspecError, EdgeshiftError, ValueError, RecursionError) as error:
        raise file.error(f"its description is not valid: {one_line(error)}; save it again") from error


def save_file(
    path: str | os.PathLike[str],
    network: ShiftNetwork,
    description: ModelDescription | None,
    facts: dict[str, Any],
    *,
    training: dict[str, str],
    half: bool,
) -> str:
    """Write a file; see ``edgeshift.checkpoints.save``."""
    path = Path(path)
    try:
        metadata = _encode(network.config, description, facts, training)
    except (msgspec.MsgspecError, EdgeshiftError, TypeError, ValueError) as error:
        raise refusal(path, f"cannot be saved: {one_line(error)}") from error
    data = safetensors.torch.save(_tensors(path, network, half=half), {KEY: metadata})
    try:
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise refusal(path, f"cannot be written: {one_line(error)}") from error
    return sha256(data)


def _encode(
    config: ModelConfig, description: ModelDescription | None, facts: dict[str, Any], training: dict[str, str]
) -> str:
    if "labels" in facts:
        check_labels(facts["labels"], config.classes)
    if description is None:
        description = describe_network(config, **facts)
    else:
        description = msgspec.structs.replace(description, **facts)
    frame, weights = description.frame, description.weights
    if (frame.height, frame.width) != (config.size, config.size):
        raise ValueError(f"frames of {frame.width}x{frame.height} pixels for a network of {config.size}x{config.size}")
    unnamed = description.rule is None and tuple(description.labels) == numbered_labels(config.classes)
    metadata = Metadata(
        config=config,
        labels=None if unnamed else description.labels,
        frame_spacing=description.frame_spacing,
        frames=description.clip_frames,
        consensus=description.consensus,
        channel_order=frame.order,
        trained=weights.trained,
        fit=frame.fit,
        source=weights.source or None,
        license=weights.license,
        rule=description.rule,
        quiet=description.quiet,
        notes=description.notes,
        training=training or None,
    )
    data = msgspec.json.encode(metadata)
    if len(data) > MAX_METADATA:
        raise ValueError(f"its description is {len(data):,} bytes; the limit is {MAX_METADATA:,}")
    msgspec.json.decode(data, type=Metadata)  # checks the limits: every file that is written can be read back
    return data.decode()


def _tensors(path: Path, network: ShiftNetwork, *, half: bool) -> dict[str, Tensor]:
    config = network.config
    state = network.backbone.state_dict()
    shapes = backbone_shapes(config.backbone, config.width, config.rounding, config.non_local, config.sound)
    different = set(state) ^ set(shapes)
    if different:
        raise refusal(
            path,
            f"cannot be saved: tensor {min(different)} is missing or is not a part of {config.name}; save the network "
            "before it is deployed",
        )
    tensors = {}
    for name, tensor in state.items():
        tensor = tensor.detach().cpu()
        if tensor.is_floating_point():
            tensor = tensor.float()
            if not bool(torch.isfinite(tensor).all()):
                raise refusal(path, f"cannot be saved: {name} holds NaN or infinity; the training failed")
            # float16 is precise enough for a convolution's weights; the variances of batch norms may underflow in it.
            tensor = tensor.half() if half and tensor.ndim > 1 else tensor
        tensors[name] = tensor.contiguous()
    return tensors


class _Versioned(msgspec.Struct):
    version: int
