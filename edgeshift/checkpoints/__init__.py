"""Weights of shift models: any public layout in, our own safetensors in and out. Importing this needs no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edgeshift.checkpoints.checkpoint import ChannelOrder, Checkpoint, Consensus, Fit
from edgeshift.errors import missing

if TYPE_CHECKING:
    from edgeshift.artifact.description import RuleSpec
    from edgeshift.models.network import ShiftNetwork

__all__ = ["ChannelOrder", "Checkpoint", "Consensus", "Fit", "load", "load_for_streaming", "save"]


def load(
    path: str | os.PathLike[str],
    *,
    model: str | None = None,
    size: int | None = None,
    labels: Sequence[str] | None = None,
    new_head: int | None = None,
    bidirectional: bool | None = None,
    stream_bidirectional: bool = False,
) -> Checkpoint:
    """Read a weights file; its layout is recognised by the names of its tensors (``docs/guide/checkpoints.md`` lists them).

    All of the file's tensors are used, or none: a missing, unexpected or mis-shaped one is an error. Nothing in the
    file is executed.

    Args:
        path: a ``torch.save`` file, zip or legacy, or safetensors; at most 2 GiB.
        model: a registry name such as ``tsm_mobilenet_v2``; None: what the layout says. Weights that were trained
            with a shift load only as that shift; weights trained without one load as any.
        size: height and width of the frames the network is to run on, pixels; None: the file's, or 224.
        labels: names of the outputs; None: the file's, if it has any.
        new_head: leave the file's head out and put an untrained one with this many outputs in its place.
        bidirectional: the slots the weights were trained with. None: what the file or the layout says; where
            neither does (weights trained without a shift), past-only.
        stream_bidirectional: make bi-directional weights streamable: the past stays at its own slot and the fill
            (zeros for TSM) stands in the future's. Past-only weights are not changed.

    Raises:
        CheckpointError: a file that cannot be read, is damaged, fits no layout, or contradicts the arguments.
        ModelError: an unknown ``model``, or a size it cannot take.
        RuntimeMissingError: torch or safetensors is not installed.
    """
    _require()
    from edgeshift.checkpoints.loader import load_file

    return load_file(
        path,
        model=model,
        size=size,
        labels=labels,
        new_head=new_head,
        bidirectional=bidirectional,
        stream_bidirectional=stream_bidirectional,
    )


def load_for_streaming(
    path: str | os.PathLike[str],
    *,
    model: str | None = None,
    size: int | None = None,
    labels: Sequence[str] | None = None,
    new_head: int | None = None,
    bidirectional: bool | None = None,
    stream_bidirectional: bool = False,
) -> Checkpoint:
    """``load``, and refuse weights that need the future unless ``stream_bidirectional`` says what to do about it.

    Raises:
        CheckpointError: as ``load``; also bi-directional weights, with the choices spelled out.
    """
    _require()
    from edgeshift.checkpoints.loader import load_file, require_streamable

    return require_streamable(
        load_file(
            path,
            model=model,
            size=size,
            labels=labels,
            new_head=new_head,
            bidirectional=bidirectional,
            stream_bidirectional=stream_bidirectional,
        ),
        path,
    )


def save(
    path: str | os.PathLike[str],
    network: ShiftNetwork,
    *,
    labels: Sequence[str] | None = None,
    frame_spacing: float | None = None,
    frames: int | None = None,
    consensus: Consensus = "mean",
    channel_order: ChannelOrder = "rgb",
    trained: bool = True,
    fit: Fit | None = None,
    source: str | None = None,
    license: str | None = None,
    rule: RuleSpec | None = None,
    training: Mapping[str, str] | None = None,
    half: bool = False,
) -> str:
    """Write our own safetensors: the weights, and what is needed to build and run the network again.

    The file appears under its name only when it is whole. The same arguments give the same bytes.

    Args:
        path: where to; a file that is there is replaced.
        network: a network of trainable form (a deployed, folded one cannot be trained on or converted again).
        labels: one printable name per output.
        frame_spacing: seconds between the frames of a training clip.
        frames: frames of a training clip.
        consensus: how the logits of a clip's frames became one answer in training.
        channel_order: of the frames it was trained on.
        fit: how its frames were fitted. source, license: where the weights come from, and on what terms.
        trained: False for weights that have not been trained as this network.
        rule: how a stream of its answers becomes events.
        training: how it was trained, {what: in words}, up to 64 entries: data and their hash, seed, versions.

        half: store weights as float16, at half the size; batch norms stay float32. They are read back as float32.

    Returns:
        The file's SHA-256, as ``load`` reports it.

    Raises:
        CheckpointError: labels, numbers, a rule or words that do not fit, weights that are not finite, a file that
            cannot be written.
        RuntimeMissingError: torch or safetensors is not installed.
    """
    _require()
    from edgeshift.checkpoints.edgeshift_file import write

    return write(
        path,
        network,
        labels=None if labels is None else tuple(labels),
        frame_spacing=frame_spacing,
        frames=frames,
        consensus=consensus,
        channel_order=channel_order,
        trained=trained,
        fit=fit,
        source=source,
        license=license,
        rule=rule,
        training=None if training is None else dict(training),
        half=half,
    )


def _require() -> None:
    for package in ("torch", "safetensors"):
        try:
            __import__(package)
        except ImportError as error:
            raise missing(package, "convert", "reading or writing weights") from error
