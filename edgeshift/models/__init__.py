"""The models by name. Importing this package needs no torch; building a model does."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from edgeshift.errors import ModelError, missing, unknown
from edgeshift.models.config import BACKBONES, ModelConfig
from edgeshift.shift import TABLES

if TYPE_CHECKING:
    from edgeshift.models.network import ShiftNetwork

__all__ = ["BACKBONES", "MODELS", "ModelConfig", "build", "parse_name"]

#: Registry names: one for each pair of a shift table and a backbone.
MODELS = tuple(f"{table}_{backbone}" for backbone in BACKBONES for table in TABLES)


def parse_name(name: str) -> tuple[str, str]:
    """Split a registry name: ``tsm_mobilenet_v2`` into ``("tsm", "mobilenet_v2")``.

    Raises:
        ModelError: the name is unknown. The message suggests similar names.
    """
    if name not in MODELS:
        raise ModelError(unknown("model", name, MODELS))
    table, _, backbone = name.partition("_")
    return table, backbone


def build(config: ModelConfig, *, seed: int | None = None) -> ShiftNetwork:
    """Build a network in evaluation mode with random weights.

    Args:
        config: the configuration of the network.
        seed: seed of the weights; None: each call gives other weights.

    Raises:
        ShiftError: at this width, a place has too few channels for the shift table.
        RuntimeMissingError: torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise missing("torch", "convert", "building a network") from error
    from edgeshift.models.network import ShiftNetwork

    module, _, name = BACKBONES[config.backbone].partition(":")
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        make = getattr(importlib.import_module(module), name)
        backbone = make(config.classes, **{option: getattr(config, option) for option in make.OPTIONS})
    return ShiftNetwork(config, backbone).eval()
