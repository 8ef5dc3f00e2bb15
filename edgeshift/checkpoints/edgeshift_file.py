"""Our own weights file: safetensors with one metadata entry, ``edgeshift``, a JSON document.

The tensors have the names of the network's backbone, which are torchvision's: other tools read them as they are.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import safetensors.torch
import torch
from msgspec import Meta as Limit

from edgeshift._system.files import atomic_write, sha256
from edgeshift.artifact.description import Name, RuleSpec, Text
from edgeshift.checkpoints.checkpoint import ChannelOrder, Consensus, Fit
from edgeshift.checkpoints.layouts import HEADS, Layout, backbone_shapes
from edgeshift.checkpoints.weights_file import WeightsFile, refusal
from edgeshift.errors import CheckpointError, EdgeshiftError, one_line
from edgeshift.models import ModelConfig
from edgeshift.models.network import ShiftNetwork

#: The metadata entry.
KEY = "edgeshift"
VERSION = 1
#: No honest metadata comes near this.
MAX_METADATA = 4 << 20

Label = Annotated[str, Limit(min_length=1, max_length=256)]


class Meta(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file says besides its tensors; the fields are those of ``Checkpoint``."""

    version: Literal[1] = 1
    config: ModelConfig
    labels: Annotated[tuple[Label, ...], Limit(max_length=100_000)] | None = None
    frame_spacing: Annotated[float, Limit(gt=0, le=3600)] | None = None
    frames: Annotated[int, Limit(ge=1, le=4096)] | None = None
    consensus: Consensus = "mean"
    channel_order: ChannelOrder = "rgb"
    trained: bool = True
    fit: Fit | None = None
    source: Annotated[str, Limit(max_length=4096)] | None = None
    license: Annotated[str, Limit(max_length=4096)] | None = None
    rule: RuleSpec | None = None
    training: Annotated[dict[Name, Text], Limit(max_length=64)] | None = None

    def __post_init__(self) -> None:
        if self.labels is not None:
            check_labels(self.labels, self.config.classes)
        for text in (self.source, self.license):
            if text is not None and not text.isprintable():
                raise ValueError(f"source or license {text!r:.80} is not one line of printable characters")
        if self.rule is not None:
            self.rule.idle(self.labels or ())
        if self.frame_spacing is not None and not math.isfinite(self.frame_spacing):
            # JSON has no such number: it would be written as null, which means "not known".
            raise ValueError(f"frame_spacing {self.frame_spacing} is not a number of seconds")


def check_labels(labels: tuple[str, ...], classes: int) -> None:
    """Raise ValueError unless there is one printable label per output: labels reach terminals."""
    if len(labels) != classes:
        raise ValueError(f"{len(labels)} labels for {classes} outputs")
    for label in labels:
        if not isinstance(label, str) or not label.isprintable() or not 1 <= len(label) <= 256:
            raise ValueError(f"label {label!r:.80} is not 1 to 256 printable characters")


def own_layout(backbone: str) -> Layout:
    """Our own layout: every tensor under our own name."""
    return Layout("edgeshift", backbone, str, (HEADS[backbone],))


def read_meta(file: WeightsFile) -> Meta | None:
    """What an edgeshift file says about itself; None: the file is not one of ours.

    Raises:
        CheckpointError: metadata over its limit, of another version, or not valid; one line.
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
        return _decode(text.encode())
    except CheckpointError:
        raise
    except (msgspec.MsgspecError, EdgeshiftError, ValueError, RecursionError) as error:
        raise file.error(f"its description is not valid: {one_line(error)}; save it again") from error


def write(
    path: str | os.PathLike[str],
    network: ShiftNetwork,
    *,
    labels: tuple[str, ...] | None,
    frame_spacing: float | None,
    frames: int | None,
    consensus: Consensus,
    channel_order: ChannelOrder,
    trained: bool,
    fit: Fit | None = None,
    source: str | None = None,
    license: str | None = None,
    rule: RuleSpec | None = None,
    training: dict[str, str] | None = None,
    half: bool = False,
) -> str:
    """``edgeshift.checkpoints.save``, which see."""
    path = Path(path)
    config = network.config
    try:
        # What is written must read back: the limits are checked by the same code that reads.
        meta = Meta(
            config=config,
            labels=labels,
            frame_spacing=frame_spacing,
            frames=frames,
            consensus=consensus,
            channel_order=channel_order,
            trained=trained,
            fit=fit,
            source=source,
            license=license,
            rule=rule,
            training=training,
        )
        description = msgspec.json.encode(meta)
        _decode(description)
    except (msgspec.MsgspecError, EdgeshiftError, TypeError, ValueError) as error:
        raise refusal(path, f"cannot be saved: {one_line(error)}") from error
    tensors = {}
    expected = backbone_shapes(config.backbone, config.width, config.rounding)
    state = network.backbone.state_dict()
    if set(state) != set(expected):
        odd = next(iter(sorted(set(state) ^ set(expected))))
        raise refusal(
            path, f"cannot be saved: {odd} sets it apart from a {config.name}; save the network it was made from"
        )
    for name, tensor in state.items():
        tensor = tensor.detach().cpu()
        if tensor.is_floating_point():
            tensor = tensor.float()
            if not bool(torch.isfinite(tensor).all()):
                raise refusal(path, f"cannot be saved: {name} holds NaN or infinity; the training failed")
            # float16 holds a convolution's weights well enough; variances may be too small for it.
            tensor = tensor.half() if half and tensor.ndim > 1 else tensor
        tensors[name] = tensor.contiguous()
    data = safetensors.torch.save(tensors, {KEY: description.decode()})
    try:
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise refusal(path, f"cannot be written: {one_line(error)}") from error
    return sha256(data)


class _Versioned(msgspec.Struct):
    version: int


def _decode(text: bytes) -> Meta:
    if len(text) > MAX_METADATA:
        raise ValueError(f"its description is {len(text):,} bytes; the limit is {MAX_METADATA:,}")
    return msgspec.json.decode(text, type=Meta)
