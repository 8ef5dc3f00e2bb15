"""Test doubles of a clip artifact that need no conversion and no torch: a description, and an executor."""

from __future__ import annotations

import doubles
import numpy as np
from doubles import LABELS, SIZE, stream_spec, tensor

from edgeshift.stream import Model

T, HOP = 4, 2
FORMS = {
    "float": {"input": tensor("clip", T, SIZE, SIZE, 3)},
    "int8": {
        "precision": "int8",
        "input": tensor("clip", T, SIZE, SIZE, 3, dtype="int8", scale=1.0, zero_point=-128),
        "output": tensor("logits", 1, len(LABELS), dtype="int8", scale=0.125, zero_point=11),
    },
    "channels first": {"input": tensor("clip", T, 3, SIZE, SIZE, channels="first")},
}


class ClipExecutor:
    """Keeps the clips that it gets. The logits are the mean colour of the last frame minus that of the first."""

    def __init__(self, spec):
        self.spec, self.clips = spec, []

    def run(self, clip):
        stored = self.spec.input
        pixels = (clip.astype(np.float64) - stored.zero_point) * stored.scale
        self.clips.append(pixels if stored.channels == "last" else np.moveaxis(pixels, 1, -1))
        colour = self.clips[-1].mean((1, 2))
        logits = np.append(colour[-1] - colour[0], 0.0)[None]
        return doubles.LeakyExecutor.store(logits, self.spec.output)

    def states(self):
        return {}

    def set_states(self, states):
        assert not states


def clip_model(form="float", **changes) -> tuple[Model, list[ClipExecutor]]:
    spec = stream_spec(**{"mode": "clip", "hop": HOP, "states": ()} | FORMS[form] | changes)
    made: list[ClipExecutor] = []

    def make() -> ClipExecutor:
        made.append(ClipExecutor(spec))
        return made[-1]

    return Model(spec, "double 1.0", make), made
