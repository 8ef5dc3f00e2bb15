"""Temporal pooling, as MIT's ``tpool`` and mmaction2's ``temporal_pool``: half as many frames after the first stage."""

from __future__ import annotations

import torch
from torch import Tensor

from edgeshift.errors import ShiftError


def pool_frames(x: Tensor, clips: int | None) -> Tensor:
    """Return the maximum of every second frame and its two neighbours. A neighbour that does not exist is ignored.

    Args:
        x: [clips * T, C, H, W], the frames of each clip in order.
        clips: number of clips; None: the frames are not a clip, which is an error.

    Returns:
        [clips * ceil(T / 2), C, H, W].

    Raises:
        ShiftError: ``clips`` is None.
    """
    if clips is None:
        raise ShiftError("temporal pooling reads several frames of a clip: convert the network with --mode clip")
    # One clip stays in four dimensions, the form that mobile runtimes compute fast.
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
