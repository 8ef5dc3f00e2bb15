"""A small network with a sound segment."""

from __future__ import annotations

from typing import Any

from edgeshift.sound import SoundSettings

SIZE, CLASSES = 64, 6
SETTINGS = SoundSettings(seconds=1.0, frames=4, weight=3.0, bands=64, every=0.25)


def checkpoint() -> Any:
    """Return an untrained TSAM of depth 1 whose batch norms were measured on drawn clips."""
    import numpy as np
    import torch

    from edgeshift.artifact.description import WeightsSpec, describe_network
    from edgeshift.checkpoints import Checkpoint
    from edgeshift.gestures.fitted_clips import drawn_clips
    from edgeshift.models import ModelConfig
    from edgeshift.models.untrained import initial_network
    from edgeshift.video.fit import FrameSpec

    config = ModelConfig("tsam", "mobilenet_v2", CLASSES, size=SIZE, depth=1, sound=SETTINGS)
    clips = np.stack(drawn_clips(FrameSpec(SIZE, SIZE), 4, 9).frames)
    network = initial_network(config, torch.from_numpy(clips).permute(0, 1, 4, 2, 3).float())
    weights = WeightsSpec(source="untrained", trained=False)
    quiet = (0.0, 0.1, -0.1, 0.2, 0.0, 0.0)
    return Checkpoint(network, describe_network(config, weights=weights, frame_spacing=0.1, quiet=quiet), "edgeshift")
