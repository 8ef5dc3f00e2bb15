"""Artifacts of an untrained network with a sound segment, for tests of the native runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from edgeshift.artifact.description import WeightsSpec, describe_network
from edgeshift.checkpoints import Checkpoint
from edgeshift.converters import ClipOptions, Options, convert
from edgeshift.gestures.fitted_clips import drawn_clips
from edgeshift.models import ModelConfig
from edgeshift.models.untrained import initial_network
from edgeshift.sound import SoundSettings
from edgeshift.targets import Precision
from edgeshift.video.fit import FrameSpec

SIZE, CLASSES, SPACING = 64, 6, 0.25
SETTINGS = SoundSettings(seconds=1.0, frames=5, weight=2.5, bands=40)
QUIET = (0.125, 0.0, -0.25, 0.3, 0.1, 0.0)


def sound_artifact(path: Path, precision: Precision, clip: ClipOptions | None = None) -> Path:
    """Convert a small TSAM of depth 1, whose frames are cropped, to a .tflite artifact."""
    config = ModelConfig("tsam", "mobilenet_v2", CLASSES, size=SIZE, depth=1, width=0.5, sound=SETTINGS)
    clips = np.stack(drawn_clips(FrameSpec(SIZE, SIZE), 4, 9).frames)
    network = initial_network(config, torch.from_numpy(clips).permute(0, 1, 4, 2, 3).float())
    description = describe_network(
        config,
        frame=FrameSpec(SIZE, SIZE, fit="crop"),
        weights=WeightsSpec(source="untrained", trained=False),
        frame_spacing=SPACING,
        quiet=QUIET,
    )
    options = Options(precision=precision, clip=clip)
    return convert(Checkpoint(network, description, "edgeshift"), "tflite", path, options).path
