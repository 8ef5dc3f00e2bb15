"""Clips that change over time, and networks whose logits depend on the frame and on the states."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from edgeshift.models import ModelConfig
from edgeshift.models.network import ShiftNetwork
from edgeshift.models.untrained import initial_network


def clips(batch: int, frames: int, size: int, seed: int = 0) -> Tensor:
    """Return [batch, frames, 3, size, size], whole numbers 0 to 255: coarse noise that changes into other noise."""
    generator = torch.Generator().manual_seed(seed)
    first, last = torch.rand((2, batch, 1, 3, 7, 7), generator=generator)
    moving = torch.cat([first + (last - first) * t / max(1, frames - 1) for t in range(frames)], 1)
    large = functional.interpolate(moving.flatten(0, 1), (size, size), mode="bilinear").unflatten(0, (batch, frames))
    return (large * 235 + torch.rand(large.shape, generator=generator) * 20).round()


def network(config: ModelConfig) -> ShiftNetwork:
    """Return a network of this configuration. Networks of one backbone share their weights, so do not change them."""
    base = _base(config.backbone, config.classes, config.width, config.rounding, config.place)
    return ShiftNetwork(config, base.backbone).eval()


@cache
def _base(backbone: str, classes: int, width: float, rounding: str, place: str) -> ShiftNetwork:
    options = {"width": width, "rounding": rounding, "place": place}
    config = ModelConfig("tsm", backbone, classes, size=64, **options)  # type: ignore[arg-type]
    return initial_network(config, clips(2, 8, 64, seed=9))
