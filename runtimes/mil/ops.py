"""Arithmetic and moves of a Core ML program (MIL), in numpy. Only operations that edgeshift's conversions use are here.

``windows`` has convolutions and pools; ``quantization`` has quantization and packed weights.

Each function and its arguments have the names in Core ML's documentation (apple.github.io/coremltools, "MIL Ops").
float16 arguments arrive as float32 arrays with the same values, sums are computed in float32, and the caller rounds the
result of each operation to float16 once. A device may round more often inside a convolution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgeshift.stream import Array

#: {Core ML's name of a type: the type in numpy}.
TYPES = {
    "fp16": np.float16,
    "fp32": np.float32,
    "int32": np.int32,
    "int8": np.int8,
    "uint8": np.uint8,
    "bool": np.bool_,
}


def add(x: Array, y: Array) -> Array:
    """Compute x + y. Shapes broadcast."""
    return np.add(x, y)


def sub(x: Array, y: Array) -> Array:
    """Compute x - y."""
    return np.subtract(x, y)


def mul(x: Array, y: Array) -> Array:
    """Compute x * y."""
    return np.multiply(x, y)


def relu(x: Array) -> Array:
    """Replace negative values by 0."""
    return np.maximum(x, 0)


def relu6(x: Array) -> Array:
    """Limit values to the range from 0 to 6."""
    return np.clip(x, 0, 6)


def clip(x: Array, alpha: Array, beta: Array) -> Array:
    """Limit values to the range from alpha to beta."""
    return np.clip(x, alpha, beta)


def cast(x: Array, dtype: str) -> Array:
    """Convert to another type. Conversion to an integer drops the fraction."""
    return x.astype(TYPES[str(dtype)])


def fill_like(ref_tensor: Array, value: float) -> Array:
    """Return an array with the shape of another one, filled with a value."""
    return np.full(ref_tensor.shape, value)


def reshape(x: Array, shape: Array) -> Array:
    """Change the shape. A size of -1 is computed from the others."""
    return x.reshape([int(n) for n in shape])


def expand_dims(x: Array, axes: Array) -> Array:
    """Insert dimensions of size 1 at these positions of the result."""
    return np.expand_dims(x, tuple(int(axis) for axis in axes))


def squeeze(x: Array, axes: Array | None = None) -> Array:
    """Remove dimensions of size 1."""
    return np.squeeze(x, None if axes is None else tuple(int(axis) for axis in axes))


def transpose(x: Array, perm: Array) -> Array:
    """Change the order of the dimensions."""
    return x.transpose([int(axis) for axis in perm])


def tile(x: Array, reps: Array) -> Array:
    """Repeat the array along each dimension."""
    return np.tile(x, [int(n) for n in reps])


def concat(values: list[Array], axis: int, interleave: bool = False) -> Array:
    """Join arrays along an axis."""
    if interleave:
        raise NotImplementedError("concat with interleave")
    return np.concatenate(values, int(axis))


def slice_by_index(x: Array, **parts: Any) -> Array:
    """Cut out a part of each dimension. See ``_parts`` for the other arguments."""
    return x[_parts(x, **parts)]


def slice_update(x: Array, update: Array, **parts: Any) -> Array:
    """Return a copy with a part replaced. See ``_parts`` for the other arguments."""
    whole = x.copy()
    whole[_parts(x, **parts)] = update
    return whole


def _parts(
    x: Array,
    begin: Array,
    end: Array,
    stride: Array | None = None,
    begin_mask: Array | None = None,
    end_mask: Array | None = None,
    squeeze_mask: Array | None = None,
) -> tuple[slice | int, ...]:
    """Return the index of a part of x. Masks are per dimension: ignore begin, ignore end, or take one element."""
    unset = [False] * x.ndim
    dimensions = zip(
        (int(n) for n in begin),
        (int(n) for n in end),
        [1] * x.ndim if stride is None else (int(n) for n in stride),
        unset if begin_mask is None else begin_mask,
        unset if end_mask is None else end_mask,
        unset if squeeze_mask is None else squeeze_mask,
        strict=True,
    )
    return tuple(
        first if single else slice(None if from_start else first, None if to_end else stop, step)
        for first, stop, step, from_start, to_end, single in dimensions
    )


def pad(x: Array, pad: Array, mode: str = "constant", constant_val: float = 0.0) -> Array:
    """Pad the last dimensions with a constant. pad: (before, after) for each of these dimensions."""
    if str(mode) != "constant":
        raise NotImplementedError(f"pad with mode {mode}")
    pairs = [(int(a), int(b)) for a, b in np.asarray(pad).reshape(-1, 2)]
    return np.pad(x, [(0, 0)] * (x.ndim - len(pairs)) + pairs, constant_values=constant_val)


def reduce_mean(x: Array, axes: Array | None = None, keep_dims: bool = False) -> Array:
    """Compute the mean over axes."""
    y: Array = x.mean(None if axes is None else tuple(int(axis) for axis in axes), keepdims=bool(keep_dims))
    return y


def real_div(x: Array, y: Array) -> Array:
    """Compute x / y."""
    return np.divide(x, y)


def maximum(x: Array, y: Array) -> Array:
    """Return the larger value of each pair."""
    return np.maximum(x, y)


def sigmoid(x: Array) -> Array:
    """Compute 1 / (1 + exp(-x))."""
    y: Array = 0.5 * (1 + np.tanh(0.5 * np.asarray(x)))
    return y


def sigmoid_hard(x: Array, alpha: Array, beta: Array) -> Array:
    """Compute ``alpha * x + beta``, limited to the range from 0 to 1."""
    y: Array = np.clip(alpha * x + beta, 0, 1)
    return y


def silu(x: Array) -> Array:
    """Compute ``x * sigmoid(x)``."""
    y: Array = x * sigmoid(x)
    return y


def softmax(x: Array, axis: int) -> Array:
    """Compute exp(x) divided by its sum along an axis."""
    raised = np.exp(x - x.max(int(axis), keepdims=True))
    y: Array = raised / raised.sum(int(axis), keepdims=True)
    return y


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Compute ``x @ weight.T + bias``."""
    y = x @ weight.T
    return y if bias is None else y + bias


ACTIVATIONS = (relu, relu6, clip, sigmoid, sigmoid_hard, silu, softmax)
ARITHMETIC = (add, sub, mul, real_div, maximum, *ACTIVATIONS, cast, fill_like, pad, reduce_mean, linear)
#: Operations that only move values. They take float16 arguments as they are, without conversion to float32.
MOVES = (reshape, expand_dims, squeeze, transpose, tile, concat, slice_by_index, slice_update)
OPERATIONS: dict[str, Callable[..., Any]] = {function.__name__: function for function in (*ARITHMETIC, *MOVES)}
