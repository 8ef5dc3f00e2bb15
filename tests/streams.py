"""Frames for streams at 64x64, and the logits that a stream gives for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeshift.stream.selfcheck import check_frames

FRAMES = check_frames(5, 12, 64, 64)


def logits_of(stream: Any, frames: Sequence[Any] = FRAMES) -> Any:
    """Run a stream over frames and return the logits, [frames, classes]."""
    return np.stack([stream.step(frame).logits for frame in frames])
