"""A checkpoint whose network keeps its frames and loses its sound segment.

Labels such as ``left`` and ``left+clap`` differ in the sound only. From the logits of frames alone, the choice between
them would mean nothing. So the logits q of a quiet room, if the checkpoint has them, become a part of the last layer:

    v' = (T v + w q) / (T + w)        v: logits of a frame; T, w: frames and weight of the sound segment

The mean of v' over T frames is the answer that the whole network gives to these frames in a quiet room.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec
import torch
from torch import nn

from edgeshift.checkpoints.checkpoint import Checkpoint
from edgeshift.models.network import ShiftNetwork
from edgeshift.models.sound import remove_sound
from edgeshift.sound import SoundSettings

#: Note of a network whose sound segment was left out. Everything that shows the model shows it.
NOTE = "sound segment not converted: only the video is used"


def without_sound(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint of the same network in a quiet room, without its sound segment, and with a note that says so.

    Args:
        checkpoint: its network has a sound segment.
    """
    own, settings = checkpoint.description, checkpoint.config.sound
    network = remove_sound(checkpoint.network)
    if own.quiet is not None and settings is not None:
        _add_quiet_room(network, own.quiet, settings)
    description = msgspec.structs.replace(own, quiet=None, notes=(*own.notes, NOTE))
    return replace(
        checkpoint,
        network=network,
        description=description,
        notes=(*checkpoint.notes, NOTE),
    )


def _add_quiet_room(network: ShiftNetwork, quiet: tuple[float, ...], settings: SoundSettings) -> None:
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    share = settings.frames / (settings.frames + settings.weight)
    with torch.no_grad():
        last.weight.mul_(share)
        last.bias.mul_(share).add_(torch.tensor(quiet), alpha=1 - share)
