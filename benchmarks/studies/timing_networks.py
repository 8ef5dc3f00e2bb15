"""Untrained networks for timing, the same on every machine. Their batch norms are set on smooth random clips.

The step time does not depend on training, but it depends on the values: denormal floats are slow, and a saturated int8
layer is not representative. The weights therefore come from ``edgeshift.models.untrained``, which keeps the
variance through the layers. Torch is imported when a network is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.description import WeightsSpec, describe_network
from edgeshift.errors import missing
from edgeshift.models.config import ModelConfig
from edgeshift.video.fit import FrameSpec

if TYPE_CHECKING:
    from edgeshift.checkpoints import Checkpoint

CLASSES = 27
CLIPS, FRAMES = 4, 8
#: Points on each side of the coarse noise that is interpolated to a frame.
GRID = 9


def untrained_network(table: str, size: int) -> Checkpoint:
    """Return an untrained MobileNetV2 with a shift table.

    Args:
        table: name of the shift table.
        size: height and width of the frames, pixels.

    Raises:
        ModelError: the table is unknown, or the network cannot take the size.
        RuntimeMissingError: torch is not installed.
    """
    config = ModelConfig(table, "mobilenet_v2", CLASSES, size=size)
    try:
        import torch
    except ImportError as error:
        raise missing("torch", "convert", "building the networks to time") from error
    from edgeshift.checkpoints import Checkpoint
    from edgeshift.models.untrained import initial_network

    clips = torch.from_numpy(np.stack(smooth_clips(size))).permute(0, 1, 4, 2, 3).float()
    description = describe_network(
        config, frame=FrameSpec(size, size), weights=WeightsSpec(source="untrained, for timing", trained=False)
    )
    return Checkpoint(initial_network(config, clips), description, "untrained")


def smooth_clips(size: int, seed: int = 0) -> list[npt.NDArray[np.uint8]]:
    """Return ``CLIPS`` clips, uint8 [FRAMES, size, size, 3], each a cross-fade between two images of coarse noise."""
    random = np.random.default_rng(seed)
    weights = _interpolation(size)
    clips = []
    for _ in range(CLIPS):
        first, last = random.random((2, GRID, GRID, 3))
        grids = [first + (last - first) * t / (FRAMES - 1) for t in range(FRAMES)]
        frames = [np.einsum("yj,jkc,xk->yxc", weights, grid, weights) * 255 for grid in grids]
        clips.append(np.stack([frame.astype(np.uint8) for frame in frames]))
    return clips


def _interpolation(size: int) -> npt.NDArray[np.float64]:
    """Return weights of linear interpolation, [size, GRID]: the share of each grid point in each pixel of a row."""
    positions = np.linspace(0, GRID - 1, size)
    return np.maximum(0.0, 1.0 - np.abs(positions[:, None] - np.arange(GRID)))
