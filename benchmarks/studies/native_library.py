"""The native runtime's shared library in Python, by ctypes. Tests and studies compare it with the Python stream.

The structures are those of ``runtimes/native/include/edgeshift/edgeshift.h``.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshift.benchmarks.devices.litert_library import installed_library
from edgeshift.errors import EdgeshiftError
from edgeshift.video.fit import FrameSpec

OK, WAITING = 0, 1
#: The values of ``es_heard``, as Python calls them.
HEARD = (None, "heard", "deaf", "waiting", "late", "silent", "clipped")
FORMATS = ("rgb", "bgr", "rgba", "bgra", "nv12", "nv21", "i420")
COLOURS = ("bt601_full", "bt601_video", "bt709_full", "bt709_video")


class Options(ctypes.Structure):
    """``es_options``."""

    _fields_ = [("threads", ctypes.c_int32), ("library", ctypes.c_char_p)]


class Image(ctypes.Structure):
    """``es_image``."""

    _fields_ = [
        ("format", ctypes.c_int),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("planes", ctypes.c_void_p * 3),
        ("strides", ctypes.c_size_t * 3),
        ("pixel_stride", ctypes.c_int32),
        ("rotation", ctypes.c_int32),
        ("mirrored", ctypes.c_int32),
        ("yuv", ctypes.c_int),
    ]


class RawPrediction(ctypes.Structure):
    """``es_prediction``."""

    _fields_ = [
        ("index", ctypes.c_int32),
        ("label", ctypes.c_char_p),
        ("score", ctypes.c_float),
        ("fresh", ctypes.c_int32),
        ("classes", ctypes.c_int32),
        ("logits", ctypes.POINTER(ctypes.c_float)),
        ("pre", ctypes.c_double),
        ("infer", ctypes.c_double),
        ("post", ctypes.c_double),
        ("heard", ctypes.c_int),
    ]


class Event(ctypes.Structure):
    """``es_event``."""

    _fields_ = [
        ("index", ctypes.c_int32),
        ("label", ctypes.c_char_p),
        ("score", ctypes.c_double),
        ("timestamp", ctypes.c_double),
    ]


class Check(ctypes.Structure):
    """``es_check``."""

    _fields_ = [
        ("ok", ctypes.c_int32),
        ("frames", ctypes.c_int32),
        ("repeatable", ctypes.c_int32),
        ("version", ctypes.c_int32),
        ("error", ctypes.c_double),
        ("tolerance", ctypes.c_double),
        ("state_error", ctypes.c_double),
        ("state_tolerance", ctypes.c_double),
    ]


class NativeLibrary:
    """``libedgeshift.so``, which ``make native`` builds."""

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        pointer, status = ctypes.c_void_p, ctypes.c_int
        signatures: dict[str, tuple[Any, list[Any]]] = {
            "es_error": (ctypes.c_char_p, []),
            "es_model_open": (pointer, [ctypes.c_char_p, pointer]),
            "es_model_open_memory": (pointer, [pointer, ctypes.c_size_t, ctypes.c_char_p, pointer]),
            "es_model_close": (None, [pointer]),
            "es_model_runtime": (ctypes.c_char_p, [pointer]),
            "es_model_fit": (status, [pointer, pointer, pointer]),
            "es_model_self_check": (status, [pointer, pointer]),
            "es_stream_new": (pointer, [pointer]),
            "es_stream_free": (None, [pointer]),
            "es_stream_reset": (status, [pointer]),
            "es_stream_step": (status, [pointer, pointer, ctypes.c_double, pointer]),
            "es_stream_hear": (status, [pointer, pointer, ctypes.c_size_t, ctypes.c_double, ctypes.c_int32]),
            "es_stream_deafen": (status, [pointer]),
            "es_stream_clip": (status, [pointer, pointer, ctypes.c_int32, pointer]),
            "es_stream_state_size": (ctypes.c_size_t, [pointer]),
            "es_stream_save": (status, [pointer, pointer, ctypes.c_size_t]),
            "es_stream_restore": (status, [pointer, pointer, ctypes.c_size_t]),
            "es_spotter_new": (pointer, [pointer]),
            "es_spotter_free": (None, [pointer]),
            "es_spotter_feed": (ctypes.c_int32, [pointer, pointer, ctypes.c_double, pointer]),
        }
        for name, (result, arguments) in signatures.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        self.calls: Any = library

    def open(self, path: Path, threads: int = 0, library: Path | None = None) -> NativeModel:
        """Open an artifact. library: LiteRT's library; None: that of the installed package ai-edge-litert."""
        options = Options(threads, str(library or litert_library()).encode())
        return NativeModel(self, self.made(self.calls.es_model_open(str(path).encode(), ctypes.byref(options))))

    def made(self, pointer: Any) -> Any:
        """Return a pointer, or raise EdgeshiftError if it is NULL."""
        if pointer is None:
            raise EdgeshiftError(self.calls.es_error().decode())
        return pointer

    def checked(self, status: int) -> int:
        """Return a status, or raise EdgeshiftError if the call has failed."""
        if status < 0:
            raise EdgeshiftError(self.calls.es_error().decode())
        return status


