"""The first frame at which an accelerator's results leave those of this CPU, and the state that shows it.

Both run the same artifact over the same test frames, and each carries its own states. A fault in a state is often
invisible in the first frame, so every state is compared after every frame.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import LOGITS, StreamSpec
from edgeshift.stream.model import Model
from edgeshift.stream.parity import (
    MAX_ERROR,
    MAX_NON_LOCAL_ERROR,
    MAX_STATE_ERROR,
    MIN_FRAMES,
    Run,
    frames_needed,
    parity_frames,
)
from edgeshift.stream.selfcheck import BOUNDS, ORIGINAL, Bound, check_frames, relative_error
from edgeshift.stream.stream import Array

#: Largest error of an int8 state in a single frame against the original, in standard deviations. Parity allows 0.5 in
#: the mean of all frames. A lost state has about 1.
ONE_FRAME = 0.8
#: Seed of the test frames.
SEED = 11


@dataclass(frozen=True)
class Difference:
    """How far the results of two models are apart.

    Attributes:
        frames: number of frames that were compared, or of windows of a clip.
        error: largest difference of a logit, as a share of the range of the reference's logits.
        state_error: root mean square error of the state that differs most in any frame, in its standard deviations.
        limit: the largest ``error`` and ``state_error`` that are accepted.
        frame: the first frame, counted from 0, with a larger error; None: there is none.
        state: the state that differs most in that frame, relative to its limit, or "logits"; None: there is none.
    """

    frames: int
    error: float
    state_error: float
    limit: Bound
    frame: int | None = None
    state: str | None = None


class Step(NamedTuple):
    """The results of one frame, or of one window of a clip.

    Attributes:
        logits: [classes].
        states: {name: the state after the frame, as real numbers}; empty for a clip.
    """

    logits: Array
    states: dict[str, Array]


def sample_pictures(spec: StreamSpec, frames: int = MIN_FRAMES) -> npt.NDArray[np.uint8]:
    """Return frames of an artifact's size, [N, H, W, 3] RGB, enough for ``frames`` frames or windows.

    They are the drawn gestures of the parity check, or without OpenCV the patterns of the self-check. Patterns are
    outside of the ranges for which int8 networks are calibrated, so they are farther from the original network there.
    """
    size, count = spec.frame, frames_needed(spec.frames) - MIN_FRAMES + frames
    if importlib.util.find_spec("cv2") is None:
        return check_frames(SEED, count, size.height, size.width)
    rgb = msgspec.structs.replace(size, order="rgb")
    return np.stack(parity_frames(rgb, count)[:count])


def steps(model: Model, pictures: npt.NDArray[np.uint8], advance: Callable[[], None] = lambda: None) -> Iterator[Step]:
    """Yield the results of a model for every frame, or window.

    Args:
        pictures: frames of the network's size, [N, H, W, 3] RGB.
        advance: called after every frame.
    """
    run = Run(model)
    for item in run.inputs(list(pictures)):
        yield Step(run.logits(item), run.states())
        advance()


def find_difference(
    candidate: Iterable[Step], reference: Iterable[Step], limit: Bound, *, common: bool = False
) -> Difference:
    """Compare two runs of the same frames.

    Args:
        candidate, reference: the results of each frame, or window; as many of both.
        limit: the largest errors that are accepted.
        common: compare only the states that both have. False: a state that the candidate lacks has the error NaN.

    Raises:
        ValueError: one run has more frames than the other.
    """
    logits: list[tuple[Array, ...]] = []
    errors: list[dict[str, float]] = []
    for actual, expected in zip(candidate, reference, strict=True):
        logits.append((expected.logits.astype(np.float64), actual.logits.astype(np.float64)))
        names = [name for name in expected.states if name in actual.states or not common]
        errors.append(
            {
                name: relative_error(actual.states[name], expected.states[name]) if name in actual.states else np.nan
                for name in names
            }
        )
    span = float(np.ptp([row[0] for row in logits])) or 1.0
    found = Difference(len(logits), 0.0, 0.0, limit)
    shares = [float(np.abs(b - a).max()) / span for a, b in logits]
    worst = float(np.max(shares)), float(np.max([0.0, *(error for row in errors for error in row.values())]))
    for frame, (share, row) in enumerate(zip(shares, errors, strict=True)):
        relative = {LOGITS: share / limit.logits, **{name: error / limit.states for name, error in row.items()}}
        # A NaN is not below a limit, either.
        off = {name: value for name, value in relative.items() if not value <= 1}
        if off:
            state = max(off, key=lambda name: np.inf if np.isnan(off[name]) else off[name])
            return Difference(found.frames, *worst, limit, frame, state)
    return Difference(found.frames, *worst, limit)


def original_limit(spec: StreamSpec, processor: str) -> Bound:
    """Return the largest errors that are accepted against the original network.

    An accelerator may be as far from it as the artifact on the CPU, by the limits of parity, or as far as it may be
    from the CPU. Logits of int8 have no limit here, as in parity.

    Args:
        spec: the description of the artifact.
        processor: the kind of processor that runs it, a key of ``BOUNDS``.
    """
    precision = spec.precision
    if precision == "int8":
        return Bound(np.inf, ONE_FRAME)
    own = BOUNDS[processor][precision]
    logits = (MAX_NON_LOCAL_ERROR if spec.model.non_local is not None else MAX_ERROR)[precision]
    return Bound(max(logits, own.logits), max(MAX_STATE_ERROR[precision], own.states))


def limit_of(model: Model) -> Bound:
    """Return the largest errors that are accepted: of logits as a share of their range, of states in deviations.

    For int8, they are ``ORIGINAL``, because an accelerator may compute an int8 graph in float.
    """
    precision = model.spec.precision
    return ORIGINAL[precision] if precision == "int8" else BOUNDS[model.processor][precision]
