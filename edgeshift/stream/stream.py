"""Model, Stream, Prediction: the one face of every runtime.

    model = edgeshift.load("gestures.tflite")
    stream = model.stream()
    for frame in frames:                      # uint8 [H, W, 3] RGB, any size
        print(stream.step(frame).label)

A Model is the loaded file; a Stream owns one set of states, so one Model serves many cameras.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from time import perf_counter
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.spec import StreamSpec, TensorSpec
from edgeshift.errors import EdgeshiftError, VideoError
from edgeshift.events.spotter import Spotter
from edgeshift.video.clips import Pacer
from edgeshift.video.fit import FrameSpec, fit_frame

Array = npt.NDArray[Any]
#: The parts of a step, in order: the fields of ``Timings``.
PHASES = ("pre", "infer", "post")


# After a network the caches hold nothing of ours, and Python code costs several times what a loop around it shows: a
# step makes few calls. Structs are made in C; a frozen dataclass sets its fields one call at a time.


class Timings(msgspec.Struct, frozen=True):
    """Seconds: frame to tensor, state in to state out, logits to prediction."""

    pre: float
    infer: float
    post: float


class Prediction(msgspec.Struct, frozen=True):
    """The answer for one frame.

    Attributes:
        label, index: the first label. score: its softmax probability, computed when it is asked for.
        logits: float32 [classes], this frame's own, before any smoothing.
        timings: of this step. fresh: False if the frame came before it was due and the last answer is repeated.
    """

    label: str
    index: int
    logits: npt.NDArray[np.float32]
    timings: Timings
    fresh: bool = True

    @property
    def score(self) -> float:
        """The softmax probability of the first label."""
        return 1.0 / float(np.exp(self.logits - self.logits[self.index]).sum())


class Fitted(msgspec.Struct, frozen=True):
    """A frame that was fitted ahead of its step (``Stream.fit``).

    Attributes:
        pixels: uint8 [height, width, 3] in the network's order. seconds: that fitting took.
    """

    pixels: npt.NDArray[np.uint8]
    seconds: float


class Executor(Protocol):
    """What a runtime gives a stream: one set of states and the means to run a frame through it."""

    def run(self, frame: Array) -> Array:
        """Run one frame [1, H, W, 3] of the input's dtype and advance the states.

        Returns:
            The logits as the graph gives them, [1, classes]; valid until the next call.
        """
        ...

    def states(self) -> dict[str, Array]:
        """Copies of the states, as stored."""
        ...

    def set_states(self, states: dict[str, Array]) -> None:
        """Overwrite the states with arrays of the right shapes and dtypes."""
        ...


class Model:
    """A loaded artifact. Made by ``edgeshift.load``; immutable, and the source of streams.

    Args:
        spec: what the file says of itself.
        runtime: name and version of what runs it, for reports.
        executor: makes a fresh executor, one per stream.
    """

    def __init__(self, spec: StreamSpec, runtime: str, executor: Callable[[], Executor]) -> None:
        self.spec = spec
        self.runtime = runtime
        self._executor = executor

    def stream(self) -> Stream:
        """A new stream with states of its own, at the start."""
        return Stream(self.spec, self._executor())

    def fitted(self) -> Model:
        """The same, for frames that are as the network takes them: nothing is left to resize, crop or reorder."""
        frame = FrameSpec(self.spec.frame.height, self.spec.frame.width)
        return Model(msgspec.structs.replace(self.spec, frame=frame), self.runtime, self._executor)


class Stream:
    """One camera's worth of state."""

    def __init__(self, spec: StreamSpec, executor: Executor) -> None:
        self.spec = spec
        self._executor = executor
        frame, dtype = spec.frame, np.dtype(spec.input.dtype)
        self._pixels = np.empty((frame.height, frame.width, 3), np.uint8)
        # Frames of bytes are made where the pixels are: the tensor is another view of them.
        inside = dtype.itemsize == 1
        self._tensor = self._pixels.view(dtype)[None] if inside else np.empty(spec.input.shape, dtype)
        self._labels = spec.labels
        self._reals = _real_values(spec.output) if spec.output.dtype == "int8" else None
        self._start = {
            state.name: np.full(
                state.shape, _stored(state.start, state.scale, state.zero_point, state.dtype), state.dtype
            )
            for state in spec.states
        }
        self._last: Prediction | None = None
        self._pacer: Pacer | None = None
        if spec.state_form == "io":
            self.reset()
        else:  # begins where the file itself does, as in an app: parity must see that
            self._forget()

    def step(self, frame: npt.NDArray[np.uint8] | Fitted, timestamp: float | None = None) -> Prediction:
        """Feed one frame.

        Args:
            frame: uint8 [H, W, 3] RGB, any size; it is fitted as the spec says. Or what ``fit`` made of it.
            timestamp: seconds. If given, and the spec knows the trained frame spacing, a frame that comes before it
                is due is not fed: the last answer comes back with ``fresh=False``. A network trained on a frame every
                0.4 s does not understand one every 0.03 s.

        Raises:
            VideoError: not a frame.
            EdgeshiftError: a timestamp that is not finite.
        """
        if timestamp is not None and not math.isfinite(timestamp):
            raise EdgeshiftError(f"a timestamp of {timestamp} is not a time in seconds")
        pacer = None
        if timestamp is not None and self._pacer is not None:
            # A copy, kept once there is an answer: what cannot be fed must not use up the time of the next frame.
            pacer = copy(self._pacer)
            if not pacer.takes(timestamp) and self._last is not None:
                self._pacer = pacer
                return msgspec.structs.replace(self._last, timings=Timings(0.0, 0.0, 0.0), fresh=False)
        t0 = perf_counter()
        tensor = self.prepare(frame)
        t1 = perf_counter()
        raw = self._executor.run(tensor)[0]
        t2 = perf_counter()
        # Both copy: the runtime may write the next logits where these are.
        logits = raw.astype(np.float32) if self._reals is None else self._reals.take(raw)
        index = int(logits.argmax())
        pre = t1 - t0 + (frame.seconds if isinstance(frame, Fitted) else 0.0)
        timings = Timings(pre, t2 - t1, perf_counter() - t2)
        self._last = Prediction(self._labels[index], index, logits, timings)
        if pacer is not None:
            self._pacer = pacer
        return self._last

    def due(self, timestamp: float) -> bool:
        """Whether a frame of this time would be fed. Any thread may ask; the next step may make it untrue."""
        pacer = self._pacer
        return pacer is None or self._last is None or copy(pacer).takes(timestamp)

    def fit(self, frame: npt.NDArray[np.uint8]) -> Fitted:
        """Fit a frame ahead of its step. Any thread may: nothing of the stream is touched.

        Fitting waits for memory more than it computes: the thread that has just written the frame is twice as fast as
        one whose caches hold a network.

        Raises:
            VideoError: not a frame.
        """
        begin = perf_counter()
        pixels = fit_frame(frame, self.spec.frame)
        return Fitted(pixels, perf_counter() - begin)

    def prepare(self, frame: npt.NDArray[np.uint8] | Fitted) -> Array:
        """The input tensor for a frame: [1, H, W, 3], valid until the next call."""
        if isinstance(frame, Fitted):
            if frame.pixels.shape != self._pixels.shape:
                raise VideoError(f"fitted to {list(frame.pixels.shape)}: this stream takes {list(self._pixels.shape)}")
            pixels = frame.pixels
        else:
            pixels = fit_frame(frame, self.spec.frame, out=self._pixels)
        if self.spec.input.dtype == "int8":
            # value - 128 in two's complement is a flip of the top bit: one pass over bytes.
            np.bitwise_xor(pixels, 128, out=self._pixels)
        elif self.spec.input.dtype != "uint8":
            self._tensor[0] = pixels
        elif pixels is not self._pixels:
            np.copyto(self._pixels, pixels)
        return self._tensor

    def spotter(self, rule: RuleSpec | None = None) -> Spotter:
        """What turns this stream's answers into events, each announced once: feed it the fresh answers.

        Args:
            rule: None: the one that the artifact carries.

        Raises:
            EdgeshiftError: it carries none, and none is given; or a rule that does not fit the labels.
        """
        rule = rule or self.spec.rule
        if rule is None:
            raise EdgeshiftError(
                "the artifact carries no rule for announcing events: give one (edgeshift.events.spotter)"
            )
        return Spotter(rule, self.spec.labels)

    def reset(self) -> None:
        """Forget everything: the next step is the first."""
        self._begin(self._start)

    @property
    def state(self) -> dict[str, Array]:
        """The carried state, {name: array as stored}, copied: save it, restore it later by assignment.

        It holds no time. The pace counts from the first frame after a restore, as after a ``reset``: that one is fed.
        """
        return self._executor.states()

    @state.setter
    def state(self, states: dict[str, Array]) -> None:
        given = {name: (array.shape, array.dtype) for name, array in states.items()}
        wanted = {name: (array.shape, array.dtype) for name, array in self._start.items()}
        if given != wanted:
            name = next(name for name in (wanted | given) if given.get(name) != wanted.get(name))
            raise EdgeshiftError(f"state {name!r}: given {given.get(name)}, the artifact carries {wanted.get(name)}")
        self._begin(states)

    def _begin(self, states: dict[str, Array]) -> None:
        self._executor.set_states(states)
        self._forget()

    def _forget(self) -> None:
        self._last = None
        self._pacer = Pacer(self.spec.frame_spacing) if self.spec.frame_spacing else None


def _real_values(tensor: TensorSpec) -> npt.NDArray[np.float32]:
    """The real value of each int8, at the place it has as an index: -1 is the last. One look-up dequantizes."""
    stored = np.arange(256, dtype=np.uint8).view(np.int8)
    return (stored.astype(np.float32) - np.float32(tensor.zero_point)) * np.float32(tensor.scale)


def _stored(value: float, scale: float, zero_point: int, dtype: str) -> float:
    return round(value / scale) + zero_point if dtype == "int8" else value
