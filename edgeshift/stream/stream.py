"""Stream and Prediction: run an artifact frame by frame, in the same way on every runtime."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial
from operator import methodcaller
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift._system.quiet import quiet
from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.spec import StreamSpec, TensorSpec
from edgeshift.errors import EdgeshiftError, RuntimeStepError, VideoError, one_line
from edgeshift.video.fit import fit_frame
from edgeshift.video.pace import Pacer, require_time

if TYPE_CHECKING:
    from edgeshift.events.spotter import Spotter
    from edgeshift.stream.ear import Hearing

Array = npt.NDArray[Any]
#: The parts of a step, in order: the fields of ``Timings``.
PHASES = ("pre", "infer", "post")


# Inference evicts the caches, so Python after it is several times slower than in a micro-benchmark. A step therefore
# makes few calls and returns msgspec structs, which are made in C. A frozen dataclass would set its fields one by one.


class Timings(msgspec.Struct, frozen=True):
    """Seconds of a step: ``pre`` from frame to input tensor, ``infer`` in the runtime, ``post`` to the prediction."""

    pre: float
    infer: float
    post: float


class Prediction(msgspec.Struct, frozen=True):
    """The result for one frame.

    Attributes:
        label: label with the largest logit.
        index: index of that label.
        logits: float32 [classes], not smoothed over frames.
        timings: times of the step.
        fresh: False if the frame was not due, so that the previous prediction is repeated.
        heard: "heard" if the prediction contains a sound, else the reason why not (``edgeshift.stream.ear.Hearing``);
            None: the network has no sound segment, or the frames of a whole clip were given without a sound.
    """

    label: str
    index: int
    logits: npt.NDArray[np.float32]
    timings: Timings
    fresh: bool = True
    heard: Hearing | None = None

    @property
    def score(self) -> float:
        """Softmax probability of the label. It is computed at every access."""
        return 1.0 / float(np.exp(self.logits - self.logits[self.index]).sum())


class Fitted(msgspec.Struct, frozen=True):
    """The result of ``Stream.fit``: uint8 [height, width, 3] as the network takes it, and the seconds that it took."""

    pixels: npt.NDArray[np.uint8]
    seconds: float


class Executor(Protocol):
    """Runs the graph with one set of states. Each runtime implements this."""

    def run(self, frame: Array) -> Array:
        """Run the input of one call, with shape and dtype of the graph's input, and update the states.

        Returns:
            The logits as the graph stores them, with the shape of its output. They are valid until the next call.
        """

    def states(self) -> dict[str, Array]:
        """Return copies of the states, as the graph stores them."""

    def set_states(self, states: dict[str, Array]) -> None:
        """Replace the states by arrays of the same shapes and dtypes."""


class Stream:
    """One sequence of frames with its states. Made by ``Model.stream``.

    Use it from one thread. Only ``fit`` may be called from other threads.
    """

    _last: Prediction | None
    _pacer: Pacer | None

    def __init__(self, spec: StreamSpec, executor: Executor) -> None:
        self.spec = spec
        self._executor = executor
        frame, dtype = spec.frame, np.dtype(spec.input.dtype)
        self._pixels = np.empty((frame.height, frame.width, 3), np.uint8)
        # If the graph takes bytes, the input tensor is a view of the fitted pixels.
        in_place = dtype.itemsize == 1
        self._tensor = self._pixels.view(dtype)[None] if in_place else np.empty((1, *self._pixels.shape), dtype)
        # Writes fitted pixels to the input tensor. A partial of a function in C costs no Python call.
        self._load: Callable[[npt.NDArray[np.uint8]], Any] = partial(np.copyto, self._tensor[0])
        if spec.input.dtype == "int8":  # the pixel minus 128: in two's complement, the top bit is flipped
            self._load = partial(np.bitwise_xor, np.uint8(128), out=self._pixels)
        self._labels = spec.labels
        self._ran = False
        self._real = real_logits(spec.output)
        self._start = {state.name: np.full(state.shape, stored_start(state), state.dtype) for state in spec.states}
        # Other states begin with the values in the file, as in an app, so that parity compares those.
        self._restart(self._start if spec.state_form == "io" else None)

    def step(self, frame: npt.NDArray[np.uint8], timestamp: float | None = None) -> Prediction:
        """Run one frame.

        Args:
            frame: uint8 [H, W, 3] RGB of any size. It is fitted to the size that the network takes.
            timestamp: time of the frame in seconds. If it is given and the artifact knows its frame spacing, a frame
                that is not due is not run, and the previous prediction is returned with ``fresh=False``. Networks are
                trained with a certain frame spacing, and are less accurate with another one.

        Raises:
            VideoError: the frame has another dtype or shape.
            EdgeshiftError: the timestamp is not a time in seconds.
            RuntimeStepError: the runtime failed.
        """
        return self._step(frame, None, timestamp)

    def step_fitted(self, fitted: Fitted, timestamp: float | None = None) -> Prediction:
        """Run a frame that ``fit`` has fitted. The time of fitting is part of ``timings.pre``.

        Args:
            fitted: the fitted frame. It is not changed.
            timestamp: as for ``step``.

        Raises:
            VideoError: the frame was fitted for a network that takes another size.
            EdgeshiftError: the timestamp is not a time in seconds.
            RuntimeStepError: the runtime failed.
        """
        self._require_fitted(fitted)
        return self._step(None, fitted, timestamp)

    def fit(self, frame: npt.NDArray[np.uint8]) -> Fitted:
        """Fit a frame before its step. Any thread may call this, because it does not change the stream.

        Fitting mostly waits for memory. The thread that has just written the frame still has it in its caches, and
        needs half the time of a thread that runs the network.

        Raises:
            VideoError: the frame has another dtype or shape than uint8 [H, W, 3].
        """
        start = perf_counter()
        pixels = fit_frame(frame, self.spec.frame)
        return Fitted(pixels, perf_counter() - start)

    def prepare(self, frame: npt.NDArray[np.uint8]) -> Array:
        """Return the input tensor for a frame, [1, H, W, 3]. It is valid until the next call or step."""
        self._load(fit_frame(frame, self.spec.frame, out=self._pixels))
        return self._tensor

    def spotter(self, rule: RuleSpec | None = None) -> Spotter:
        """Return a spotter, which turns the fresh predictions of this stream into detections.

        Args:
            rule: the event rule; None: the rule in the artifact, or the default rule if it has none.

        Raises:
            EdgeshiftError: the rule does not fit the labels.
        """
        # Not at import, because many programs need no events.
        from edgeshift.events.default_rule import rule_of
        from edgeshift.events.spotter import Spotter

        return Spotter(rule or rule_of(self.spec), self.spec.labels)

    def hear(self, samples: npt.ArrayLike, timestamp: float, rate: int) -> None:
        """Take samples of a microphone, for a network with a sound segment; see ``SoundStream.hear``.

        Raises:
            EdgeshiftError: the network has no sound segment.
        """
        raise EdgeshiftError(f"this {self.spec.model.name} takes frames only: it has no sound segment")

    def reset(self) -> None:
        """Set the states to their start values. The next frame is the first of a new sequence."""
        self._restart(self._start)

    @property
    def state(self) -> dict[str, Array]:
        """Copies of the states, {name: array as stored}. Assign them later to continue from the same point.

        They contain no time: as after a ``reset``, the frame spacing counts from the next frame.
        """
        return self._executor.states()

    @state.setter
    def state(self, states: dict[str, Array]) -> None:
        self._assign(states)

    def _assign(self, states: dict[str, Array]) -> None:
        """Check states and begin a new sequence with them."""
        try:
            given = {name: (array.shape, array.dtype) for name, array in states.items()}
        except AttributeError as error:
            raise EdgeshiftError("a state is a dict of arrays, as a stream returns it: {name: array}") from error
        expected = {name: (array.shape, array.dtype) for name, array in self._start.items()}
        for name in expected | given:
            if given.get(name) != expected.get(name):
                raise EdgeshiftError(
                    f"state {name!r}: given {given.get(name)}, but the artifact has {expected.get(name)}"
                )
            if states[name].dtype.kind == "f" and not np.isfinite(states[name]).all():
                raise EdgeshiftError(f"state {name!r} contains NaN or infinity: assign a state that a stream returned")
        self._restart(states)

    def _step(self, frame: Any, fitted: Fitted | None, timestamp: float | None) -> Prediction:
        due, pacer = True, self._pacer
        if timestamp is not None:
            due, pacer = self._due(timestamp)
            if not due and self._last is not None:
                self._pacer = pacer
                return msgspec.structs.replace(self._last, timings=Timings(0.0, 0.0, 0.0), fresh=False)
        start = perf_counter()
        if fitted is None:
            self._load(fit_frame(frame, self.spec.frame, out=self._pixels))
        else:
            self._load(fitted.pixels)
            start -= fitted.seconds
        self._last = prediction = self._predict(self._tensor, start)
        self._pacer = pacer  # only after the prediction: a frame that fails must not make the next one early
        return prediction

    def _due(self, timestamp: float | None) -> tuple[bool, Pacer | None]:
        """Return whether a frame is due, and the pacer after it, which is not used yet."""
        if timestamp is None:
            return True, self._pacer
        require_time(timestamp)
        if self._pacer is None:
            return True, None
        pacer = copy(self._pacer)
        return pacer.takes(timestamp), pacer

    def _predict(self, tensor: Array, start: float) -> Prediction:
        """Run the graph. ``start`` is the time at which the work on its input began."""
        t1 = perf_counter()
        try:
            raw = self._executor.run(tensor) if self._ran else self._run_first(tensor)
        except EdgeshiftError:
            raise
        except Exception as error:  # native libraries raise many kinds of exceptions
            raise RuntimeStepError(
                f"the runtime cannot run the graph of this {self.spec.target} artifact: {one_line(error)}; check the "
                "artifact with edgeshift verify, and convert it again if it is damaged"
            ) from error
        t2 = perf_counter()
        logits = self._answer(raw)
        index = int(logits.argmax())
        return Prediction(self._labels[index], index, logits, Timings(t1 - start, t2 - t1, perf_counter() - t2))

    def _answer(self, raw: Array) -> npt.NDArray[np.float32]:
        """Return the logits of a prediction, [classes], from the output of the graph, [1, classes]."""
        return self._real(raw[0])

    def _require_fitted(self, fitted: Fitted) -> None:
        if fitted.pixels.shape != self._pixels.shape:
            raise VideoError(
                f"the frame was fitted to {list(fitted.pixels.shape)}, but this stream takes {list(self._pixels.shape)}"
            )

    def _run_first(self, tensor: Array) -> Array:
        """Run the graph for the first time. If it cannot run, it fails here, and the runtime's log is not shown."""
        with quiet():
            raw = self._executor.run(tensor)
        self._ran = True
        return raw

    def _restart(self, states: dict[str, Array] | None) -> None:
        """Start a new sequence with these states; None: with those that the executor has."""
        if states is not None:
            self._executor.set_states(states)
        self._last = None
        self._pacer = Pacer(self.spec.frame_spacing) if self.spec.frame_spacing else None


def real_logits(tensor: TensorSpec) -> Callable[[Array], npt.NDArray[np.float32]]:
    """Return a function that copies logits as real numbers. The runtime may overwrite its own in the next step."""
    if tensor.dtype == "int8":
        return _dequantized(tensor).take
    return methodcaller("astype", np.float32)


def _dequantized(tensor: TensorSpec) -> npt.NDArray[np.float32]:
    """Return the real values of all 256 stored int8 values. The stored value is the index: that of -1 is the last."""
    stored = np.arange(256, dtype=np.uint8).view(np.int8)
    return (stored.astype(np.float32) - np.float32(tensor.zero_point)) * np.float32(tensor.scale)


def stored_start(state: TensorSpec) -> float:
    """Return the start value of a state, as the graph stores it."""
    return round(state.start / state.scale) + state.zero_point if state.dtype == "int8" else state.start
