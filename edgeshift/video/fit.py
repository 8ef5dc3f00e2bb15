"""A camera frame of any size becomes the frame a network takes.

    squash   the whole picture, its sides resized independently
    crop     the shorter side to ``short_side``, then the centre: the usual evaluation of image networks

Both resample with plain bilinear interpolation, as the shift models were trained. Normalisation is not done
here: it is inside the graph, which takes pixel values 0 to 255.
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

MAX_SIDE = 4096
Side = Annotated[int, msgspec.Meta(ge=1, le=MAX_SIDE)]

# cv2.resize keeps its weights in steps of 1/2048 pixel. A crop that starts within this much of a whole source
# pixel therefore resamples to the same picture, within one grey level.
PHASE_TOLERANCE = 1 / 1024


class FrameSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a network wants to see.

    Attributes:
        height, width: pixels of the frame that the network takes, 1 to 4096 each.
        fit: "squash" or "crop".
        short_side: for "crop", the length that the frame's shorter side is resized to before the centre is cut
            out; at least height and width. None: 256/224 of the larger of the two.
        order: the channel order that the network wants. Frames are always handed in as RGB.

    Raises:
        SpecError: a value out of range, or a short_side that leaves no room for the crop.
    """

    height: Side
    width: Side
    fit: Literal["squash", "crop"] = "squash"
    short_side: Annotated[int, msgspec.Meta(ge=1, le=2 * MAX_SIDE)] | None = None
    order: Literal["rgb", "bgr"] = "rgb"

    def __post_init__(self) -> None:
        # msgspec checks ranges when it decodes; this also covers a FrameSpec made in Python.
        if not (1 <= self.height <= MAX_SIDE and 1 <= self.width <= MAX_SIDE):
            raise SpecError(f"frame: {self.height}x{self.width} (height x width) must be 1 to {MAX_SIDE} a side")
        if self.fit not in ("squash", "crop") or self.order not in ("rgb", "bgr"):
            raise SpecError(f"frame: fit {self.fit!r} must be squash or crop, order {self.order!r} rgb or bgr")
        if self.short_side is None:
            return
        if self.fit == "squash":
            raise SpecError(f"frame: short_side {self.short_side} only means something with fit 'crop'; leave it out")
        if not max(self.height, self.width) <= self.short_side <= 2 * MAX_SIDE:
            raise SpecError(
                f"frame: short_side {self.short_side} must be {max(self.height, self.width)} to {2 * MAX_SIDE}, "
                f"so that a crop of {self.height}x{self.width} fits into every frame"
            )

    @property
    def resized_short_side(self) -> int:
        """Pixels of the shorter side before the crop: ``short_side``, or its default."""
        return self.short_side or round(max(self.height, self.width) * 256 / 224)


def fit_frame(frame: Frame, spec: FrameSpec, out: Frame | None = None) -> Frame:
    """Fit one frame to what the network takes.

    Args:
        frame: uint8 [H, W, 3], RGB, any size; smaller than the result is fine.
        spec: the network's frame.
        out: uint8 [height, width, 3], C-contiguous, to write into; None allocates.

    Returns:
        uint8 [height, width, 3] in ``spec.order``; ``out`` itself where it was given.

    Raises:
        VideoError: an array of another dtype or shape.
        RuntimeMissingError: OpenCV is not installed.
    """
    _check(frame, "a frame", "uint8 [height, width, 3] in RGB")
    shape = (spec.height, spec.width, 3)
    if out is None:
        out = np.empty(shape, np.uint8)
    else:
        _check(out, "out", f"C-contiguous uint8 {list(shape)}")
        if out.shape != shape or not out.flags.c_contiguous:
            raise VideoError(f"out must be C-contiguous uint8 {list(shape)}, not {list(out.shape)}")
    if frame.shape == shape and spec.fit == "squash":  # as it is: no resampling, and no OpenCV
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
    """The cv2 module. ``why`` (such as "reading video") begins the error where it is not installed."""
    # FFmpeg and OpenCV print what they think of a broken file to stderr, beside our own error. They read these
    # when they are first used; what the user has set stays.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
    try:
        import cv2
    except ImportError as error:
        raise missing("OpenCV", "video", why) from error
    return cv2


class _Axis(NamedTuple):
    """One axis of a crop: resize source pixels [start, stop) by ratio, then drop the first ``skip`` results."""

    start: int
    stop: int
    ratio: float
    skip: int


class _Region(NamedTuple):
    rows: _Axis
    columns: _Axis


@lru_cache(maxsize=64)
def _region(height: int, width: int, spec: FrameSpec) -> _Region:
    """The part of a height x width frame to resample for a crop, so that little outside it is computed."""
    short = spec.resized_short_side
    # The longer side is cut to whole pixels and the margin rounded as torchvision does: models were evaluated so.
    new_height = short if height <= width else int(short * height / width)
    new_width = short if width <= height else int(short * width / height)
    return _Region(_axis(height, new_height, spec.height), _axis(width, new_width, spec.width))


def _axis(size: int, resized: int, wanted: int) -> _Axis:
    """One axis of ``size`` pixels that is resized to ``resized``, of which the middle ``wanted`` are kept.

    Result i of the whole resize reads the source at (i + 0.5) * step - 0.5. A resize of the part that begins at
    source pixel p reads the same places for results i >= k where k * step = p. So the part may only begin where
    k * step is (nearly) a whole number; k = 0 always is one. Beginning elsewhere, as a plain crop does, shifts
    the picture by a fraction of a pixel, which is tens of grey levels at an edge.
    """
    step, ratio = size / resized, resized / size
    first = round((resized - wanted) / 2)
    # Enlarging, a part's first results would reach for pixels left of its beginning: stay clear of those.
    latest = max(0, first - max(0, int(np.ceil(0.5 / step - 0.5))))
    places = np.arange(latest + 1) * step
    begin = int(np.flatnonzero(np.abs(places - np.rint(places)) <= PHASE_TOLERANCE)[-1])
    start = round(begin * step)
    last_read = (first + wanted - 0.5) * step - 0.5
    return _Axis(start, min(size, int(np.ceil(last_read)) + 2), ratio, first - begin)


def _check(array: Frame, name: str, wanted: str) -> None:
    if not isinstance(array, np.ndarray):
        raise VideoError(f"{name} must be {wanted}, not {type(array).__name__}")
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise VideoError(f"{name} must be {wanted}, not {array.dtype} {list(array.shape)}")
