"""Test doubles that need no conversion and no torch: a description, and an executor with a small recurrent network.

    level' = 0.5 * level + mean colour of the frame      the state, [1, 1, 1, 3]
    logits = level' @ MIX + colour @ OWN                 [1, classes]

Each logit depends on the current frame and, through the state, on every frame before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from edgeshift.artifact.description import WeightsSpec
from edgeshift.artifact.spec import StreamSpec, TensorSpec
from edgeshift.models.config import ModelConfig
from edgeshift.stream import Array, Model
from edgeshift.video.fit import FrameSpec

SIZE = 64
LABELS = ("red", "green", "blue", "none")
STATE = "state_level"
LEAK = 0.5
MIX = np.array([[1, -1, 0, 0.5], [0, 1, -1, 0.5], [-1, 0, 1, 0.5]]) / 64
OWN = np.array([[0.5, 0, 0, -1], [0, 0.5, 0, -1], [0, 0, 0.5, -1]]) / 64


def tensor(name: str, *shape: int, dtype: str = "float32", **options: Any) -> TensorSpec:
    return TensorSpec(name=name, shape=shape, dtype=dtype, **options)  # type: ignore[arg-type]


def stream_spec(**changes: Any) -> StreamSpec:
    """Return a valid description of the network above, with the given fields changed."""
    spec = StreamSpec(
        target="double",
        precision="fp32",
        model=ModelConfig("tsm", "mobilenet_v2", len(LABELS), size=SIZE),
        frame=FrameSpec(SIZE, SIZE),
        input=tensor("frame", 1, SIZE, SIZE, 3),
        output=tensor("logits", 1, len(LABELS)),
        states=(tensor(STATE, 1, 1, 1, 3),),
        labels=LABELS,
        shifts=(),
        weights=WeightsSpec(source="a test", trained=False),
    )
    return msgspec.structs.replace(spec, **changes)


#: Fields of the description of an int8 network.
INT8: dict[str, Any] = {
    "precision": "int8",
    "input": tensor("frame", 1, SIZE, SIZE, 3, dtype="int8", scale=1.0, zero_point=-128),
    "output": tensor("logits", 1, len(LABELS), dtype="int8", scale=0.125, zero_point=11),
    "states": (tensor(STATE, 1, 1, 1, 3, dtype="int8", scale=4.0, zero_point=-100),),
}


class LeakyExecutor:
    """Executor of the network above. Tests derive classes from it that each have one fault.

    Attributes:
        frames: copies of the input tensors of all steps.
    """

    def __init__(self, spec: StreamSpec) -> None:
        self.spec = spec
        self.frames: list[Array] = []
        self._states = {state.name: np.zeros(state.shape, state.dtype) for state in spec.states}

    def run(self, frame: Array) -> Array:
        self.frames.append(frame.copy())
        pixels = (frame.astype(np.float64) - self.spec.input.zero_point) * self.spec.input.scale
        colour = pixels.mean((1, 2))
        stored = self.spec.states[0]
        level = (
            LEAK * (self._states[STATE].astype(np.float64) - stored.zero_point) * stored.scale + colour[:, None, None]
        )
        self._states[STATE] = self.store(level, stored)
        return self.store(self.logits(level[:, 0, 0], colour), self.spec.output)

    def logits(self, level: Array, colour: Array) -> Array:
        return level @ MIX + colour @ OWN

    def states(self) -> dict[str, Array]:
        return {name: array.copy() for name, array in self._states.items()}

    def set_states(self, states: dict[str, Array]) -> None:
        self._states = {name: array.copy() for name, array in states.items()}

    @staticmethod
    def store(values: Array, tensor: TensorSpec) -> Array:
        if tensor.dtype == "float32":
            return values.astype(np.float32)
        return np.clip(np.round(values / tensor.scale) + tensor.zero_point, -128, 127).astype(np.int8)


def model(
    spec: StreamSpec | None = None,
    executor: Callable[[StreamSpec], LeakyExecutor] = LeakyExecutor,
    made: list[LeakyExecutor] | None = None,
) -> Model:
    """Return a model whose streams use an executor class. ``made`` collects the executors of all streams."""
    spec = spec or stream_spec()

    def make() -> LeakyExecutor:
        new = executor(spec)
        if made is not None:
            made.append(new)
        return new

    return Model(spec, "double 1.0", make)


def frames(count: int, seed: int = 0, height: int = SIZE, width: int = SIZE) -> list[Array]:
    """Return random uint8 frames of changing colour, so that the top label changes as well."""
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(count):
        colour = random.integers(0, 200, 3)
        drawn.append((colour + random.integers(0, 56, (height, width, 3))).astype(np.uint8))
    return drawn


def expected_outputs(shown: list[Array]) -> tuple[Array, Array]:
    """Compute logits [T, classes] and states [T, 3] of the network above for uint8 frames, without the executor."""
    level, logits, levels = np.zeros(3), [], []
    for frame in shown:
        colour = frame.reshape(-1, 3).astype(np.float64).mean(0)
        level = LEAK * level + colour
        levels.append(level)
        logits.append(level @ MIX + colour @ OWN)
    return np.stack(logits), np.stack(levels)


class ForgetfulExecutor(LeakyExecutor):
    """Loses its state in every step. Wrong conversions do this if the state is a buffer that is written in place."""

    def run(self, frame: Array) -> Array:
        self._states = {name: np.full_like(a, self.spec.states[0].zero_point) for name, a in self._states.items()}
        return super().run(frame)
