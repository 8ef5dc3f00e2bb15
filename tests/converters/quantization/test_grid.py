"""Grids hold their range and zero, for both kinds of scales; weights have one symmetric scale per output channel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgeshift.converters.quantization.grid import MIN_SCALE, make_grid, store, store_weight

RANGES = [(0, 6), (-3.7, 2.2), (0, 255), (0.5, 0.7), (-2, -1), (0, 0), (-1e-9, 0)]


@pytest.mark.parametrize("scale_type", [np.float32, np.float16])
@pytest.mark.parametrize(("low", "high"), RANGES)
def test_a_grid_holds_its_range_and_zero(low, high, scale_type):
    grid = make_grid(low, high, scale_type)
    assert float(scale_type(grid.scale)) == grid.scale >= MIN_SCALE
    ends = [(n - grid.zero_point) * grid.scale for n in (-128, 127)]
    assert ends[0] <= min(low, 0) + grid.scale / 2 and ends[1] >= max(high, 0) - grid.scale / 2
    assert -128 <= grid.zero_point <= 127
    values = torch.linspace(min(low, 0), max(high, 0), 1000)
    stored = store(values, grid)
    assert stored.dtype == torch.int8
    assert ((stored.float() - grid.zero_point) * grid.scale - values).abs().max() <= grid.scale * 0.51 + 1e-6
    assert int(store(torch.zeros(1), grid)) == grid.zero_point


def test_a_pixel_is_stored_without_rounding():
    grid = make_grid(0, 255)
    assert (grid.scale, grid.zero_point) == (1.0, -128)
    pixels = torch.arange(256.0)
    assert torch.equal(store(pixels, grid).float(), pixels - 128)


def test_storing_keeps_the_order_of_memory():
    last = torch.rand(1, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    assert store(last, make_grid(0, 1)).is_contiguous(memory_format=torch.channels_last)


def test_weights():
    weight = torch.randn(5, 3, 2, 2) * torch.tensor([1.0, 1e-3, 10, 0, 1]).reshape(5, 1, 1, 1)
    stored, scales = store_weight(weight)
    assert stored.dtype == torch.int8 and stored.abs().amax((1, 2, 3)).tolist() == [127, 127, 127, 0, 127]
    back = stored.float() * scales.reshape(5, 1, 1, 1)
    assert ((back - weight).abs().amax((1, 2, 3)) <= scales * 0.51).all()
