"""The self-check: a device runs test frames that are made from a seed, and compares the logits with the expected ones.

The frames are made with integer arithmetic, from a random generator whose numbers NumPy guarantees not to change, so
they are the same on every platform.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import CheckSpec
from edgeshift.errors import EdgeshiftError
from edgeshift.stream.stream import Model
from edgeshift.targets import Precision

FRAMES = 8
#: Allowed difference of a logit, as a share of the range of the expected logits. Other processors round differently.
TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2, "int8": 0.1}
#: Number of coloured cells in each direction of a test frame.
CELLS = 14


@dataclass(frozen=True)
class SelfCheck:
    """Result of a self-check: largest difference of a logit, its limit, and whether a second run was identical."""

    frames: int
    error: float
    tolerance: float
    repeatable: bool

    @property
    def ok(self) -> bool:
        """True if the self-check passed."""
        return self.repeatable and self.error <= self.tolerance


def check_frames(seed: int, count: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return test frames: a grid of coloured cells that moves to the right by one cell per frame.

    Returns:
        uint8 [count, height, width, 3]. The same arguments give the same frames on every platform.
    """
    return np.stack(list(_check_frames(seed, count, height, width)))


def _check_frames(seed: int, count: int, height: int, width: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the frames one by one, because together they may be large."""
    cells = np.random.RandomState(seed).randint(0, 256, (CELLS, CELLS + count, 3)).astype(np.uint8)
    rows = np.arange(height) * CELLS // height
    columns = np.arange(width) * CELLS // width
    return (cells[rows][:, columns + count - 1 - t] for t in range(count))


def make_check(model: Model, precision: Precision | None = None, seed: int = 7) -> CheckSpec:
    """Return the self-check of an artifact: the logits that a model gives for the test frames.

    ``precision`` is that of the artifact; None: that of the model.
    """
    logits = _logits(model, seed, FRAMES)
    tolerance = TOLERANCE[precision or model.spec.precision] * float(np.ptp(logits))
    return CheckSpec(
        seed=seed, logits=tuple(tuple(float(v) for v in row) for row in logits), tolerance=max(tolerance, 1e-6)
    )


def self_check(model: Model) -> SelfCheck:
    """Run the self-check of an artifact twice.

    Raises:
        EdgeshiftError: the artifact has no self-check.
    """
    check = model.spec.check
    if check is None:
        raise EdgeshiftError("the artifact has no self-check; convert the model again")
    expected = np.array(check.logits)
    first, second = (_logits(model, check.seed, len(expected)) for _ in range(2))
    error = float(np.abs(first - expected).max())
    return SelfCheck(len(expected), error, check.tolerance, bool(np.array_equal(first, second)))


def _logits(model: Model, seed: int, count: int) -> npt.NDArray[np.float64]:
    stream, size = model.stream(), model.spec.frame
    frames = _check_frames(seed, count, size.height, size.width)
    return np.stack([stream.step(frame).logits for frame in frames]).astype(np.float64)
