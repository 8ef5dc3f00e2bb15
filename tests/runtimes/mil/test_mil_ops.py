"""Each operation of the reference executor gives the same values as torch."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import torch.nn.functional as F  # noqa: E402

from edgeshift.runtimes.mil.executor import OPERATIONS  # noqa: E402

RANDOM = np.random.default_rng(0)


def values(*shape: int) -> np.ndarray:
    return RANDOM.normal(0, 2, shape).astype(np.float32)


def close(found, wanted, **tolerance):
    np.testing.assert_allclose(found, wanted.numpy(), **{"rtol": 1e-4, "atol": 1e-4, **tolerance})
    assert found.shape == tuple(wanted.shape)


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int32)


CONVOLUTIONS = {
    "pointwise": ((6, 5, 1, 1), 1, (0, 0, 0, 0), 1, True),
    "pointwise, strided": ((6, 5, 1, 1), 2, (0, 0, 0, 0), 1, False),
    "3 x 3": ((7, 5, 3, 3), 1, (1, 1, 1, 1), 1, True),
    "3 x 3, strided, no padding": ((8, 5, 3, 3), 2, (0, 0, 0, 0), 1, True),
    "7 x 7": ((4, 5, 7, 7), 2, (3, 3, 3, 3), 1, True),
    "depthwise": ((5, 1, 3, 3), 1, (1, 1, 1, 1), 5, True),
    "depthwise, strided, uneven padding": ((5, 1, 3, 3), 2, (0, 1, 0, 1), 5, False),
    "depthwise, 1 x 1": ((5, 1, 1, 1), 1, (0, 0, 0, 0), 5, False),
    "groups": ((10, 1, 3, 3), 1, (1, 1, 1, 1), 5, True),
}


@pytest.mark.parametrize("case", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_conv(case):
    shape, stride, (top, bottom, left, right), groups, biased = case
    x, weight = values(2, 5, 13, 11), values(*shape)
    bias = values(shape[0]) if biased else None
    padded = F.pad(torch.from_numpy(x), (left, right, top, bottom))
    wanted = F.conv2d(
        padded, torch.from_numpy(weight), None if bias is None else torch.from_numpy(bias), stride, groups=groups
    )
    found = OPERATIONS["conv"](
        x=x,
        weight=weight,
        bias=bias,
        strides=ints(stride, stride),
        pad_type="custom",
        pad=ints(top, bottom, left, right),
        dilations=ints(1, 1),
        groups=np.int32(groups),
    )
    close(found, wanted)


@pytest.mark.parametrize("size", [12, 13])
@pytest.mark.parametrize("stride", [1, 2])
def test_same_padding(size, stride):
    """As Core ML documents, the output size is ceil(input size / stride), and an odd row of padding is at the end."""
    x, weight = values(1, 3, size, size), values(4, 3, 3, 3)
    found = OPERATIONS["conv"](x=x, weight=weight, strides=ints(stride, stride), pad_type="same")
    total = max(0, (-(-size // stride) - 1) * stride + 3 - size)
    before, after = total // 2, total - total // 2
    wanted = F.conv2d(
        F.pad(torch.from_numpy(x), (before, after, before, after)), torch.from_numpy(weight), stride=stride
    )
    close(found, wanted)


def test_pools():
    x = values(1, 3, 12, 10)
    found = OPERATIONS["max_pool"](
        x=x, kernel_sizes=ints(3, 3), strides=ints(2, 2), pad_type="custom", pad=ints(1, 1, 1, 1)
    )
    close(found, F.max_pool2d(torch.from_numpy(x), 3, 2, 1))
    found = OPERATIONS["avg_pool"](x=x, kernel_sizes=ints(2, 2), strides=ints(2, 2))
    close(found, F.avg_pool2d(torch.from_numpy(x), 2, 2))


def test_elementwise_with_broadcasting():
    x, y = values(2, 3, 4, 4), values(1, 3, 1, 1)
    a, b = torch.from_numpy(x), torch.from_numpy(y)
    close(OPERATIONS["add"](x=x, y=y), a + b)
    close(OPERATIONS["sub"](x=x, y=y), a - b)
    close(OPERATIONS["mul"](x=x, y=y), a * b)
    close(OPERATIONS["relu"](x=x), torch.relu(a))
    close(OPERATIONS["relu6"](x=x), F.relu6(a))
    close(OPERATIONS["clip"](x=x, alpha=-1.0, beta=0.5), a.clamp(-1, 0.5))


def test_operations_of_a_classification_head():
    x, weight, bias = values(2, 6, 3, 3), values(4, 6), values(4)
    a = torch.from_numpy(x)
    mean = OPERATIONS["reduce_mean"](x=x, axes=ints(2, 3), keep_dims=True)
    close(mean, a.mean((2, 3), keepdim=True))
    close(OPERATIONS["reduce_mean"](x=x, axes=ints(2, 3), keep_dims=False), a.mean((2, 3)))
    flat = OPERATIONS["reshape"](x=mean, shape=ints(2, -1))
    logits = OPERATIONS["linear"](x=flat, weight=weight, bias=bias)
    wanted = F.linear(a.mean((2, 3)), torch.from_numpy(weight), torch.from_numpy(bias))
    close(logits, wanted)
    close(OPERATIONS["softmax"](x=logits, axis=1), torch.softmax(wanted, 1))


def test_moves():
    x, y = values(1, 6, 4, 5), values(1, 2, 4, 5)
    a, b = torch.from_numpy(x), torch.from_numpy(y)
    part = {"begin": ints(0, 2, 0, 0), "end": ints(1, 4, 4, 5)}
    close(OPERATIONS["slice_by_index"](x=x, **part), a[:, 2:4])
    masked = {
        "begin": ints(0, 2, 0, 0),
        "end": ints(0, 0, 0, 0),
        "begin_mask": np.array([True, False, True, True]),
        "end_mask": np.array([True] * 4),
    }
    close(OPERATIONS["slice_by_index"](x=x, **masked), a[:, 2:])
    strided = {"begin": ints(0, 1, 0, 0), "end": ints(1, 6, 4, 5), "stride": ints(1, 2, 1, 2)}
    close(OPERATIONS["slice_by_index"](x=x, **strided), a[:, 1:6:2, :, ::2])
    single = {**part, "squeeze_mask": np.array([True, False, False, False])}
    close(OPERATIONS["slice_by_index"](x=x, **single), a[0, 2:4])
    before = x.copy()
    patched = a.clone()
    patched[:, 2:4] = b
    close(OPERATIONS["slice_update"](x=x, update=y, **part), patched)
    np.testing.assert_array_equal(x, before)
    close(OPERATIONS["concat"](values=[x, y], axis=1), torch.cat((a, b), 1))
    close(OPERATIONS["transpose"](x=x, perm=ints(0, 2, 3, 1)), a.permute(0, 2, 3, 1))
    close(OPERATIONS["expand_dims"](x=x, axes=ints(0)), a[None])
    close(OPERATIONS["squeeze"](x=x, axes=ints(0)), a[0])
    close(OPERATIONS["tile"](x=x, reps=ints(1, 2, 1, 1)), a.repeat(1, 2, 1, 1))
    close(OPERATIONS["fill_like"](ref_tensor=x, value=np.float32(1)), torch.ones_like(a))
    close(OPERATIONS["pad"](x=x, pad=ints(1, 2, 0, 3)), F.pad(a, (0, 3, 1, 2)))
    close(OPERATIONS["cast"](x=np.array([1.5, -2.7], np.float32), dtype="int32"), torch.tensor([1, -2]))


def test_quantize_and_dequantize():
    """Quantizing and then dequantizing gives the values of torch's fake quantization."""
    x = np.concatenate([values(500), [0.05, 0.15, 0.25, -0.05, 100, -100]]).astype(np.float32)
    for dtype, low, high, zero in (("int8", -128, 127, -5), ("uint8", 0, 255, 7)):
        wanted = torch.fake_quantize_per_tensor_affine(torch.from_numpy(x), 0.1, zero, low, high).numpy()
        grid = {"scale": np.float32(0.1), "zero_point": np.array(zero, dtype)}
        stored = OPERATIONS["quantize"](input=x, output_dtype=dtype, **grid)
        assert stored.dtype == np.dtype(dtype)
        found = OPERATIONS["dequantize"](input=stored, **grid)
        # Values halfway between two steps may differ by one step, because torch multiplies by the inverse of the scale.
        assert np.abs(found - wanted).max() < 0.1001
        assert (np.abs(found - wanted) > 1e-5).mean() < 0.02


