"""The operations of a Core ML program (MIL) that edgeshift's conversions consist of, in numpy.

Each function has the operation's name and takes its inputs under their names, as Core ML's own documentation lists them
(apple.github.io/coremltools, "MIL Ops"). float16 comes in as float32 holding the same values, and the result is rounded
by the caller where the program says float16: one rounding per operation, sums in float32. What a device does inside a
convolution may round more often.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgeshift.stream import Array

#: {operation: what computes it}.
OPERATIONS: dict[str, Callable[..., Any]] = {}
TYPES = {
    "fp16": np.float16,
    "fp32": np.float32,
    "int32": np.int32,
    "int8": np.int8,
    "uint8": np.uint8,
    "bool": np.bool_,
}


def operation(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register a function under its own name."""
    OPERATIONS[function.__name__.rstrip("_")] = function
    return function


@operation
def add(x: Array, y: Array) -> Array:
    """Elementwise, shapes broadcast."""
    return np.add(x, y)


@operation
def sub(x: Array, y: Array) -> Array:
    """Elementwise."""
    return np.subtract(x, y)


@operation
def mul(x: Array, y: Array) -> Array:
    """Elementwise."""
    return np.multiply(x, y)


@operation
def relu(x: Array) -> Array:
    """Negative values become 0."""
    return np.maximum(x, 0)


@operation
def relu6(x: Array) -> Array:
    """Limited to 0 to 6."""
    return np.clip(x, 0, 6)


@operation
def clip(x: Array, alpha: Array, beta: Array) -> Array:
    """Limited to alpha to beta."""
    return np.clip(x, alpha, beta)


@operation
def cast(x: Array, dtype: str) -> Array:
    """To another type; floats become integers by cutting."""
    return x.astype(TYPES[str(dtype)])


@operation
def fill_like(ref_tensor: Array, value: float) -> Array:
    """One value in the shape of another tensor."""
    return np.full(ref_tensor.shape, value)


@operation
def reshape(x: Array, shape: Array) -> Array:
    """The same values in another shape; -1: what is left."""
    return x.reshape([int(n) for n in shape])


@operation
def expand_dims(x: Array, axes: Array) -> Array:
    """Dimensions of one, at these places of the result."""
    return np.expand_dims(x, tuple(int(axis) for axis in axes))


@operation
def squeeze(x: Array, axes: Array | None = None) -> Array:
    """Without dimensions of one."""
    return np.squeeze(x, None if axes is None else tuple(int(axis) for axis in axes))


@operation
def transpose(x: Array, perm: Array) -> Array:
    """Dimensions in another order."""
    return x.transpose([int(axis) for axis in perm])


@operation
def tile(x: Array, reps: Array) -> Array:
    """Repeated along each dimension."""
    return np.tile(x, [int(n) for n in reps])


@operation
def concat(values: list[Array], axis: int, interleave: bool = False) -> Array:
    """One after the other, along an axis."""
    if interleave:
        raise NotImplementedError("concat with interleave")
    return np.concatenate(values, int(axis))


@operation
def slice_by_index(
    x: Array,
    begin: Array,
    end: Array,
    stride: Array | None = None,
    begin_mask: Array | None = None,
    end_mask: Array | None = None,
    squeeze_mask: Array | None = None,
) -> Array:
    """A part of each dimension. Where a mask is set: from the beginning, to the end, or one element and no axis."""
    return x[_parts(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)]


@operation
def slice_update(
    x: Array,
    update: Array,
    begin: Array,
    end: Array,
    stride: Array | None = None,
    begin_mask: Array | None = None,
    end_mask: Array | None = None,
    squeeze_mask: Array | None = None,
) -> Array:
    """A copy with a part replaced."""
    whole = x.copy()
    whole[_parts(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)] = update
    return whole


def _parts(
    x: Array,
    begin: Array,
    end: Array,
    stride: Array | None,
    begin_mask: Array | None,
    end_mask: Array | None,
    squeeze_mask: Array | None,
) -> tuple[slice | int, ...]:
    none = [False] * x.ndim
    rows = zip(
        (int(n) for n in begin),
        (int(n) for n in end),
        [1] * x.ndim if stride is None else (int(n) for n in stride),
        none if begin_mask is None else begin_mask,
        none if end_mask is None else end_mask,
        none if squeeze_mask is None else squeeze_mask,
        strict=True,
    )
    return tuple(
        first if lone else slice(None if from_start else first, None if to_end else stop, step)
        for first, stop, step, from_start, to_end, lone in rows
    )


