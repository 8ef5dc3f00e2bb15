"""Run a checkpoint over all frames of a clip at once, for studies of the shift."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeshift.errors import EdgeshiftError

if TYPE_CHECKING:
    from edgeshift.checkpoints import Checkpoint
    from edgeshift.models.network import ShiftNetwork

Array = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]


def load_with_states(weights: Path) -> tuple[Checkpoint, float]:
    """Return a past-only checkpoint and its frame spacing, seconds.

    Raises:
        EdgeshiftError: the checkpoint cannot be read, or has no states or no frame spacing.
    """
    from edgeshift.checkpoints import load_for_streaming

    checkpoint = load_for_streaming(weights)
    spacing = checkpoint.description.frame_spacing
    if spacing is None or not checkpoint.network.state_shapes():
        raise EdgeshiftError(f"{weights}: this study needs a network with states and a known frame spacing")
    return checkpoint, spacing


def clip_logits(network: ShiftNetwork, frames: Frames, *, alone: bool = False) -> Array:
    """Return the logits of a clip, [T, classes].

    Args:
        network: the network.
        frames: uint8 [T, size, size, 3].
        alone: run each frame as a clip of its own, so that its past is zeros.
    """
    import torch

    with torch.inference_mode():
        clip = torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).float()
        logits: Any = network(clip[:, None] if alone else clip[None])
    return np.asarray(logits.flatten(0, 1).numpy(), np.float32)
