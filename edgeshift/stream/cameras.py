"""Artifacts that take the frames of several cameras in one call: ``Cameras`` runs them, ``view`` shows one camera.

Every camera has its own states, in its own row of each state tensor. This is meant for GPUs, which one small
network does not keep busy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import StreamSpec, TensorSpec
from edgeshift.errors import EdgeshiftError, VideoError
from edgeshift.stream.stream import Array, Executor, Prediction, Timings, real_logits, stored_start
from edgeshift.video.fit import fit_frame


class Cameras:
    """Streams of N cameras that are run in one call, each with its own states. Made by ``Model.cameras``.

    Use it from one thread. Frames are run as they are given: take one at each ``spec.frame_spacing``.
    """

    def __init__(self, spec: StreamSpec, executor: Executor) -> None:
        self.spec = spec
        self._executor = executor
        self._pixels = np.empty(spec.input.shape, np.uint8)
        self._real = real_logits(spec.output)
        self._start = {state.name: np.full(state.shape, stored_start(state), state.dtype) for state in spec.states}
        self.reset()

    def __len__(self) -> int:
        """Return the number of cameras."""
        return self.spec.batch

    def step(self, frames: Sequence[npt.NDArray[np.uint8]]) -> list[Prediction]:
        """Run one frame of every camera in one call.

        Args:
            frames: a frame for each camera, in the same order in every call: uint8 [H, W, 3] RGB of any size.

        Returns:
            The prediction for each camera. Their timings are those of the whole call.

        Raises:
            VideoError: the number of frames is not that of the cameras, or a frame has another dtype or shape.
        """
        if len(frames) != len(self):
            raise VideoError(f"{len(frames)} frames for {len(self)} cameras: give one frame for each camera")
        start = perf_counter()
        for frame, pixels in zip(frames, self._pixels, strict=True):
            fit_frame(frame, self.spec.frame, out=pixels)
        tensor = input_of(self._pixels, self.spec.input)
        begin = perf_counter()
        raw = self._executor.run(tensor)
        end = perf_counter()
        rows = self._real(raw)
        tops = [int(index) for index in rows.argmax(1)]
        timings = Timings(begin - start, end - begin, perf_counter() - end)
        return [Prediction(self.spec.labels[top], top, row, timings) for top, row in zip(tops, rows, strict=True)]

    def reset(self, camera: int | None = None) -> None:
        """Set the states of one camera to their start values; None: of all cameras.

        Raises:
            EdgeshiftError: there is no such camera. The first one is 0.
        """
        if camera is None:
            self._executor.set_states(self._start)
            return
        require_camera(self.spec, camera)
        states = self._executor.states()
        for name, state in states.items():
            state[camera] = self._start[name][camera]
        self._executor.set_states(states)

    @property
    def state(self) -> dict[str, Array]:
        """Copies of the states, {name: array as stored}. The first dimension is the camera."""
        return self._executor.states()


class OneCamera:
    """Runs one camera of an artifact for N cameras (``edgeshift.stream.Executor``).

    The other cameras get the negative of its frame, so that an artifact that mixes cameras gives wrong results.
    """

    def __init__(self, executor: Executor, spec: StreamSpec, camera: int) -> None:
        self._executor, self._camera = executor, camera
        self._tensor = np.empty(spec.input.shape, spec.input.dtype)

    def run(self, frame: Array) -> Array:
        """Run a frame of the camera, [1, H, W, 3]."""
        self._tensor[:] = 255 - frame if frame.dtype.kind == "f" else ~frame
        self._tensor[self._camera] = frame[0]
        return self._executor.run(self._tensor)[self._camera : self._camera + 1]

    def states(self) -> dict[str, Array]:
        """Return copies of the camera's states."""
        states = self._executor.states()
        return {name: state[self._camera : self._camera + 1] for name, state in states.items()}

    def set_states(self, states: dict[str, Array]) -> None:
        """Replace the camera's states."""
        stored = self._executor.states()
        for name, state in states.items():
            stored[name][self._camera] = state[0]
        self._executor.set_states(stored)


def require_camera(spec: StreamSpec, camera: int) -> None:
    """Raise an EdgeshiftError if an artifact has no camera with this number."""
    if not 0 <= camera < spec.batch:
        raise EdgeshiftError(f"there is no camera {camera}: this artifact has the cameras 0 to {spec.batch - 1}")


def one_camera(spec: StreamSpec) -> StreamSpec:
    """Return the description of one camera of an artifact."""

    def row(tensor: TensorSpec) -> TensorSpec:
        return msgspec.structs.replace(tensor, shape=(1, *tensor.shape[1:]))

    return msgspec.structs.replace(
        spec, input=row(spec.input), output=row(spec.output), states=tuple(row(state) for state in spec.states)
    )


def view(spec: StreamSpec, executor: Callable[[], Executor], camera: int) -> Callable[[], Executor]:
    """Return the function that makes the executor of one camera."""
    require_camera(spec, camera)
    return lambda: OneCamera(executor(), spec, camera)


def input_of(pixels: npt.NDArray[np.uint8], tensor: TensorSpec) -> Array:
    """Return the input tensor for fitted pixels, uint8 [N, H, W, 3]."""
    if tensor.dtype == "int8":  # the pixel minus 128: in two's complement, the top bit is flipped
        return np.bitwise_xor(pixels, np.uint8(128)).view(np.int8)
    return pixels if tensor.dtype == "uint8" else pixels.astype(tensor.dtype)
