"""The operations of a Core ML program (MIL) that edgeshift's conversions consist of, in numpy: arithmetic and moves.

``windows`` has convolutions and pools, ``quantization`` quantization and packed weights.

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

#: {operation: what computes it}, of this file.
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
    OPERATIONS[function.__name__] = function
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
    y: Array = x.mean(None if axes is None else tuple(int(axis) for axis in axes), keepdims=bool(keep_dims))
    return y


@operation
def softmax(x: Array, axis: int) -> Array:
    """Probabilities."""
    raised = np.exp(x - x.max(int(axis), keepdims=True))
    y: Array = raised / raised.sum(int(axis), keepdims=True)
    return y


@operation
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """``x @ weight.T + bias``."""
    y = x @ weight.T
    return y if bias is None else y + bias
