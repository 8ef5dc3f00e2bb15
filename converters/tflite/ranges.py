"""Tied ranges (``edgeshift.converters.quantization.ranges``) in the form that ai-edge-quantizer takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeshift.converters.quantization.ranges import Graph, Range, tied


def tie_ranges(results: dict[str, Any], graph: Graph) -> None:
    """Give each group of tensors one range, in place.

    Args:
        results: the quantizer's calibration, {tensor name: {"min": array, "max": array}}.
        graph: of the float model that was calibrated.
    """
    measured = {name: known for name in graph.names if (known := _range(results, name))}
    for name, (low, high) in tied(graph, measured).items():
        if name in measured:
            results[name]["min"] = np.full_like(results[name]["min"], low)
            results[name]["max"] = np.full_like(results[name]["max"], high)


def _range(results: dict[str, Any], name: str) -> Range | None:
    """The calibrated range of a tensor, if it has one."""
    entry = results.get(name)
    if not entry or "min" not in entry or "max" not in entry:
        return None
    return float(np.min(entry["min"])), float(np.max(entry["max"]))
