"""The convolutions and pools of a Core ML program, in numpy. See ``ops``."""

from __future__ import annotations

import numpy as np

from edgeshift.stream import Array


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
    """Compute a two-dimensional convolution: x [N, C, H, W], weight [out, C / groups, kh, kw]."""
    step = (1, 1) if strides is None else (int(strides[0]), int(strides[1]))
    if x.ndim != 4 or (dilations is not None and any(int(d) != 1 for d in dilations)):
        raise NotImplementedError("dilated conv, or conv with a rank other than 4")
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


def max_pool(
    x: Array,
    kernel_sizes: Array,
    strides: Array | None = None,
    pad_type: str = "valid",
    pad: Array | None = None,
    ceil_mode: bool = False,
) -> Array:
    """Compute the largest value of each window. Padding is never the largest value."""
    if ceil_mode:
        raise NotImplementedError("max_pool with ceil_mode")
    kernel = int(kernel_sizes[0]), int(kernel_sizes[1])
    step = (1, 1) if strides is None else (int(strides[0]), int(strides[1]))
    y: Array = np.max(_windows(_padded(x, str(pad_type), pad, kernel, step, -np.inf), kernel, step), (-2, -1))
    return y


def avg_pool(
    x: Array,
    kernel_sizes: Array,
    strides: Array | None = None,
    pad_type: str = "valid",
    pad: Array | None = None,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Array:
    """Compute the mean of each window."""
    if ceil_mode or str(pad_type) != "valid":
        raise NotImplementedError("avg_pool with padding or ceil_mode")
    kernel = int(kernel_sizes[0]), int(kernel_sizes[1])
    step = (1, 1) if strides is None else (int(strides[0]), int(strides[1]))
    y: Array = np.mean(_windows(x, kernel, step), (-2, -1))
    return y


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
        halves = [total // 2 for total in totals]
        first = halves if kind == "same" else [total - half for total, half in zip(totals, halves, strict=True)]
        (top, left), (bottom, right) = first, [total - half for total, half in zip(totals, first, strict=True)]
    else:
        raise NotImplementedError(f"padding of kind {kind}")
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)


def _windows(x: Array, kernel: tuple[int, int], step: tuple[int, int]) -> Array:
    """Return the windows of x as a view [N, C, H', W', kh, kw]."""
    return np.lib.stride_tricks.sliding_window_view(x, kernel, (2, 3))[:, :, :: step[0], :: step[1]]


def _dense(x: Array, weight: Array, step: tuple[int, int]) -> Array:
    out, _, height, width = weight.shape
    if height == width == 1:
        columns = x[:, :, :: step[0], :: step[1]]
        size = columns.shape[2:]
    else:
        windows = _windows(x, (height, width), step)
        columns, size = windows.transpose(0, 1, 4, 5, 2, 3), windows.shape[2:4]
    y: Array = np.matmul(weight.reshape(out, -1), columns.reshape(len(x), -1, size[0] * size[1]))
    return y.reshape(-1, out, *size)


def _depthwise(x: Array, weight: Array, step: tuple[int, int]) -> Array:
    """Compute a depthwise convolution as a sum of shifted inputs, one for each value of the kernel."""
    _, _, height, width = weight.shape
    rows, columns = (x.shape[2] - height) // step[0] + 1, (x.shape[3] - width) // step[1] + 1
    y = np.zeros((x.shape[0], weight.shape[0], rows, columns), np.float32)
    for i in range(height):
        for j in range(width):
            part = x[:, :, i : i + (rows - 1) * step[0] + 1 : step[0], j : j + (columns - 1) * step[1] + 1 : step[1]]
            y += part * weight[:, 0, i, j][:, None, None]
    return y


OPERATIONS = {function.__name__: function for function in (conv, max_pool, avg_pool)}