@operation
def pad(x: Array, pad: Array, mode: str = "constant", constant_val: float = 0.0) -> Array:
    """Before and after each of the last dimensions."""
    if str(mode) != "constant":
        raise NotImplementedError(f"pad with mode {mode}")
    pairs = [(int(a), int(b)) for a, b in np.asarray(pad).reshape(-1, 2)]
    return np.pad(x, [(0, 0)] * (x.ndim - len(pairs)) + pairs, constant_values=constant_val)


@operation
def reduce_mean(x: Array, axes: Array | None = None, keep_dims: bool = False) -> Array:
    """The mean over axes."""
    return x.mean(None if axes is None else tuple(int(axis) for axis in axes), keepdims=bool(keep_dims))


@operation
def softmax(x: Array, axis: int) -> Array:
    """Probabilities."""
    raised = np.exp(x - x.max(int(axis), keepdims=True))
    return raised / raised.sum(int(axis), keepdims=True)


@operation
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """``x @ weight.T + bias``."""
    y = x @ weight.T
    return y if bias is None else y + bias


@operation
def conv(
    x: Array,
    weight: Array,
    strides: Array | None = None,
    pad_type: str = "valid",
    pad: Array | None = None,
    dilations: Array | None = None,
    groups: int = 1,
    bias: Array | None = None,
) -> Array:
    """Two-dimensional: x [N, C, H, W], weight [out, C / groups, kh, kw]."""
    step = (1, 1) if strides is None else (int(strides[0]), int(strides[1]))
    if x.ndim != 4 or (dilations is not None and any(int(d) != 1 for d in dilations)):
        raise NotImplementedError("conv of another rank than 4, or dilated")
    out, inside, height, width = weight.shape
    x = _padded(x, str(pad_type), pad, (height, width), step, 0.0)
    groups, batch = int(groups), x.shape[0]
    if groups == out and inside == 1:
        y = _depthwise(x, weight, step)
    else:
        parts = [
            _dense(part, kernel, step)
            for part, kernel in zip(np.split(x, groups, 1), np.split(weight, groups, 0), strict=True)
        ]
        y = np.concatenate(parts, 1) if groups > 1 else parts[0]
    y = y.reshape(batch, out, *y.shape[2:])
    return y if bias is None else y + bias[:, None, None]


@operation
def max_pool(
    x: Array,
    kernel_sizes: Array,
    strides: Array | None = None,
    pad_type: str = "valid",
    pad: Array | None = None,
    ceil_mode: bool = False,
) -> Array:
    """The largest value of each window; padding is never it."""
    if ceil_mode:
        raise NotImplementedError("max_pool with ceil_mode")
    kernel = int(kernel_sizes[0]), int(kernel_sizes[1])
    step = (1, 1) if strides is None else (int(strides[0]), int(strides[1]))
    return np.max(_windows(_padded(x, str(pad_type), pad, kernel, step, -np.inf), kernel, step), (-2, -1))


