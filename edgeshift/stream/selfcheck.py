"""The self-check: a device runs test frames from a seed, and compares the logits and states with stored values.

The frames are made with integer arithmetic, from a random generator whose numbers NumPy guarantees not to change, so
they are the same on every platform. An artifact is expected to compute nearly the same numbers on every processor, so
the bounds are narrow: a lost state, swapped colours, a picture that is moved by one pixel, or a convolution whose
weights are 5% too large are found.

A clip artifact has no states. It runs windows of the test frames. Each window begins one frame after the previous one.

If the network has a sound segment, the last row of logits is the answer to a test sound, so that the spectrogram is
checked as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import CheckSpec, StreamSpec
from edgeshift.errors import EdgeshiftError
from edgeshift.stream.check_sound import answer_to_check_sound
from edgeshift.stream.model import Model
from edgeshift.stream.parity import Run
from edgeshift.stream.stream import Array
from edgeshift.targets import Precision

#: Number of test frames for a stream artifact, and of windows for a clip artifact. A window takes as long as T frames.
FRAMES, WINDOWS = 8, 4
#: Number of coloured cells in each direction of a test frame.
CELLS = 14
#: Largest number of values of a state that are compared, and the distance between two of them.
SAMPLES, STRIDE = 64, 7919


class Bound(NamedTuple):
    """The largest root mean square error that a self-check accepts.

    Attributes:
        logits: of the logits, as a share of the range of the expected logits.
        states: of one state, in standard deviations of its expected values.
    """

    logits: float
    states: float


#: {kind of processor: {precision: bound}}, for results of the artifact itself. The phone's page has a copy.
#: CPU: between x86-64 and aarch64, int8 results of LiteRT are equal, those of ONNX Runtime differ by at most 0.001 of
#: the logits' range and 0.017 deviations of a state, and fp32 results by 1e-6. The smallest errors that must be found
#: are those of a convolution whose weights are 5% too large: in fp32 0.001 in the logits or 0.016 in a state, in int8
#: 0.007 or 0.08. GPU: LiteRT on SwiftShader, a GPU in software that computes in float32, differs by 1e-6 in fp32. It
#: also computes int8 graphs in float32, whose states differed by up to 0.14 deviations. GPUs of phones and NPUs: not
#: measured yet. Their bounds are estimates, because such processors compute with lower precision and add in another
#: order.
BOUNDS: dict[str, dict[Precision, Bound]] = {
    "cpu": {"fp32": Bound(1e-4, 1e-3), "fp16": Bound(1e-3, 1e-2), "int8": Bound(4e-3, 0.05)},
    "gpu": {"fp32": Bound(1e-3, 1e-2), "fp16": Bound(1e-2, 5e-2), "int8": Bound(2e-2, 0.1)},
    "npu": {"fp32": Bound(1e-2, 5e-2), "fp16": Bound(1e-2, 5e-2), "int8": Bound(2e-2, 0.1)},
}
#: Bounds for results of the original network, with which an artifact is compared if it cannot run where it was made.
ORIGINAL: dict[Precision, Bound] = {"fp32": Bound(1e-3, 1e-2), "fp16": Bound(2e-2, 5e-2), "int8": Bound(0.1, 0.5)}
#: Accepted error of int8 logits in quantization steps, if that is more than the bound.
STEPS = 0.25


@dataclass(frozen=True)
class SelfCheck:
    """The result of a self-check.

    Attributes:
        frames: number of frames, or of windows of a clip.
        error: error of the logits: root mean square, or the largest error if ``version`` is 1.
        tolerance: largest accepted ``error``.
        state_error: root mean square error of the state that differs most, in its standard deviations; None: states
            were not compared.
        state_tolerance: largest accepted ``state_error``; None: states were not compared.
        repeatable: True if a second run gave the same logits.
        version: version of the artifact's description. The checks of version 1 accept larger errors.
    """

    frames: int
    error: float
    tolerance: float
    state_error: float | None
    state_tolerance: float | None
    repeatable: bool
    version: int

    @property
    def ok(self) -> bool:
        """True if the self-check passed."""
        return not self.problems

    @property
    def problems(self) -> list[str]:
        """A message for each part that failed."""
        found = []
        if not self.error <= self.tolerance:
            found.append(f"logits differ by {self.error:.3g}, {self.tolerance:.3g} is allowed")
        if self.state_error is not None and not self.state_error <= (self.state_tolerance or 0):
            allowed = f"{self.state_tolerance:g} is allowed"
            found.append(f"a state differs by {self.state_error:.3g} standard deviations, {allowed}")
        if not self.repeatable:
            found.append("a second run gave other logits")
        return found


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


def make_check(model: Model, seed: int = 7, *, original: bool = False) -> CheckSpec:
    """Return the self-check of an artifact: the logits, and values of the states, that a model gives for test frames.

    Args:
        model: the artifact, or the original network if the artifact cannot run on this machine.
        seed: seed of the test frames.
        original: True if ``model`` is the original network.
    """
    count = WINDOWS if model.spec.mode == "clip" else FRAMES
    logits, states = _run(model, seed, count + _hears(model.spec))
    return CheckSpec(
        seed=seed,
        logits=tuple(tuple(float(value) for value in row) for row in logits),
        states={name: tuple(float(f"{value:.7g}") for value in values) for name, values in states.items()},
        reference="original" if original else "artifact",
    )


def self_check(model: Model, advance: Callable[[], None] = lambda: None) -> SelfCheck:
    """Run the self-check of an artifact twice.

    Args:
        model: the loaded artifact.
        advance: called ``runs_of_check`` times, after each frame, window or sound.

    Raises:
        EdgeshiftError: the artifact has no self-check.
    """
    check = model.spec.check
    if check is None:
        raise EdgeshiftError("the artifact has no self-check; convert the model again")
    expected = np.array(check.logits)
    (first, states), (second, _) = (_run(model, check.seed, len(expected), advance) for _ in range(2))
    repeatable = bool(np.array_equal(first, second))
    if check.tolerance is not None:
        error = float(np.abs(first - expected).max())
        return SelfCheck(len(expected), error, check.tolerance, None, None, repeatable, 1)
    logit_bound, state_bound = bound_of(model.spec, model.processor)
    errors = [relative_error(states[name], np.array(values)) for name, values in check.states.items()]
    return SelfCheck(
        frames=len(expected) - _hears(model.spec),
        error=rms(first - expected),
        tolerance=logit_bound,
        # Unlike max(), np.max keeps a NaN.
        state_error=float(np.max(errors)) if errors else None,
        state_tolerance=state_bound if errors else None,
        repeatable=repeatable,
        version=model.spec.version,
    )


def runs_of_check(spec: StreamSpec) -> int:
    """Return how often the self-check runs the graph of an artifact; 0 if the artifact has none."""
    return 0 if spec.check is None else 2 * len(spec.check.logits)


def bound_of(spec: StreamSpec, processor: str) -> Bound:
    """Return the bound of an artifact with a self-check.

    ``processor`` is the kind of processor that runs the artifact, a key of ``BOUNDS``. In the result, ``logits`` is in
    the unit of the logits, and not a share of their range.
    """
    assert spec.check is not None
    return bound_for(spec, processor, spec.check.span, original=spec.check.reference == "original")


def bound_for(spec: StreamSpec, processor: str, span: float, *, original: bool = False) -> Bound:
    """Return the bound of results whose expected logits have the range ``span``; other arguments as for ``bound_of``.

    ``original`` is True if the expected values are those of the original network.
    """
    bound = (ORIGINAL if original else BOUNDS[processor])[spec.precision]
    logits = bound.logits * span
    if spec.output.dtype == "int8":
        logits = max(logits, STEPS * spec.output.scale)
    return Bound(max(logits, 1e-6), bound.states)


def _run(
    model: Model, seed: int, count: int, advance: Callable[[], None] = lambda: None
) -> tuple[npt.NDArray[np.float64], dict[str, Array]]:
    """Run all test frames or windows and, if the network has a sound segment, the test sound.

    Args:
        model: the artifact.
        seed: seed of the frames and of the sound.
        count: number of rows of logits.
        advance: called after each of them.

    Returns:
        The logits, [count, classes], those of the sound last; and sampled values of each state after the last frame.
    """
    run, size = Run(model), model.spec.frame
    frames = list(_check_frames(seed, count - _hears(model.spec) + model.spec.frames - 1, size.height, size.width))
    logits = []
    for item in run.inputs(frames):
        logits.append(run.logits(item))
        advance()
    states = {name: sample(state) for name, state in run.states().items()}
    if _hears(model.spec):
        logits.append(answer_to_check_sound(model, seed))
        advance()
    return np.stack(logits).astype(np.float64), states


def _hears(spec: StreamSpec) -> bool:
    """Return whether the self-check has a sound."""
    return spec.model.sound is not None


def sample(state: Array) -> Array:
    """Return the values of a state that are compared: at most ``SAMPLES``, spread over the state."""
    values = state.ravel()
    return values[(np.arange(min(SAMPLES, values.size)) * STRIDE) % values.size]


def relative_error(values: Array, expected: Array) -> float:
    """Return the root mean square error in standard deviations of the expected values, which may be constant."""
    spread = max(float(expected.std()), 0.01 * float(np.abs(expected).max()), 1e-6)
    return rms(values - expected) / spread


def rms(errors: Array) -> float:
    """Return the root mean square."""
    return float(np.sqrt((errors**2).mean()))
