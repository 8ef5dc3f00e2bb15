"""Fresh states: the graph computes every next state anew before it returns it, for the GPUs of some phones.

Without this, a next state is often a part of a tensor that the graph goes on to use, or of the state that came in:

    plain    features -- Slice ----------- next state          state -- Slice -- Concat -- next state
    fresh    features -- Slice -- Mul ---- next state          state -- Slice -- Concat -- Mul -- next state
                             one --'                                                one ----'

The drivers of Mali GPUs return wrong values in such outputs (the rules for mali in ``edgeshift.runtimes.lint``). A
multiplication by 1 is exact. Converters remove a multiplication by a stored 1, so the 1 is computed from the frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def fresh_states(frame: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return the next states of a step, each multiplied by 1.

    Args:
        frame: the frames that the step takes, values 0 to 255. Its first dimension is the number of frames, and three
            others follow in any order.
        states: the next states. Their first dimension is the number of frames, or 1.
    """
    pixel = frame[:, :1, :1, :1]
    one = torch.maximum(pixel, torch.full((1, 1, 1, 1), 255.0, dtype=frame.dtype)) - 254  # no pixel is above 255
    return tuple(state * (one if state.ndim == 4 else one.reshape(-1, *[1] * (state.ndim - 1))) for state in states)
