"""Parity: comparison of an artifact with the original network over many frames.

One frame is not enough to check a stream: a graph that loses its states still agrees on the first frame. Here both
sides carry their own states over many frames, and their states are compared as well as their logits. Then the artifact
is reset, and must give exactly the same logits again.

A clip artifact has no states. It is compared over windows of T frames. Each window begins one frame after the previous
one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import ParitySpec, SoundParitySpec, StreamSpec
from edgeshift.errors import EdgeshiftError
from edgeshift.stream.clip_stream import ClipStream
from edgeshift.stream.listening import Listening
from edgeshift.stream.model import Model
from edgeshift.stream.stream import Array, Stream
from edgeshift.targets import Precision
from edgeshift.video.fit import FrameSpec

#: Smallest number of frames for a stream artifact, and of windows for a clip artifact.
MIN_FRAMES = 32
#: Seed of the clips drawn for the parity check. They are not those of calibration, which would prove too little.
PARITY_SEED = 1001
#: Largest allowed error of a logit, as a share of the range of the reference's logits. int8 has no limit here.
MAX_ERROR = {"fp32": 1e-4, "fp16": 1e-2}
#: The same for networks with non-local blocks. Where one score is much larger than the others, the softmax of a
#: non-local block is nearly a maximum, and a rounding error in the scores changes which pixel it reads.
MAX_NON_LOCAL_ERROR = {"fp32": 5e-3, "fp16": 5e-2}
#: Smallest allowed cosine of the logits, and smallest allowed top-1 agreement when ties count as agreement.
MIN_COSINE = 0.98
MIN_TOP1 = 0.9
#: Two labels are tied if their logits in the reference differ by at most this share of the logits' range.
TIE = 0.02
#: Largest allowed root mean square error of a state, in standard deviations of the state. A lost state has about 1.
MAX_STATE_ERROR = {"fp32": 1e-3, "fp16": 2e-2, "int8": 0.5}


def parity_frames(frame: FrameSpec, count: int = MIN_FRAMES) -> list[npt.NDArray[np.uint8]]:
    """Return at least ``count`` frames of drawn clips, fitted to a network, uint8 [H, W, 3]. Drawing needs OpenCV."""
    from edgeshift.gestures.fitted_clips import FRAMES, drawn_clips  # not at import: a board may not have OpenCV

    clips = drawn_clips(frame, -(-count // FRAMES), PARITY_SEED).frames
    return [picture for clip in clips for picture in clip]


def compare(
    candidate: Model,
    reference: Model,
    frames: Sequence[npt.NDArray[np.uint8]],
    advance: Callable[[], None] = lambda: None,
    original: Model | None = None,
) -> ParitySpec:
    """Run both models over the same frames, each with its own states, and the candidate a second time after a reset.

    Args:
        candidate: the artifact.
        reference: the original network, or for fp16 the original with weights rounded to fp16. States with the same
            name on both sides are compared.
        frames: uint8 [H, W, 3] RGB each, at least ``MIN_FRAMES``; for a clip artifact of T frames, T - 1 more.
        advance: called after every frame, or window, of both runs.
        original: the original network without rounding, if the reference is rounded. The distance between the artifact
            and the original network is then measured as well.

    Raises:
        EdgeshiftError: there are too few frames.
    """
    return compare_each(candidate, (reference,), frames, advance, original)[0]


def compare_each(
    candidate: Model,
    references: Sequence[Model],
    frames: Sequence[npt.NDArray[np.uint8]],
    advance: Callable[[], None] = lambda: None,
    original: Model | None = None,
) -> list[ParitySpec]:
    """Compare a candidate with several references, each as ``compare`` does. The candidate runs only twice in all.

    Raises:
        EdgeshiftError: there are too few frames.
    """
    needed = frames_needed(candidate.spec.frames)
    if len(frames) < needed:
        raise EdgeshiftError(f"parity needs {needed} frames or more, not {len(frames)}")
    run = Run(candidate)
    inputs = run.inputs(frames)
    logits = []
    all_followed = [_Followed(reference) for reference in references]
    distant = None if original is None else _Followed(original)
    for item in inputs:
        logits.append(run.logits(item))
        states = run.states()
        for followed in (*all_followed, *filter(None, [distant])):
            followed.step(item, states)
        advance()
    names = set(run.states())
    run.reset()
    again = []
    for item in inputs:
        again.append(run.logits(item))
        advance()
    repeatable = bool(np.array_equal(np.stack(again), np.stack(logits)))
    a = np.stack(logits).astype(np.float64)
    return [_result(candidate, a, names, followed, distant, repeatable=repeatable) for followed in all_followed]


def _result(
    candidate: Model,
    a: npt.NDArray[np.float64],
    names: set[str],
    followed: _Followed,
    distant: _Followed | None,
    *,
    repeatable: bool,
) -> ParitySpec:
    """Return the comparison of the candidate's logits ``a``, [frames, classes], with those of a reference.

    Args:
        candidate: the artifact.
        a: its logits.
        names: names of its states.
        followed: the reference, after the same frames.
        distant: the original network without rounding, after the same frames.
        repeatable: whether the artifact gave the same logits again after a reset.
    """
    b = followed.logits
    errors = np.abs(a - b).max(1)
    logit_range = float(np.ptp(b)) or 1.0
    scale = candidate.spec.output.scale if candidate.spec.output.dtype == "int8" else None
    return ParitySpec(
        reference=followed.runtime,
        frames=len(a),
        logit_range=logit_range,
        max_error=float(errors.max()) / logit_range,
        cosine=cosine(a, b),
        top1=agreement(a, b, tie=0.0),
        top1_clear=agreement(a, b, tie=TIE * logit_range),
        lost_states=tuple(sorted(followed.run.states().keys() - names)),
        state_error=followed.state_error,
        drift=float((errors[-8:].mean() + 1e-12) / (errors[:8].mean() + 1e-12)),
        original_error=None if distant is None else float(np.abs(a - distant.logits).max()) / logit_range,
        original_state_error=None if distant is None else distant.state_error,
        steps=float(errors.max() / scale) if scale else None,
        runtime=candidate.runtime,
        repeatable=repeatable,
    )


def frames_needed(frames: int) -> int:
    """Return the smallest number of frames for the comparison of an artifact that takes ``frames`` in one call."""
    return MIN_FRAMES + frames - 1


def failures(parity: ParitySpec, precision: Precision, *, non_local: bool = False) -> list[str]:
    """Return a message for each limit of this precision that the artifact does not keep.

    ``non_local`` is True for a network with non-local blocks, which has wider limits.
    """
    problems = []
    limits = MAX_NON_LOCAL_ERROR if non_local else MAX_ERROR
    if not parity.repeatable:
        problems.append("the same frames gave other logits after a reset: a state is not reset")
    if precision in limits and not parity.max_error <= limits[precision]:
        problems.append(
            f"logits differ by {parity.max_error:.2g} of their range; the limit for {precision} is "
            f"{limits[precision]:g}"
        )
    if not parity.cosine >= MIN_COSINE:
        problems.append(f"the cosine of the logits is {parity.cosine:.3f}; it must be at least {MIN_COSINE}")
    if not parity.top1_clear >= MIN_TOP1:
        share = f"{parity.top1_clear:.0%} of the frames (ties count as agreement)"
        problems.append(f"the top label agrees in {share}; it must agree in at least {MIN_TOP1:.0%}")
    if parity.sound is not None:
        problems += sound_failures(parity.sound, MAX_ERROR.get(precision))
    if parity.lost_states:
        problems.append(f"the artifact does not carry {parity.lost_states[0]} of the original")
    if not parity.state_error <= MAX_STATE_ERROR[precision]:
        limit = f"the limit for {precision} is {MAX_STATE_ERROR[precision]:g}"
        problems.append(f"a state differs by {parity.state_error:.2g} standard deviations; {limit}")
    return problems


def sound_failures(parity: SoundParitySpec, limit: float | None) -> list[str]:
    """Return a message for each limit that the answers to sounds do not keep. The limits are those of the frames.

    ``limit`` is the largest allowed error of a logit, as a share of their range; None: it has no limit.
    """
    problems = []
    for what, error, angle, top1 in (
        ("sounds", parity.max_error, parity.cosine, parity.top1),
        ("frames and sound together", parity.fused_error, parity.fused_cosine, parity.fused_top1),
    ):
        if limit is not None and not error <= limit:
            problems.append(f"the logits of {what} differ by {error:.2g} of their range; the limit is {limit:g}")
        if not angle >= MIN_COSINE:
            problems.append(f"the cosine of the logits of {what} is {angle:.3f}; it must be at least {MIN_COSINE}")
        if not top1 >= MIN_TOP1:
            problems.append(f"the top label of {what} agrees in {top1:.0%}; it must agree in at least {MIN_TOP1:.0%}")
    return problems


def real_states(stream: Stream) -> dict[str, Array]:
    """Return the states of a stream as real numbers, {name: float array}, channels last."""
    return to_real(stream.spec, stream.state)


def to_real(spec: StreamSpec, stored: Mapping[str, npt.NDArray[Any]]) -> dict[str, Array]:
    """Return states as real numbers, {name: float array}, channels last.

    Args:
        spec: the artifact's description.
        stored: {name: values as the graph stores them, of the state's shape}.
    """
    states: dict[str, Array] = {}
    for state in spec.states:
        real = (stored[state.name].astype(np.float64) - state.zero_point) * state.scale
        states[state.name] = np.moveaxis(real, 1, -1) if state.channels == "first" else real
    return states


class Run:
    """Runs an artifact over a sequence of inputs: frames of a stream, or windows of a clip's frames."""

    def __init__(self, model: Model) -> None:
        self._length = model.spec.frames
        stream = model.stream() if model.spec.mode == "clip" else model.frame_stream()
        self._clips = stream if isinstance(stream, ClipStream) else None
        self._stream = None if isinstance(stream, ClipStream) else stream

    def inputs(self, frames: Sequence[npt.NDArray[np.uint8]]) -> Sequence[Any]:
        """Return the inputs for a sequence of frames: each frame, or each window of T frames for a clip artifact."""
        if self._stream is not None:
            return frames
        return [frames[start : start + self._length] for start in range(len(frames) - self._length + 1)]

    def logits(self, item: Any) -> Array:
        """Return the logits for the next frame, or for a window. They contain no sound."""
        if self._stream is not None:
            return self._stream.step(item).logits
        assert self._clips is not None
        prediction = self._clips.answer(item)
        return self._clips.frame_logits if isinstance(self._clips, Listening) else prediction.logits

    def states(self) -> dict[str, Array]:
        """Return the states after the last frame, as real numbers; empty for a clip."""
        return {} if self._stream is None else real_states(self._stream)

    def reset(self) -> None:
        """Begin a new sequence."""
        if self._stream is not None:
            self._stream.reset()


class _Followed:
    """Runs a network over the same inputs as the artifact, and measures the errors of the artifact's states."""

    def __init__(self, model: Model) -> None:
        self.run, self.runtime = Run(model), model.runtime
        self._logits: list[Array] = []
        self._errors: dict[str, StateError] = {}

    def step(self, item: Any, states: dict[str, Array]) -> None:
        """Run a frame or window, and compare the states of the artifact after the same frame."""
        self._logits.append(self.run.logits(item))
        own = self.run.states()
        for name in states.keys() & own.keys():
            self._errors.setdefault(name, StateError()).add(states[name], own[name])

    @property
    def logits(self) -> npt.NDArray[np.float64]:
        """The logits of all frames, or windows: [frames or windows, classes]."""
        return np.stack(self._logits).astype(np.float64)

    @property
    def state_error(self) -> float:
        """The error of the state that differs most."""
        # Unlike max(), np.max keeps a NaN.
        return float(np.max([0.0, *(error.relative for error in self._errors.values())]))


class StateError:
    """Accumulates the error of one state over frames, in relation to how much the state varies."""

    def __init__(self) -> None:
        self._count, self._sum, self._squares, self._errors = 0, 0.0, 0.0, 0.0

    def add(self, state: Array, reference: Array) -> None:
        """Add the real values of the state after one frame, in the artifact and in the reference."""
        self._count += reference.size
        self._sum += float(reference.sum())
        self._squares += float((reference**2).sum())
        self._errors += float(((state - reference) ** 2).sum())

    @property
    def relative(self) -> float:
        """Root mean square error divided by the standard deviation of the reference. A lost state has about 1."""
        variance = self._squares / self._count - (self._sum / self._count) ** 2
        return float(np.sqrt(self._errors / self._count / max(variance, 1e-12)))


def cosine(a: Array, b: Array) -> float:
    """Return the cosine of two sequences of logits, each as one vector, without the offset of each frame's logits."""
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    return float((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-12))


def agreement(a: Array, b: Array, tie: float) -> float:
    """Return the share of frames whose top labels agree, or have logits in b that differ by at most ``tie``."""
    rows = np.arange(len(b))
    margin = b.max(1) - b[rows, a.argmax(1)]
    return float((margin <= tie).mean())
