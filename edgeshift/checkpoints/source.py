"""The network that is converted if no weights file is given: one with shipped weights, or an untrained one."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np

from edgeshift._system.files import sha256
from edgeshift.artifact.description import WeightsSpec, describe_network
from edgeshift.checkpoints.checkpoint import Checkpoint
from edgeshift.errors import ModelError, one_line
from edgeshift.video.fit import FrameSpec

#: The model that `edgeshift convert` takes by default, and the frame size of an untrained network, pixels.
DEFAULT_MODEL, DEFAULT_SIZE = "tsm_mobilenet_v2", 112
UNTRAINED_WEIGHTS = "untrained: random weights from a fixed seed"


def default_source(
    model: str = DEFAULT_MODEL, *, size: int | None = None, width: float | None = None, depth: int | None = None
) -> Checkpoint:
    """Return the network with the weights that ship with edgeshift, or untrained if none ship for this model.

    Args:
        model: a registry name.
        size: height and width of the frames, pixels; None: the size that the weights were trained at.
        width: MobileNetV2's width multiplier of an untrained network. Shipped weights are not used if it is given.
        depth: TSAM's K of an untrained network. Shipped weights are not used if it is given.

    Raises:
        ModelError, ShiftError: the name is unknown, or the network cannot have this size or width.
    """
    from edgeshift.checkpoints import load_for_streaming
    from edgeshift.weights import shipped

    path = shipped(model)
    if path is None or width is not None or depth is not None:
        return untrained_source(model, size=size or DEFAULT_SIZE, width=width or 1.0, depth=depth or 2)
    source = load_for_streaming(path)
    trained = source.config.size
    if size in (None, trained):
        return source
    source = load_for_streaming(path, size=size)
    note = f"the shipped {model} was trained at {trained}x{trained}; its accuracy at {size}x{size} was not measured"
    return replace(source, notes=(*source.notes, note))


def untrained_source(
    model: str = DEFAULT_MODEL, *, size: int = DEFAULT_SIZE, width: float = 1.0, depth: int = 2
) -> Checkpoint:
    """Return an untrained network with the labels of the drawn gestures. It can be converted, but recognises nothing.

    Args:
        model: a registry name.
        size: height and width of the frames, pixels.
        width: MobileNetV2's width multiplier.
        depth: TSAM's K.

    Raises:
        ModelError, ShiftError: the name is unknown, or the network cannot have this size or width.
    """
    return untrained_variant(model, size=size, width=width, depth=depth)


def untrained_variant(model: str, **fields: object) -> Checkpoint:
    """Return an untrained network, as ``untrained_source`` does, with any fields of its ``ModelConfig``.

    Args:
        model: a registry name.
        fields: fields of ``ModelConfig``, as values or as text: ``size=112, place="block", div="4"``.

    Raises:
        ModelError: there is no such name or field, or a value is not possible.
        ShiftError: a shift table does not fit the network.
    """
    import torch

    from edgeshift._system.threads import one_thread
    from edgeshift.gestures import LABELS
    from edgeshift.gestures.fitted_clips import drawn_clips
    from edgeshift.models import ModelConfig, parse_name
    from edgeshift.models.untrained import initial_network

    table, backbone = parse_name(model)
    given = {"table": table, "backbone": backbone, "classes": len(LABELS), **fields}
    try:
        config = msgspec.convert(given, ModelConfig, strict=False)
    except msgspec.ValidationError as error:
        values = ", ".join(f"{name}={value}" for name, value in fields.items())
        raise ModelError(f"{model} with {values}: {one_line(error)}") from error
    size = config.size
    # Larger clips would take more memory and hardly change the statistics of the batch norms.
    clip_size = min(size, 224)
    clips = np.stack(drawn_clips(FrameSpec(clip_size, clip_size), len(LABELS), seed=5).frames)
    with one_thread():
        network = initial_network(config, torch.from_numpy(clips).permute(0, 1, 4, 2, 3).float())
    digest = sha256(b"".join(tensor.numpy().tobytes() for tensor in network.state_dict().values()))
    description = describe_network(
        config,
        labels=LABELS,
        frame=FrameSpec(size, size),
        weights=WeightsSpec(source=UNTRAINED_WEIGHTS, sha256=digest, trained=False),
        clip_frames=clips.shape[1],
    )
    return Checkpoint(network, description, "untrained")
