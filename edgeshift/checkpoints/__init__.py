"""Weights of shift models. They are read from any known layout, and written as edgeshift's own safetensors file.

Importing this package needs no torch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgeshift.checkpoints.checkpoint import Checkpoint, LoadOptions
from edgeshift.errors import missing

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from edgeshift.artifact.description import ModelDescription
    from edgeshift.models.network import ShiftNetwork

__all__ = ["Checkpoint", "LoadOptions", "load", "load_for_streaming", "require_packages", "save"]


def load(path: str | os.PathLike[str], **options: Unpack[LoadOptions]) -> Checkpoint:
    """Read a weights file. Its layout is recognised by the names of its tensors (see ``docs/guide/checkpoints.md``).

    A missing, unexpected or mis-shaped tensor is an error. Tensors that training stores beside the network, such as
    moving averages, are left out, and a note says so. Nothing in the file is executed.

    Args:
        path: a ``torch.save`` file, zip or legacy, or a safetensors file; at most 2 GiB.
        options: facts that the file does not record, or that replace recorded ones; see ``LoadOptions``. For example
            ``load("weights.pth", model="tsm_mobilenet_v2", new_head=10)``.

    Raises:
        CheckpointError: the file cannot be read, is damaged, has no known layout, or contradicts the options.
        ModelError: ``model`` is unknown, or does not support frames of ``size``.
        RuntimeMissingError: torch or safetensors is not installed.
    """
    require_packages("reading or writing weights")
    from edgeshift.checkpoints.loader import load_file

    return load_file(path, options)


def load_for_streaming(path: str | os.PathLike[str], **options: Unpack[LoadOptions]) -> Checkpoint:
    """Read a weights file as ``load`` does, and refuse bi-directional weights unless ``stream_bidirectional`` is True.

    Raises:
        CheckpointError: the weights are bi-directional (the message names the choices), or ``load`` fails.
        ModelError, RuntimeMissingError: ``load`` fails.
    """
    checkpoint = load(path, **options)
    from edgeshift.checkpoints.loader import require_streamable

    return require_streamable(checkpoint, path)


def save(
    path: str | os.PathLike[str],
    network: ShiftNetwork,
    description: ModelDescription | None = None,
    *,
    training: Mapping[str, str] | None = None,
    half: bool = False,
    **facts: Any,
) -> str:
    """Write edgeshift's own safetensors file: the weights, and all facts that are needed to build and run the network.

    The file gets its final name only when it is complete. The same arguments give the same bytes. Examples::

        save("gestures.safetensors", network, labels=["left", "right", "none"], frame_spacing=0.25)
        save("copy.safetensors", checkpoint.network, checkpoint.description, training=checkpoint.training)

    Args:
        path: the file to write; an existing one is replaced.
        network: a network that can be trained. A deployed network, with folded batch norms, cannot be saved.
        description: what is known about the weights; None: only ``facts``.
        training: how the weights were trained, {topic: text}, at most 64 entries, such as data, their hash and seed.
        half: store the weights of convolutions and the head as float16, which halves the file. They are read back as
            float32.
        facts: fields of ``ModelDescription`` that differ from ``description``.

    Returns:
        The SHA-256 of the file, as ``load`` reports it.

    Raises:
        CheckpointError: a fact does not fit the network, the weights are not finite, or the file cannot be written.
        RuntimeMissingError: torch or safetensors is not installed.
    """
    require_packages("reading or writing weights")
    from edgeshift.checkpoints.edgeshift_file import save_file

    return save_file(path, network, description, facts, training=dict(training or {}), half=half)


def require_packages(work: str) -> None:
    """Raise RuntimeMissingError if torch or safetensors is not installed. ``work`` says what needs them."""
    for package in ("torch", "safetensors"):
        try:
            __import__(package)
        except ImportError as error:
            raise missing(package, "convert", work) from error
