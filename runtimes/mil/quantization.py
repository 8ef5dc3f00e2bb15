"""The operations of a Core ML program that convert between real values and int8, in numpy. See ``ops``."""

from __future__ import annotations

import numpy as np

from edgeshift.stream import Array


def quantize(
    input: Array,
    scale: Array,
    output_dtype: str,
    zero_point: Array | None = None,
    axis: int | None = None,
) -> Array:
    """Compute ``clip(round(input / scale) + zero_point)``. Halves are rounded to the even neighbour."""
    kind = {"int8": np.int8, "uint8": np.uint8}[str(output_dtype)]
    limits = np.iinfo(kind)
    steps = np.rint(input / _along(scale, input, axis))
    if zero_point is not None:
        steps = steps + _along(zero_point, input, axis).astype(np.float32)
    return np.clip(steps, limits.min, limits.max).astype(kind)


def dequantize(
    input: Array,
    scale: Array,
    zero_point: Array | None = None,
    axis: int | None = None,
) -> Array:
    """Compute ``scale * (input - zero_point)``."""
    steps = input.astype(np.float32)
    if zero_point is not None:
        steps = steps - _along(zero_point, input, axis).astype(np.float32)
    return _along(scale, input, axis) * steps


def constexpr_affine_dequantize(quantized_data: Array, zero_point: Array, scale: Array, axis: int) -> Array:
    """Compute float weights from int8, with one scale and zero point for all values or for each position on an axis."""
    y: Array = dequantize(quantized_data, scale, zero_point, axis)
    return y


def constexpr_blockwise_shift_scale(data: Array, scale: Array, offset: Array | None = None) -> Array:
    """Compute ``scale * (data - offset)``. Each scale is for one block of data, of size data.shape / scale.shape."""

    def spread(values: Array) -> Array:
        for axis, (whole, blocks) in enumerate(zip(data.shape, values.shape, strict=True)):
            if blocks not in (1, whole):
                values = np.repeat(values, whole // blocks, axis)
        return values.astype(np.float32)

    steps = data.astype(np.float32)
    return spread(scale) * (steps if offset is None else steps - spread(offset))


def _along(values: Array, like: Array, axis: int | None) -> Array:
    """Return a single value, or one value for each position on an axis, in a shape that broadcasts to ``like``."""
    values = np.asarray(values)
    if values.ndim == 0 or axis is None:
        return values
    shape = [1] * like.ndim
    shape[int(axis)] = -1
    return values.reshape(shape)


OPERATIONS = {
    function.__name__: function
    for function in (quantize, dequantize, constexpr_affine_dequantize, constexpr_blockwise_shift_scale)
}
