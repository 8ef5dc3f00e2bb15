"""The check a device runs on itself: frames made from a seed, and the logits they must give.

The frames are made with integer arithmetic only, from a generator whose stream NumPy keeps fixed, so they are the
same on every platform.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import CheckSpec, StreamSpec
from edgeshift.errors import EdgeshiftError
from edgeshift.stream.stream import Model
from edgeshift.targets import Precision

FRAMES = 8
#: Allowed difference as a share of the range of the expected logits: kernels of other processors round otherwise.
TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2, "int8": 0.1}
#: Cells of the random picture in each direction.
CELLS = 14


@dataclass(frozen=True)
class SelfCheck:
    """What the device found. ``error`` and ``tolerance`` are in units of the logits."""

    frames: int
    error: float
    tolerance: float
    repeatable: bool

    @property
    def ok(self) -> bool:
        """True if the device computes what the maker computed."""
        return self.repeatable and self.error <= self.tolerance


def check_frames(seed: int, count: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Test frames: coarse coloured cells that move one cell to the right per frame.

    Returns:
        uint8 [count, height, width, 3], equal everywhere for the same arguments.
    """
    return np.stack(list(_check_frames(seed, count, height, width)))


def _check_frames(seed: int, count: int, height: int, width: int) -> Iterator[npt.NDArray[np.uint8]]:
    """One at a time: what a description asks for may be large."""
    cells = np.random.RandomState(seed).randint(0, 256, (CELLS, CELLS + count, 3)).astype(np.uint8)
    rows = np.arange(height) * CELLS // height
    columns = np.arange(width) * CELLS // width
    return (cells[rows][:, columns + count - 1 - t] for t in range(count))


def make_check(model: Model, precision: Precision | None = None, seed: int = 7) -> CheckSpec:
    """Record what the model answers to the test frames.

    Args:
        precision: of what will be checked; None: the model's own.
    """
    logits = _answers(model, seed, FRAMES)
    tolerance = TOLERANCE[precision or model.spec.precision] * float(np.ptp(logits))
    return CheckSpec(
        seed=seed, logits=tuple(tuple(float(v) for v in row) for row in logits), tolerance=max(tolerance, 1e-6)
    )


def self_check(model: Model) -> SelfCheck:
    """Run the embedded check, twice.

    Raises:
        EdgeshiftError: the artifact carries none.
    """
    check = model.spec.check
    if check is None:
        raise EdgeshiftError("the artifact carries no self-check; convert the model again")
    expected = np.array(check.logits)
    first, second = (_answers(model, check.seed, len(expected)) for _ in range(2))
    error = float(np.abs(first - expected).max())
    return SelfCheck(len(expected), error, check.tolerance, bool(np.array_equal(first, second)))


def _answers(model: Model, seed: int, count: int) -> npt.NDArray[np.float64]:
    spec: StreamSpec = model.spec
    stream = model.stream()
    frames = _check_frames(seed, count, spec.frame.height, spec.frame.width)
    return np.stack([stream.step(frame).logits for frame in frames]).astype(np.float64)
