"""Fit a frame of any size to the size that a network takes.

    squash   resize the whole frame, width and height independently
    crop     resize the shorter side to ``short_side``, then cut out the centre, as image networks are usually evaluated

Both use bilinear interpolation without anti-aliasing, as in the training of the shift models. All arithmetic is with
integers, so every processor computes the same bytes. The formula is in docs/reference/frames.md, and the bytes that it
gives for many sizes are in tests/video/golden_frames.json. Normalisation is not done here, but inside the graph, which
takes pixel values from 0 to 255.
"""

from __future__ import annotations

import os
from functools import cache, lru_cache
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.errors import RuntimeMissingError, SpecError, VideoError, missing

#: uint8 [H, W, 3], RGB unless a FrameSpec has another order.
Frame = npt.NDArray[np.uint8]
#: Largest width and height of a frame that a network takes, pixels.
MAX_SIDE = 4096

# Source positions are whole multiples of 1/32 pixel, the resolution of cv2.remap with integer maps.
_BITS = 5
_PARTS = 1 << _BITS
# cv2.remap takes positions as 16-bit integers, so larger frames are resampled with numpy.
_REMAP_LIMIT = 32_000


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
        return self.short_side or (16 * max(self.height, self.width) + 7) // 14


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
    """
    shape = (spec.height, spec.width, 3)
    if not (_is_uint8(frame) and frame.ndim == 3 and frame.shape[2] == 3 and frame.size):
        raise VideoError(f"a frame must be uint8 [height, width, 3] in RGB, not {_text(frame)}")
    if out is None:
        out = np.empty(shape, np.uint8)
    elif not (_is_uint8(out) and out.shape == shape and out.flags.c_contiguous):
        raise VideoError(f"out must be C-contiguous uint8 {list(shape)}, not {_text(out)}")
    if frame.shape == shape and spec.fit == "squash":  # Nothing to resample.
        np.copyto(out, frame if spec.order == "rgb" else frame[..., ::-1])
        return out
    height, width = frame.shape[:2]
    cv2 = _remap_module()
    if cv2 is not None and max(height, width) < _REMAP_LIMIT:
        pixels, weights = _maps(height, width, spec)
        cv2.remap(frame, pixels, weights, cv2.INTER_LINEAR, dst=out, borderMode=cv2.BORDER_REPLICATE)
    else:
        np.copyto(out, _resample(frame, *_positions(height, width, spec)))
    if spec.order == "bgr":
        np.copyto(out, out[..., ::-1].copy())
    return out


def source_positions(size: int, resized: int, kept: int) -> npt.NDArray[np.int64]:
    """Return where the pixels of one axis of a fitted frame lie in the source, in 1/32 of a source pixel.

    The axis has ``size`` pixels, is resized to ``resized`` pixels, and the middle ``kept`` of them are kept. The centre
    of result i lies at ``(i + 0.5) * size / resized - 0.5``, as in OpenCV and in PyTorch (``align_corners=False``).

    Returns:
        int64 [kept], from 0 to ``32 * (size - 1)``. A position is rounded to the nearest 1/32; halves are rounded up.
    """
    margin = resized - kept
    first = margin // 2 + (margin % 4 == 3)  # half of the margin; a half is rounded to the nearest even number
    doubled = 2 * (np.arange(kept, dtype=np.int64) + first) + 1
    positions: npt.NDArray[np.int64] = (_PARTS * (doubled * size - resized) + resized) // (2 * resized)
    return np.clip(positions, 0, _PARTS * (size - 1))


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


@cache
def _remap_module() -> Any:
    """Return the module cv2, which is many times faster here than numpy; None: OpenCV is not installed."""
    try:
        return opencv("fitting frames")
    except RuntimeMissingError:
        return None


def _positions(height: int, width: int, spec: FrameSpec) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the source positions of the rows and of the columns of a fitted frame, in 1/32 of a source pixel."""
    rows, columns = spec.height, spec.width
    if spec.fit == "crop":
        short = spec.resized_short_side
        # As in torchvision, which models are evaluated with, the longer side is truncated to whole pixels.
        rows = short if height <= width else short * height // width
        columns = short if width <= height else short * width // height
    return source_positions(height, rows, spec.height), source_positions(width, columns, spec.width)


@lru_cache(maxsize=16)
def _maps(height: int, width: int, spec: FrameSpec) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16]]:
    """Return the maps for cv2.remap: the upper left of the four source pixels of each result, and the weights."""
    rows, columns = _positions(height, width, spec)
    pixels = np.empty((spec.height, spec.width, 2), np.int16)
    pixels[..., 0], pixels[..., 1] = columns >> _BITS, (rows >> _BITS)[:, None]
    weights = (rows % _PARTS)[:, None] * _PARTS + columns % _PARTS
    return pixels, weights.astype(np.uint16)


def _resample(frame: Frame, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Compute with numpy what cv2.remap computes: uint8 [rows, columns, 3]."""
    (above, below, down), (left, right, across) = _neighbours(rows, len(frame)), _neighbours(columns, frame.shape[1])
    across = across[:, None]
    upper, lower = (frame[row].astype(np.int32) for row in (above, below))
    upper, lower = (line[:, left] * (_PARTS - across) + line[:, right] * across for line in (upper, lower))
    down = down[:, None, None]
    half = _PARTS * _PARTS // 2
    return ((upper * (_PARTS - down) + lower * down + half) >> 2 * _BITS).astype(np.uint8)


def _neighbours(positions: npt.NDArray[np.int64], size: int) -> tuple[npt.NDArray[np.int64], ...]:
    """Return the source pixel before each position, the one after it, and the weight of the latter, 0 to 31."""
    before = positions >> _BITS
    return before, np.minimum(before + 1, size - 1), positions % _PARTS


def _is_uint8(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.uint8


def _text(value: object) -> str:
    """Return the dtype and shape of an array, or the type of something else."""
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else type(value).__name__
