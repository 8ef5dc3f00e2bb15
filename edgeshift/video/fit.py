"""Fit a frame of any size to the size that a network takes.

    squash   resize the whole frame, width and height independently
    crop     resize the shorter side to ``short_side``, then cut out the centre, as image networks are usually evaluated

Both use bilinear interpolation without anti-aliasing, as in the training of the shift models. Normalisation is not done
here, but inside the graph, which takes pixel values from 0 to 255.
"""

from __future__ import annotations

import os
from functools import cache, lru_cache
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.errors import SpecError, VideoError, missing

#: uint8 [H, W, 3], RGB unless a FrameSpec has another order.
Frame = npt.NDArray[np.uint8]
#: Largest width and height of a frame that a network takes, pixels.
MAX_SIDE = 4096

# cv2.resize rounds its weights to 1/2048. A crop that starts at most this far from a whole source pixel is therefore
# resampled to the same values, within one grey level.
PHASE_TOLERANCE = 1 / 1024


class FrameSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The frames that a network takes, and how other frames are fitted to them.

    Attributes:
        height: height in pixels, 1 to 4096.
        width: width in pixels, 1 to 4096.
        fit: "squash" or "crop".
        short_side: for "crop", length in pixels to which the shorter side is resized before the centre is cut out. It
            is at least the height and the width. None: 256/224 of the larger of the two.
        order: channel order that the network takes. Frames are always passed as RGB.

    Raises:
        SpecError: a value is out of range, or the crop is larger than ``short_side``.
    """

    height: int
    width: int
    fit: Literal["squash", "crop"] = "squash"
    short_side: int | None = None
    order: Literal["rgb", "bgr"] = "rgb"

    def __post_init__(self) -> None:
        # msgspec checks the literals only when it decodes JSON, but a FrameSpec may also be made in Python.
        if not (1 <= self.height <= MAX_SIDE and 1 <= self.width <= MAX_SIDE):
            raise SpecError(f"frame: {self.height}x{self.width} (height x width) must be 1 to {MAX_SIDE} per side")
        if self.fit not in ("squash", "crop") or self.order not in ("rgb", "bgr"):
            raise SpecError(f"frame: fit {self.fit!r} must be squash or crop, order {self.order!r} rgb or bgr")
        if self.short_side is None:
            return
        if self.fit == "squash":
            raise SpecError(f"frame: short_side {self.short_side} is only for fit 'crop'; leave it out")
        if not max(self.height, self.width) <= self.short_side <= 2 * MAX_SIDE:
            raise SpecError(
                f"frame: short_side {self.short_side} must be {max(self.height, self.width)} to {2 * MAX_SIDE}, "
                f"so that a crop of {self.height}x{self.width} fits into every frame"
            )

    @property
    def resized_short_side(self) -> int:
        """Length of the shorter side before the crop, pixels: ``short_side``, or its default."""
        return self.short_side or round(max(self.height, self.width) * 256 / 224)


def fit_frame(frame: Frame, spec: FrameSpec, out: Frame | None = None) -> Frame:
    """Fit one frame to the size and channel order that a network takes.

    Args:
        frame: uint8 [H, W, 3], RGB, of any size. It may be smaller than the result.
        spec: the frame that the network takes.
        out: array for the result, uint8 [height, width, 3], C-contiguous; None: a new array.

    Returns:
        uint8 [height, width, 3] in ``spec.order``. It is ``out`` if that was given.

    Raises:
        VideoError: an array has another dtype or shape.
        RuntimeMissingError: the frame must be resized, and OpenCV is not installed.
    """
    shape = (spec.height, spec.width, 3)
    if not (_is_uint8(frame) and frame.ndim == 3 and frame.shape[2] == 3 and frame.size):
        raise VideoError(f"a frame must be uint8 [height, width, 3] in RGB, not {_text(frame)}")
    if out is None:
        out = np.empty(shape, np.uint8)
    elif not (_is_uint8(out) and out.shape == shape and out.flags.c_contiguous):
        raise VideoError(f"out must be C-contiguous uint8 {list(shape)}, not {_text(out)}")
    if frame.shape == shape and spec.fit == "squash":  # Nothing to resample, so OpenCV is not needed.
        np.copyto(out, frame if spec.order == "rgb" else frame[..., ::-1])
        return out
    cv2 = opencv("fitting frames")
    if spec.fit == "crop":
        y, x = _region(frame.shape[0], frame.shape[1], spec)
        part = cv2.resize(
            frame[y.start : y.stop, x.start : x.stop], None, fx=x.ratio, fy=y.ratio, interpolation=cv2.INTER_LINEAR
        )
        np.copyto(out, part[y.skip : y.skip + spec.height, x.skip : x.skip + spec.width])
    else:
        cv2.resize(frame, (spec.width, spec.height), dst=out, interpolation=cv2.INTER_LINEAR)
    if spec.order == "bgr":
        cv2.cvtColor(out, cv2.COLOR_RGB2BGR, dst=out)
    return out


@cache
def opencv(why: str) -> Any:  # OpenCV ships no complete annotations
    """Return the module cv2, or raise RuntimeMissingError. ``why`` is the work that needs it: "reading video"."""
    # FFmpeg and OpenCV read these variables at their first use. Without them, they write to stderr about damaged files.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
    try:
        import cv2
    except ImportError as error:
        raise missing("OpenCV", "video", why) from error
    return cv2


class _Axis(NamedTuple):
    """One axis of a crop: resize the source pixels [start, stop) by ``ratio``, then drop the first ``skip`` results."""

    start: int
    stop: int
    ratio: float
    skip: int


@lru_cache(maxsize=64)
def _region(height: int, width: int, spec: FrameSpec) -> tuple[_Axis, _Axis]:
    """Return the rows and columns of a height x width frame that are resampled for a crop. The rest is not computed."""
    short = spec.resized_short_side
    # As in torchvision, which models are evaluated with: the longer side is truncated to whole pixels, and the margin
    # is rounded.
    new_height = short if height <= width else int(short * height / width)
    new_width = short if width <= height else int(short * width / height)
    return _axis(height, new_height, spec.height), _axis(width, new_width, spec.width)


def _axis(size: int, resized: int, kept: int) -> _Axis:
    """Return one axis of a crop: ``size`` pixels are resized to ``resized``, and the middle ``kept`` are kept.

    With step = size / resized, result i of the whole resize reads the source at (i + 0.5) * step - 0.5. A resize of the
    part that starts at source pixel p reads the same positions for all i >= k, where k * step = p. So the part may
    only start where k * step is nearly a whole number, as it is for k = 0. If it started elsewhere, the picture would
    shift by a fraction of a pixel, which is tens of grey levels at an edge.
    """
    step, ratio = size / resized, resized / size
    first = round((resized - kept) / 2)
    # When enlarging, the first results of a part would read pixels before its start, so the part starts earlier.
    latest = max(0, first - max(0, int(np.ceil(0.5 / step - 0.5))))
    positions = np.arange(latest + 1) * step
    begin = int(np.flatnonzero(np.abs(positions - np.rint(positions)) <= PHASE_TOLERANCE)[-1])
    start = round(begin * step)
    last_read = (first + kept - 0.5) * step - 0.5
    return _Axis(start, min(size, int(np.ceil(last_read)) + 2), ratio, first - begin)


def _is_uint8(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.uint8


def _text(value: object) -> str:
    """Return the dtype and shape of an array, or the type of something else."""
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else type(value).__name__
