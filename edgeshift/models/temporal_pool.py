"""Temporal pooling: half of the frames from the second stage on.

MIT's name for it is ``tpool``, mmaction2's is ``temporal_pool``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from edgeshift.errors import ModelError, ShiftError


def require_even(frames: int) -> None:
    """Raise a ModelError if a clip has an odd number of frames, which temporal pooling cannot halve."""
    if frames % 2:
        raise ModelError(f"temporal pooling takes an even number of frames, not {frames}: give {frames + 1}")


def pool_frames(x: Tensor, clips: int | None) -> Tensor:
    """For every second frame, return the maximum of the frame, the previous one and the next one.

    The first and the last frame of a clip have one neighbour only. They are repeated in place of the missing one, which
    does not change the maximum.

    It is computed as a max pooling over pictures whose rows are the frames, because int8 runtimes have no fast operator
    for the maximum of two tensors. Channels-last tensors are not copied.

    Args:
        x: [clips * T, C, H, W], the frames of each clip in order.
        clips: number of clips; None, for a network that runs frame by frame, is an error.

    Returns:
        [clips * ceil(T / 2), C, H, W].

    Raises:
        ShiftError: ``clips`` is None.
    """
    if clips is None:
        raise ShiftError("temporal pooling reads several frames of a clip: convert the network with --mode clip")
    _, channels, height, width = x.shape
    # Not reshape(-1, height * width, channels): Core ML's converter would take the product for a tensor.
    pictures = x.permute(0, 2, 3, 1).flatten(1, 2)
    rows = pictures.reshape(clips, -1, *pictures.shape[1:])  # [clips, T, H * W, C]
    last = [rows[:, -1:]] if int(rows.shape[1]) % 2 else []
    rows = torch.cat([rows[:, :1], rows, *last], 1)
    pooled = functional.max_pool2d(rows.permute(0, 3, 1, 2), (3, 1), (2, 1))  # [clips, C, ceil(T / 2), H * W]
    return pooled.permute(0, 2, 3, 1).reshape(-1, height, width, channels).permute(0, 3, 1, 2)
