"""A stream of a clip artifact: it keeps the last T frames, and runs the whole clip at every hop.

    t        0   1   2   3   4   5   6   7   8   9  10  11       T = 8, hop = 4
    answer   -   -   -   -   -   -   -   A   A   A   A   B       A: frames 0 to 7, B: frames 4 to 11

Weights that need future frames cannot run frame by frame. Within a clip of T frames, all frames but the last one have a
next frame. Each answer takes the time of a whole clip, and is ``hop`` frames old when the next answer comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import StreamSpec
from edgeshift.errors import EdgeshiftError
from edgeshift.stream.stream import Array, Executor, Fitted, Prediction, Stream, Timings
from edgeshift.video.fit import fit_frame

#: Names of the arrays in ``ClipStream.state``.
FRAMES, COUNT = "frames", "count"


class ClipStream(Stream):
    """One sequence of frames, of which the last T are kept. Made by ``Model.stream`` for a clip artifact.

    ``step`` and ``step_fitted`` count the due frames, and return None before frame T. Frame T and every ``hop``-th
    frame after it give a new prediction. The other frames give the last prediction again, with ``fresh=False``.
    """

    def __init__(self, spec: StreamSpec, executor: Executor) -> None:
        assert spec.hop is not None
        self._hop = spec.hop
        self._ring = np.zeros((spec.frames, spec.frame.height, spec.frame.width, 3), np.uint8)
        self._count = 0  # frames since the start
        self._clip = np.zeros(spec.input.shape, spec.input.dtype)
        super().__init__(spec, executor)

    # The base class never returns None, so that typed code for stream artifacts need not check for it.
    def step(  # type: ignore[override]
        self, frame: npt.NDArray[np.uint8], timestamp: float | None = None
    ) -> Prediction | None:
        """Take one frame, uint8 [H, W, 3] RGB; see ``Stream.step``. Returns None before due frame T."""
        return self._step(frame, None, timestamp)

    def step_fitted(self, fitted: Fitted, timestamp: float | None = None) -> Prediction | None:  # type: ignore[override]
        """Take a fitted frame; see ``Stream.step_fitted``. Returns None before due frame T."""
        self._require_fitted(fitted)
        return self._step(None, fitted, timestamp)

    def answer(self, frames: Sequence[npt.NDArray[np.uint8]]) -> Prediction:
        """Run one clip of exactly T frames, uint8 [H, W, 3] RGB of any size.

        The frames that ``step`` keeps stay as they are.

        Raises:
            VideoError: a frame has another dtype or shape.
            EdgeshiftError: the number of frames is not T.
            RuntimeStepError: the runtime failed.
        """
        if len(frames) != self.spec.frames:
            raise EdgeshiftError(f"this artifact takes clips of {self.spec.frames} frames, not of {len(frames)}")
        start = perf_counter()
        fitted = np.stack([fit_frame(frame, self.spec.frame) for frame in frames])
        self._fill([fitted])
        return self._predict(self._clip, start)

    def prepare(self, frame: npt.NDArray[np.uint8]) -> Array:
        """Return the input tensor for a clip that shows one frame T times.

        The stream writes to the same array again in the next ``prepare``, ``answer`` or ``step``.
        """
        self._fill([np.broadcast_to(fit_frame(frame, self.spec.frame), self._ring.shape)])
        return self._clip

    def reset(self) -> None:
        """Forget all frames. The next frame is the first of a new sequence."""
        super().reset()
        self._count = 0

    @property
    def state(self) -> dict[str, Array]:
        """Copies of the last T frames. Assign them later to continue from the same point.

        ``frames`` is uint8 [T, height, width, 3], the oldest frame first, and ``count`` [1] the number of frames.
        """
        at = self._count % self.spec.frames
        return {FRAMES: np.roll(self._ring, -at, 0), COUNT: np.array([self._count])}

    @state.setter
    def state(self, states: dict[str, Array]) -> None:
        try:
            frames, count = states[FRAMES], int(states[COUNT][0])
            valid = frames.shape == self._ring.shape and frames.dtype == np.uint8 and count >= 0
        except (LookupError, TypeError, ValueError, AttributeError):
            valid = False
        if not valid:
            raise EdgeshiftError(
                f"a state of this stream is {{{FRAMES!r}: uint8 {list(self._ring.shape)}, {COUNT!r}: [number]}}: "
                "assign a state that a stream returned"
            )
        self._restart({})
        self._ring[:] = np.roll(frames, count % self.spec.frames, 0)
        self._count = count

    def _step(self, frame: Any, fitted: Fitted | None, timestamp: float | None) -> Prediction | None:  # type: ignore[override]
        due, pacer = self._due(timestamp)
        if not due:
            self._pacer = pacer
            return self._repeated(0.0)
        start = perf_counter()
        slot = self._ring[self._count % self.spec.frames]
        if fitted is None:
            fit_frame(frame, self.spec.frame, out=slot)
        else:
            np.copyto(slot, fitted.pixels)
            start -= fitted.seconds
        count = self._count + 1
        waiting = count - self.spec.frames
        if waiting >= 0 and waiting % self._hop == 0:
            at = count % self.spec.frames
            self._listen(timestamp)
            self._fill([self._ring[at:], self._ring[:at]])
            self._last = self._predict(self._clip, start)
            prediction: Prediction | None = self._last
        else:
            prediction = self._repeated(perf_counter() - start)
        # Updated only here, after the run: if a frame fails, the caller can give the frame again.
        self._count, self._pacer = count, pacer
        return prediction

    def _listen(self, timestamp: float | None) -> None:
        """Prepare for the answer to a frame of this time. A stream that hears looks for a sound."""

    def _repeated(self, pre: float) -> Prediction | None:
        """Return the last prediction again, marked as not fresh; None: there is none yet.

        ``pre`` is the time that was needed to fit the frame, in seconds.
        """
        return self._last and msgspec.structs.replace(self._last, timings=Timings(pre, 0.0, 0.0), fresh=False)

    def _fill(self, parts: Sequence[npt.NDArray[Any]]) -> None:
        """Write fitted frames, uint8 [.., height, width, 3], to the input tensor in this order."""
        clip = self._clip if self.spec.input.channels == "last" else np.moveaxis(self._clip, 1, -1)
        at = 0
        for part in parts:
            end = at + len(part)
            if self.spec.input.dtype == "int8":  # the pixel minus 128: in two's complement, the top bit is flipped
                np.bitwise_xor(part, np.uint8(128), out=clip[at:end].view(np.uint8))
            else:
                np.copyto(clip[at:end], part)
            at = end