@operation
def avg_pool(
    x: Array,
    kernel_sizes: Array,
    strides: Array | None = None,
    pad_type: str = "valid",
    pad: Array | None = None,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Array:
    """The mean of each window."""
    if ceil_mode or str(pad_type) != "valid":
        raise NotImplementedError("avg_pool with padding or ceil_mode")
    kernel = int(kernel_sizes[0]), int(kernel_sizes[1])
    step = (1, 1) if strides is None else (int(strides[0]), int(strides[1]))
    return np.mean(_windows(x, kernel, step), (-2, -1))


@operation
def quantize(
    input: Array,
    scale: Array,
    output_dtype: str,
    zero_point: Array | None = None,
    axis: int | None = None,
) -> Array:
    """``clip(round(input / scale) + zero_point)``; halves round to the even neighbour."""
    kind = np.dtype(TYPES[str(output_dtype)])
    limits = np.iinfo(kind)
    steps = np.rint(input / _along(scale, input, axis))
    if zero_point is not None:
        steps = steps + _along(zero_point, input, axis).astype(np.float32)
    return np.clip(steps, limits.min, limits.max).astype(kind)


@operation
def dequantize(
    input: Array,
    scale: Array,
    zero_point: Array | None = None,
    axis: int | None = None,
) -> Array:
    """``scale * (input - zero_point)``."""
    steps = input.astype(np.float32)
    if zero_point is not None:
        steps = steps - _along(zero_point, input, axis).astype(np.float32)
    return _along(scale, input, axis) * steps


@operation
def constexpr_affine_dequantize(quantized_data: Array, zero_point: Array, scale: Array, axis: int) -> Array:
    """int8 weights, a scale and a zero point for all or for each place along an axis."""
    return dequantize(quantized_data, scale, zero_point, axis)


@operation
def constexpr_blockwise_shift_scale(data: Array, scale: Array, offset: Array | None = None) -> Array:
    """``scale * (data - offset)``; each scale is for a block of the data, as large as the shapes' quotient."""

    def spread(values: Array) -> Array:
        for axis, (whole, blocks) in enumerate(zip(data.shape, values.shape, strict=True)):
            if blocks not in (1, whole):
                values = np.repeat(values, whole // blocks, axis)
        return values.astype(np.float32)

    steps = data.astype(np.float32)
    return spread(scale) * (steps if offset is None else steps - spread(offset))


def _along(values: Array, like: Array, axis: int | None) -> Array:
    """One value, or one for each place along an axis, in a shape that broadcasts."""
    values = np.asarray(values)
    if values.ndim == 0 or axis is None:
        return values
    shape = [1] * like.ndim
    shape[int(axis)] = -1
    return values.reshape(shape)


def _padded(
    x: Array, kind: str, pad: Array | None, kernel: tuple[int, int], step: tuple[int, int], fill: float
) -> Array:
    if kind == "valid":
        return x
    if kind == "custom":
        assert pad is not None
        (top, bottom), (left, right) = [(int(a), int(b)) for a, b in np.asarray(pad).reshape(-1, 2)]
    elif kind in ("same", "same_lower"):
        totals = [
            max(0, (-(-size // s) - 1) * s + k - size) for size, k, s in zip(x.shape[2:], kernel, step, strict=True)
        ]
        less = [total // 2 for total in totals]
        first = less if kind == "same" else [total - half for total, half in zip(totals, less, strict=True)]
        (top, left), (bottom, right) = first, [total - half for total, half in zip(totals, first, strict=True)]
    else:
        raise NotImplementedError(f"padding of kind {kind}")
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)


def _windows(x: Array, kernel: tuple[int, int], step: tuple[int, int]) -> Array:
    """[N, C, H', W', kh, kw], a view."""
    return np.lib.stride_tricks.sliding_window_view(x, kernel, (2, 3))[:, :, :: step[0], :: step[1]]


def _dense(x: Array, weight: Array, step: tuple[int, int]) -> Array:
    out, _, height, width = weight.shape
    if height == width == 1:
        x = x[:, :, :: step[0], :: step[1]]
        return np.matmul(weight.reshape(out, -1), x.reshape(*x.shape[:2], -1)).reshape(-1, out, *x.shape[2:])
    windows = _windows(x, (height, width), step)
    columns = windows.transpose(0, 1, 4, 5, 2, 3).reshape(x.shape[0], -1, windows.shape[2] * windows.shape[3])
    return np.matmul(weight.reshape(out, -1), columns).reshape(-1, out, *windows.shape[2:4])


def _depthwise(x: Array, weight: Array, step: tuple[int, int]) -> Array:
    """A sum of shifted pictures: one pass for each of the kernel's few values."""
    _, _, height, width = weight.shape
    rows, columns = (x.shape[2] - height) // step[0] + 1, (x.shape[3] - width) // step[1] + 1
    y = np.zeros((x.shape[0], weight.shape[0], rows, columns), np.float32)
    for i in range(height):
        for j in range(width):
            part = x[:, :, i : i + (rows - 1) * step[0] + 1 : step[0], j : j + (columns - 1) * step[1] + 1 : step[1]]
            y += part * weight[:, 0, i, j][:, None, None]
    return y
