"""Fit a frame of any size to the size that a network takes.

    squash   resize the whole frame, width and height independently
    crop     resize the shorter side to ``short_side``, then cut out the centre, as image networks are usually evaluated

Both use bilinear interpolation without anti-aliasing, as in the training of the shift models. Normalisation is not done
here, but inside the graph, which takes pixel values from 0 to 255.
"""

from __future__ import annotations

import os
from functools import cache, lru_cache
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.errors import SpecError, VideoError, missing

Frame = npt.NDArray[np.uint8]
"""uint8 [H, W, 3], RGB unless a FrameSpec says otherwise."""

#: Largest width and height of a frame that a network takes, pixels.
MAX_SIDE = 4096
Side = Annotated[int, msgspec.Meta(ge=1, le=MAX_SIDE)]

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

    height: Side
    width: Side
    fit: Literal["squash", "crop"] = "squash"
    short_side: Annotated[int, msgspec.Meta(ge=1, le=2 * MAX_SIDE)] | None = None
    order: Literal["rgb", "bgr"] = "rgb"

    def __post_init__(self) -> None:
        # msgspec checks ranges only when it decodes. This also checks a FrameSpec that is made in Python.
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
    _check(frame, "a frame", "uint8 [height, width, 3] in RGB")
    shape = (spec.height, spec.width, 3)
    if out is None:
        out = np.empty(shape, np.uint8)
    else:
        _check(out, "out", f"C-contiguous uint8 {list(shape)}")
        if out.shape != shape or not out.flags.c_contiguous:
            raise VideoError(f"out must be C-contiguous uint8 {list(shape)}, not {list(out.shape)}")
    if frame.shape == shape and spec.fit == "squash":  # Nothing to resample, so OpenCV is not needed.
        np.copyto(out, frame if spec.order == "rgb" else frame[..., ::-1])
        return out
    cv2 = opencv("fitting frames")
    if spec.fit == "crop":
        region = _region(frame.shape[0], frame.shape[1], spec)
        y, x = region.rows, region.columns
        part = cv2.resize(
            frame[y.start : y.stop, x.start : x.stop], None, fx=x.ratio, fy=y.ratio, interpolation=cv2.INTER_LINEAR
        )
        fitted = part[y.skip : y.skip + spec.height, x.skip : x.skip + spec.width]
        if spec.order == "rgb":
            np.copyto(out, fitted)
        else:
            cv2.cvtColor(fitted, cv2.COLOR_RGB2BGR, dst=out)
        return out
    cv2.resize(frame, (spec.width, spec.height), dst=out, interpolation=cv2.INTER_LINEAR)
    if spec.order == "bgr":
        cv2.cvtColor(out, cv2.COLOR_RGB2BGR, dst=out)
    return out


@cache
def opencv(why: str) -> Any:  # OpenCV ships no complete annotations
    """Return the module cv2, or raise RuntimeMissingError. ``why`` is the work that needs it: "reading video"."""
    # FFmpeg and OpenCV read these variables at their first use. Without them, they print about damaged files on stderr.
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


class _Region(NamedTuple):
    rows: _Axis
    columns: _Axis


@lru_cache(maxsize=64)
def _region(height: int, width: int, spec: FrameSpec) -> _Region:
    """Return the part of a height x width frame that is resampled for a crop. The rest of the frame is not computed."""
    short = spec.resized_short_side
    # The longer side is truncated to whole pixels and the margin is rounded, as in torchvision, which models are
    # evaluated with.
    new_height = short if height <= width else int(short * height / width)
    new_width = short if width <= height else int(short * width / height)
    return _Region(_axis(height, new_height, spec.height), _axis(width, new_width, spec.width))


def _axis(size: int, resized: int, wanted: int) -> _Axis:
    """Return one axis of a crop: ``size`` pixels are resized to ``resized``, and the middle ``wanted`` are kept.

    With step = size / resized, result i of the whole resize reads the source at (i + 0.5) * step - 0.5. A resize of the
    part that starts at source pixel p reads the same positions for all i >= k, where k * step = p. So the part may
    only start where k * step is nearly a whole number, as it is for k = 0. If it started elsewhere, the picture would
    shift by a fraction of a pixel, which is tens of grey levels at an edge.
    """
    step, ratio = size / resized, resized / size
    first = round((resized - wanted) / 2)
    # When enlarging, the first results of a part would read pixels before its start, so the part starts earlier.
    latest = max(0, first - max(0, int(np.ceil(0.5 / step - 0.5))))
    positions = np.arange(latest + 1) * step
    begin = int(np.flatnonzero(np.abs(positions - np.rint(positions)) <= PHASE_TOLERANCE)[-1])
    start = round(begin * step)
    last_read = (first + wanted - 0.5) * step - 0.5
    return _Axis(start, min(size, int(np.ceil(last_read)) + 2), ratio, first - begin)


def _check(array: Frame, name: str, wanted: str) -> None:
    if not isinstance(array, np.ndarray):
        raise VideoError(f"{name} must be {wanted}, not {type(array).__name__}")
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise VideoError(f"{name} must be {wanted}, not {array.dtype} {list(array.shape)}")
