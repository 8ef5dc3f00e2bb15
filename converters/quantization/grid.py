"""The int8 grid of a tensor: which real value each of its 256 integers stands for.

    real = scale * (stored - zero_point)        stored: -128 to 127

The grids for ExecuTorch and Core ML are computed here. ONNX Runtime's quantizer and ai-edge-quantizer compute their own
grids from the same tied ranges.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from edgeshift.artifact.spec import GridSpec

#: The integers of an activation. Weights use -127 to 127, so that they are symmetric.
LOWEST, HIGHEST = -128, 127
#: The smallest scale of an activation: XNNPACK's kernels cannot distinguish smaller ones from zero.
MIN_SCALE = 2.0**-12


def make_grid(low: float, high: float, scale_type: type[np.float32] | type[np.float16] = np.float32) -> GridSpec:
    """Return the grid with the smallest scale that covers a range and zero.

    Args:
        low: the smallest value of the range.
        high: the largest value of the range.
        scale_type: the type in which the target stores scales. A float16 scale is rounded up, so that the range fits.
    """
    bottom, top = np.float32(min(low, 0.0)), np.float32(max(high, 0.0))
    exact = max((top - bottom) / np.float32(HIGHEST - LOWEST), np.float32(MIN_SCALE))
    scale = scale_type(exact)
    if scale < exact:
        scale = np.nextafter(scale, scale_type(np.inf))
    zero_point = round(LOWEST - float(bottom) / float(scale))
    return GridSpec(scale=float(scale), zero_point=max(LOWEST, min(HIGHEST, zero_point)))


def store(real: Tensor, grid: GridSpec) -> Tensor:
    """Quantize a float tensor to int8. The result has the same memory layout."""
    steps = torch.round(real / grid.scale) + grid.zero_point
    return steps.clamp(LOWEST, HIGHEST).to(torch.int8)


def store_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Quantize a weight to int8, with one symmetric scale per output channel (Krishnamoorthi, arXiv 1806.08342).

    Args:
        weight: float32 [out, ...].

    Returns:
        int8 [out, ...] from -127 to 127, and float32 scales [out].
    """
    scales = torch.clamp(weight.reshape(len(weight), -1).abs().amax(1) / HIGHEST, min=MIN_SCALE**2)
    steps = torch.round(weight / scales.reshape(-1, *[1] * (weight.ndim - 1)))
    return steps.clamp(-HIGHEST, HIGHEST).to(torch.int8), scales
