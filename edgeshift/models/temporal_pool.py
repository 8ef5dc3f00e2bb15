"""Temporal pooling: half of the frames from the second stage on.

MIT's name for it is ``tpool``, mmaction2's is ``temporal_pool``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from edgeshift.errors import ShiftError


def pool_frames(x: Tensor, clips: int | None) -> Tensor:
    """For every second frame, return the maximum of the frame, the previous one and the next one.

    A neighbour outside of the clip is left out.

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
    # One clip keeps four dimensions, because mobile runtimes are slow with five.
    axis = 0 if clips == 1 else 1
    x = x if clips == 1 else x.reshape(clips, -1, *x.shape[1:])
    frames = [x.narrow(axis, index, 1) for index in range(int(x.shape[axis]))]
    pooled = []
    for middle in range(0, len(frames), 2):
        largest = frames[middle]
        for neighbour in (middle - 1, middle + 1):
            if 0 <= neighbour < len(frames):
                largest = torch.maximum(largest, frames[neighbour])
        pooled.append(largest)
    y = torch.cat(pooled, axis)
    return y if clips == 1 else y.flatten(0, 1)
