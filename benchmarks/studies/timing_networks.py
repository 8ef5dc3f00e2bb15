"""The networks that are timed: untrained, on smooth clips, the same for everybody. Torch is imported when one is built.

Times do not depend on what was learned. They do depend on ranges (denormal floats are slow, and a saturated int8
layer is no honest work), so the weights are ``edgeshift.models.untrained``'s, which keep the variance through the layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.description import WeightsSpec
from edgeshift.models.config import ModelConfig
from edgeshift.video.fit import FrameSpec

if TYPE_CHECKING:
    from edgeshift.checkpoints.source import Source

CLASSES = 27
CLIPS, FRAMES = 4, 8
#: Points a side of the noise that is smoothed into a frame.
GRID = 9


def subject(table: str, size: int) -> Source:
    """An untrained MobileNetV2 with this shift table, for frames of ``size`` pixels a side.

    Raises:
        ModelError: an unknown table, or a size it cannot take.
        RuntimeMissingError: torch is not installed.
    """
    from edgeshift.errors import missing

    config = ModelConfig(table, "mobilenet_v2", CLASSES, size=size)
    try:
        import torch
    except ImportError as error:
        raise missing("torch", "convert", "building the networks to time") from error
    from edgeshift.checkpoints.source import Source
    from edgeshift.models.untrained import initial_network

    clips = torch.from_numpy(np.stack(smooth_clips(size))).permute(0, 1, 4, 2, 3).float()
    return Source(
        network=initial_network(config, clips),
        frame=FrameSpec(size, size),
        labels=tuple(f"class {index}" for index in range(CLASSES)),
        weights=WeightsSpec(source="untrained, for timing", trained=False),
    )


def smooth_clips(size: int, seed: int = 0) -> list[npt.NDArray[np.uint8]]:
    """``CLIPS`` clips, uint8 [FRAMES, size, size, 3]: coarse noise that turns into other coarse noise."""
    random = np.random.default_rng(seed)
    weights = _interpolation(size)
    clips = []
    for _ in range(CLIPS):
        first, last = random.random((2, GRID, GRID, 3))
        frames = [first + (last - first) * t / (FRAMES - 1) for t in range(FRAMES)]
        clips.append(
            np.stack([(np.einsum("yj,jkc,xk->yxc", weights, f, weights) * 255).astype(np.uint8) for f in frames])
        )
    return clips


def _interpolation(size: int) -> npt.NDArray[np.float64]:
    """[size, GRID]: what each grid point adds to each pixel of a row."""
    places = np.linspace(0, GRID - 1, size)
    return np.maximum(0.0, 1.0 - np.abs(places[:, None] - np.arange(GRID)))