class NativeModel:
    """An artifact that the native runtime has loaded."""

    def __init__(self, library: NativeLibrary, model: Any) -> None:
        self._library, self._model = library, model

    def __del__(self) -> None:
        self._library.calls.es_model_close(self._model)

    @property
    def runtime(self) -> str:
        """Name of the runtime."""
        text: str = self._library.calls.es_model_runtime(self._model).decode()
        return text

    def fit(self, image: Image, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Fit an image. height and width: the network's size."""
        out = np.empty((height, width, 3), np.uint8)
        self._library.checked(self._library.calls.es_model_fit(self._model, ctypes.byref(image), out.ctypes.data))
        return out

    def self_check(self) -> Check:
        """Run the self-check."""
        check = Check()
        self._library.checked(self._library.calls.es_model_self_check(self._model, ctypes.byref(check)))
        return check

    def stream(self) -> NativeStream:
        """Return a new stream with its spotter."""
        return NativeStream(self._library, self._model)


class NativeStream:
    """A stream of the native runtime, and a spotter with the artifact's rule."""

    def __init__(self, library: NativeLibrary, model: Any) -> None:
        self._library = library
        self._stream = library.made(library.calls.es_stream_new(model))
        self._spotter = library.made(library.calls.es_spotter_new(model))

    def __del__(self) -> None:
        if hasattr(self, "_stream"):
            self._library.calls.es_stream_free(self._stream)
        if hasattr(self, "_spotter"):
            self._library.calls.es_spotter_free(self._spotter)

    def step(self, image: Image, timestamp: float | None = None) -> NativePrediction | None:
        """Run one frame. None: a clip artifact has too few frames so far."""
        prediction = RawPrediction()
        seconds = math.nan if timestamp is None else timestamp
        call = self._library.calls.es_stream_step
        status = call(self._stream, ctypes.byref(image), seconds, ctypes.byref(prediction))
        return None if self._library.checked(status) == WAITING else NativePrediction(prediction)

    def hear(self, samples: npt.NDArray[np.float32], timestamp: float, rate: int) -> None:
        """Take samples of a microphone, float32 [N]. timestamp: seconds, of the first one. rate: samples per second."""
        data = np.ascontiguousarray(samples, np.float32)
        call = self._library.calls.es_stream_hear
        self._library.checked(call(self._stream, data.ctypes.data, len(data), timestamp, rate))

    def deafen(self) -> None:
        """Forget all samples."""
        self._library.checked(self._library.calls.es_stream_deafen(self._stream))

    def clip(self, images: Sequence[Image]) -> NativePrediction:
        """Run one whole clip."""
        prediction = RawPrediction()
        array = (Image * len(images))(*images)
        call = self._library.calls.es_stream_clip
        self._library.checked(call(self._stream, array, len(images), ctypes.byref(prediction)))
        return NativePrediction(prediction)

    def reset(self) -> None:
        """Start a new sequence."""
        self._library.checked(self._library.calls.es_stream_reset(self._stream))

    def save(self) -> bytes:
        """Return the states."""
        size = self._library.calls.es_stream_state_size(self._stream)
        out = ctypes.create_string_buffer(size)
        self._library.checked(self._library.calls.es_stream_save(self._stream, out, size))
        return out.raw

    def restore(self, state: bytes) -> None:
        """Continue from states that ``save`` returned."""
        self._library.checked(self._library.calls.es_stream_restore(self._stream, state, len(state)))

    def feed(self, logits: npt.NDArray[np.float32], timestamp: float) -> tuple[str, float, float] | None:
        """Return the label, score and time of the detection that a frame completes, or None."""
        event = Event()
        data = np.ascontiguousarray(logits, np.float32)
        call = self._library.calls.es_spotter_feed
        detected = self._library.checked(call(self._spotter, data.ctypes.data, timestamp, ctypes.byref(event)))
        return (event.label.decode(), event.score, event.timestamp) if detected else None


class NativePrediction:
    """A copy of a prediction of the native runtime."""

    def __init__(self, raw: RawPrediction) -> None:
        self.index, self.label, self.score = int(raw.index), raw.label.decode(), float(raw.score)
        self.fresh, self.heard = bool(raw.fresh), HEARD[raw.heard]
        self.logits: npt.NDArray[np.float32] = np.ctypeslib.as_array(raw.logits, (raw.classes,)).copy()
        self.pre, self.infer, self.post = float(raw.pre), float(raw.infer), float(raw.post)


class NativeFitter:
    """Fits images with the native runtime, without an artifact.

    Args:
        path: ``bench/fit_speed.so``, which ``make native`` builds.
        frame: the frame that a network takes.
    """

    def __init__(self, path: Path, frame: FrameSpec) -> None:
        library: Any = ctypes.CDLL(str(path))
        library.bench_fitter.restype = ctypes.c_void_p
        library.bench_fit.argtypes = [ctypes.c_void_p] * 3
        library.bench_fitter_free.argtypes = [ctypes.c_void_p]
        self._call, self._free = library.bench_fit, library.bench_fitter_free
        crop, short_side = frame.fit == "crop", frame.short_side or 0
        self._fitter = library.bench_fitter(frame.height, frame.width, crop, short_side, frame.order == "bgr")
        self._out = np.empty((frame.height, frame.width, 3), np.uint8)

    def __del__(self) -> None:
        self._free(self._fitter)

    def fit(self, image: Image) -> npt.NDArray[np.uint8]:
        """Return the fitted frame. The next call writes to the same array again."""
        if self._call(self._fitter, ctypes.byref(image), self._out.ctypes.data) != OK:
            raise EdgeshiftError("the native runtime refuses this image")
        return self._out


def litert_library() -> Path:
    """Return LiteRT's library in the installed package ai-edge-litert.

    Raises:
        EdgeshiftError: it is not installed.
    """
    installed = installed_library()
    if installed is None:
        raise EdgeshiftError("LiteRT's library is not installed: pip install 'ai-edge-litert>=2.1.6'")
    return installed.path


def rgb_image(pixels: npt.NDArray[np.uint8]) -> Image:
    """Return an image of uint8 [H, W, 3], which keeps the array. The rows must be contiguous."""
    image = Image(format=FORMATS.index("rgb"), width=pixels.shape[1], height=pixels.shape[0])
    image.planes[0], image.strides[0] = pixels.ctypes.data, pixels.strides[0]
    image.pixels = pixels
    return image
