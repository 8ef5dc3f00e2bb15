"""The first frame at which an accelerator's results leave those of the CPU, and the state that shows it.

Both run the same artifact over the same test frames, and each carries its own states. A fault in a state is often
invisible in the first frame, so every state is compared after every frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgeshift.artifact.spec import LOGITS
from edgeshift.stream.model import Model
from edgeshift.stream.parity import MIN_FRAMES, Run, frames_needed
from edgeshift.stream.selfcheck import BOUNDS, ORIGINAL, Bound, check_frames, relative_error
from edgeshift.stream.stream import Array

#: Seed of the test frames.
SEED = 11


@dataclass(frozen=True)
class Difference:
    """How far the results of two models are apart.

    Attributes:
        frames: number of frames that were compared, or of windows of a clip.
        error: largest difference of a logit, as a share of the range of the CPU's logits.
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


def first_difference(
    candidate: Model, reference: Model, frames: int = MIN_FRAMES, advance: Callable[[], None] = lambda: None
) -> Difference:
    """Compare a model on an accelerator with the same artifact on the CPU.

    Args:
        candidate: the artifact on the accelerator.
        reference: the artifact on the CPU.
        frames: number of frames, or of windows of a clip.
        advance: called after every frame.

    Raises:
        RuntimeStepError: a runtime failed.
    """
    spec = candidate.spec
    size = spec.frame
    pictures = check_frames(SEED, frames_needed(spec.frames) - MIN_FRAMES + frames, size.height, size.width)
    runs = Run(reference), Run(candidate)
    logits: list[tuple[Array, ...]] = []
    errors: list[dict[str, float]] = []
    for item in runs[0].inputs(list(pictures)):
        logits.append(tuple(run.logits(item).astype(np.float64) for run in runs))
        expected, actual = (run.states() for run in runs)
        errors.append({name: relative_error(actual[name], expected[name]) for name in expected})
        advance()
    span = float(np.ptp([row[0] for row in logits])) or 1.0
    limit = limit_of(candidate)
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


def limit_of(model: Model) -> Bound:
    """Return the largest errors that are accepted: of logits as a share of their range, of states in deviations.

    int8 has those of parity with the original network, because an accelerator may compute an int8 graph in float.
    """
    precision = model.spec.precision
    return ORIGINAL[precision] if precision == "int8" else BOUNDS[model.processor][precision]