def test_halves_round_to_even_and_large_values_saturate():
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 200, -200], np.float32)
    found = OPERATIONS["quantize"](input=x, scale=np.float32(1), output_dtype="int8")
    np.testing.assert_array_equal(found, [0, 2, 2, 0, -2, 127, -128])


def test_packed_weights():
    weights = torch.from_numpy(values(4, 3, 2, 2))
    scales, zeros = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0, 1, -2, 3], dtype=torch.int32)
    wanted = torch.fake_quantize_per_channel_affine(weights, scales, zeros, 0, -128, 127)
    column = (4, 1, 1, 1)
    steps = torch.round(wanted / scales.reshape(column)) + zeros.reshape(column)
    stored, scale, zero = steps.numpy().astype(np.int8), scales.numpy(), zeros.numpy().astype(np.int8)
    found = OPERATIONS["constexpr_affine_dequantize"](
        quantized_data=stored, scale=scale, zero_point=zero, axis=np.int32(0)
    )
    close(found, wanted)
    found = OPERATIONS["constexpr_blockwise_shift_scale"](
        data=stored, scale=scale.reshape(column), offset=zero.reshape(column)
    )
    close(found, wanted)
    # Blocks of two channels share a scale.
    found = OPERATIONS["constexpr_blockwise_shift_scale"](data=stored, scale=scale[::2].reshape(2, 1, 1, 1))
    close(found, steps * torch.tensor([0.1, 0.1, 0.3, 0.3]).reshape(column))


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        ("conv", {"x": values(1, 3, 8, 8), "weight": values(2, 3, 3, 3), "dilations": ints(2, 2)}, "dilated"),
        ("conv", {"x": values(1, 3, 8, 8), "weight": values(2, 3, 3, 3), "pad_type": "odd"}, "padding of kind odd"),
        ("max_pool", {"x": values(1, 3, 8, 8), "kernel_sizes": ints(3, 3), "ceil_mode": True}, "ceil_mode"),
        ("pad", {"x": values(1, 3, 8, 8), "pad": ints(1, 1), "mode": "reflect"}, "reflect"),
        ("concat", {"values": [values(1), values(1)], "axis": 0, "interleave": True}, "interleave"),
    ],
)
def test_unknown_forms_of_operations_are_errors(kind, arguments, words):
    with pytest.raises(NotImplementedError, match=words):
        OPERATIONS[kind](**arguments)
