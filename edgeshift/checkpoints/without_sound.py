"""A checkpoint whose network keeps its frames and loses its sound segment."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from edgeshift.checkpoints.checkpoint import Checkpoint
from edgeshift.models.sound import remove_sound

#: Note of a network whose sound segment was left out. Everything that shows the model shows it.
NOTE = "sound segment not converted: only the video is used"


def without_sound(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint of the same network without its sound segment, and with a note that says so.

    Args:
        checkpoint: its network has a sound segment.
    """
    own = checkpoint.description
    description = msgspec.structs.replace(own, quiet=None, notes=(*own.notes, NOTE))
    return replace(
        checkpoint,
        network=remove_sound(checkpoint.network),
        description=description,
        notes=(*checkpoint.notes, NOTE),
    )
