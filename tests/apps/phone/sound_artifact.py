"""An artifact of a small network with a sound segment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.sound import SoundSettings

SIZE, CLASSES = 64, 6
SETTINGS = SoundSettings(seconds=1.0, frames=4, weight=3.0, bands=64, every=0.25)
QUIET = (0.0, 0.1, -0.1, 0.2, 0.0, 0.0)


def hearing_artifact(path: Path, precision: str, **options: Any) -> Path:
    """Convert an untrained TSAM of depth 1, whose batch norms were measured on drawn clips, for browsers.

    The description says that it is trained. Otherwise, the page begins with a warning.
    """
    torch = pytest.importorskip("torch")
    from edgeshift.artifact.description import WeightsSpec, describe_network
    from edgeshift.checkpoints import Checkpoint
    from edgeshift.converters import Options, convert
    from edgeshift.gestures.fitted_clips import drawn_clips
    from edgeshift.models import ModelConfig
    from edgeshift.models.untrained import initial_network
    from edgeshift.video.fit import FrameSpec

    config = ModelConfig("tsam", "mobilenet_v2", CLASSES, size=SIZE, depth=1, sound=SETTINGS)
    clips = np.stack(drawn_clips(FrameSpec(SIZE, SIZE), 4, 9).frames)
    network = initial_network(config, torch.from_numpy(clips).permute(0, 1, 4, 2, 3).float())
    weights = WeightsSpec(source="untrained", trained=False)
    description = describe_network(config, weights=weights, frame_spacing=0.1, quiet=QUIET)
    boundary = {"float_boundary": True} if precision == "int8" else {}
    chosen: Any = {"precision": precision, **boundary, **options}
    convert(Checkpoint(network, description, "edgeshift"), "tflite", path, Options(**chosen))
    artifact = read_artifact(path)
    trained = msgspec.structs.replace(artifact.spec.weights, trained=True)
    write_artifact(path, artifact.body, msgspec.structs.replace(artifact.spec, weights=trained))
    return path
