"""Parity: an artifact against the original, over a sequence of frames.

One frame proves nothing about a stream: a graph that silently drops its state agrees on the first frame. So both
sides carry their own state over many frames, states are compared as well as logits, and the artifact is reset and
run again and must repeat itself to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import ParitySpec
from edgeshift.errors import EdgeshiftError
from edgeshift.stream.stream import Array, Model, Stream
from edgeshift.targets import Precision

MIN_FRAMES = 32
#: Largest error of a logit, as a share of the range of the reference's logits.
MAX_ERROR = {"fp32": 1e-4, "fp16": 1e-2}
MIN_COSINE = 0.98
MIN_TOP1 = 0.9
#: Two labels whose logits are this close in the reference, as a share of the logits' range, are a tie.
TIE = 0.02
#: Root mean square error of a state over its standard deviation; a state that is not carried at all is off by 1.
MAX_STATE_ERROR = {"fp32": 1e-3, "fp16": 2e-2, "int8": 0.5}


def compare(
    candidate: Model,
    reference: Model,
    frames: Sequence[npt.NDArray[np.uint8]],
    advance: Callable[[], None] = lambda: None,
) -> ParitySpec:
    """Run both over the same frames, each with its own state, then the candidate once more from the start.

    Args:
        candidate: the artifact.
        reference: the original; states that both carry under the same name are compared.
        frames: at least ``MIN_FRAMES`` of uint8 [H, W, 3] RGB.
        advance: called after every frame.

    Raises:
        EdgeshiftError: too few frames to prove anything.
    """
    if len(frames) < MIN_FRAMES:
        raise EdgeshiftError(f"parity needs {MIN_FRAMES} frames or more, not {len(frames)}")
    ours, theirs = candidate.stream(), reference.stream()
    got, want = [], []
    spreads: dict[str, Spread] = {}
    for frame in frames:
        got.append(ours.step(frame).logits)
        want.append(theirs.step(frame).logits)
        mine, original = real_states(ours), real_states(theirs)
        for name in mine.keys() & original.keys():
            spreads.setdefault(name, Spread()).add(mine[name], original[name])
        advance()
    ours.reset()
    again = [ours.step(frame).logits for frame in frames]
    a, b = np.stack(got).astype(np.float64), np.stack(want).astype(np.float64)
    errors = np.abs(a - b).max(1)
    span = float(np.ptp(b)) or 1.0
    scale = candidate.spec.output.scale if candidate.spec.output.dtype == "int8" else None
    return ParitySpec(
        reference=reference.runtime,
        frames=len(frames),
        logit_range=span,
        max_error=float(errors.max()) / span,
        cosine=_cosine(a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)),
        top1=_top1(a, b, tie=0.0),
        top1_clear=_top1(a, b, tie=TIE * span),
        lost_states=tuple(sorted(real_states(theirs).keys() - real_states(ours).keys())),
        state_error=float(np.max([0.0, *(spread.error for spread in spreads.values())])),  # unlike max(), keeps a NaN
        drift=float((errors[-8:].mean() + 1e-12) / (errors[:8].mean() + 1e-12)),
        steps=float(errors.max() / scale) if scale else None,
        runtime=candidate.runtime,
        repeatable=bool(np.array_equal(np.stack(again), np.stack(got))),
    )


def failures(parity: ParitySpec, precision: Precision) -> list[str]:
    """What the artifact fails, in words; empty if it passes."""
    found = []
    if not parity.repeatable:
        found.append("after a reset the same frames gave other logits: state survives the reset")
    if precision in MAX_ERROR and not parity.max_error <= MAX_ERROR[precision]:
        found.append(
            f"logits differ by {parity.max_error:.2g} of their range; {precision} allows {MAX_ERROR[precision]:g}"
        )
    if not parity.cosine >= MIN_COSINE:
        found.append(f"cosine {parity.cosine:.3f} of the logits; at least {MIN_COSINE} is asked")
    if not parity.top1_clear >= MIN_TOP1:
        share = f"{parity.top1_clear:.0%} of the frames, ties not counted against it"
        found.append(f"first label agrees in {share}; at least {MIN_TOP1:.0%} is asked")
    if parity.lost_states:
        found.append(f"the original's {parity.lost_states[0]} is not carried at all")
    if not parity.state_error <= MAX_STATE_ERROR[precision]:
        allowed = f"{precision} allows {MAX_STATE_ERROR[precision]:g}"
        found.append(f"a state differs by {parity.state_error:.2g} of its spread; {allowed}")
    return found


def real_states(stream: Stream) -> dict[str, Array]:
    """The carried states as real numbers, {name: float array}, channels last."""
    stored = stream.state
    found: dict[str, Array] = {}
    for state in stream.spec.states:
        real = (stored[state.name].astype(np.float64) - state.zero_point) * state.scale
        found[state.name] = np.moveaxis(real, 1, -1) if state.channels == "first" else real
    return found


class Spread:
    """Sums over a sequence of one state, for its error relative to how much it varies."""

    def __init__(self) -> None:
        self.count, self.total, self.squares, self.errors = 0, 0.0, 0.0, 0.0

    def add(self, ours: Array, original: Array) -> None:
        """One frame's state, as real numbers, of both sides."""
        self.count += original.size
        self.total += float(original.sum())
        self.squares += float((original**2).sum())
        self.errors += float(((ours - original) ** 2).sum())

    @property
    def error(self) -> float:
        """Root mean square difference over standard deviation: 1 or so for a state that is not carried."""
        variance = self.squares / self.count - (self.total / self.count) ** 2
        return float(np.sqrt(self.errors / self.count / max(variance, 1e-12)))


def _cosine(a: Array, b: Array) -> float:
    """Of two sequences as one vector each. Centred per frame before: a common offset of all logits means nothing."""
    return float((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-12))


def _top1(a: Array, b: Array, tie: float) -> float:
    """Share of rows whose first label agrees, or whose two labels are within ``tie`` of each other in b."""
    rows = np.arange(len(b))
    margin = b.max(1) - b[rows, a.argmax(1)]
    return float((margin <= tie).mean())
