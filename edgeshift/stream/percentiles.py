"""Percentiles, given only where there are samples enough for them.

20 for p50, 64 for p90, 662 for p99: the early-stopping rule of MLPerf at a confidence of 0.99.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

#: {percentile: (share of the steps at or below it, samples that it needs)}.
PERCENTILES = {"p50": (0.5, 20), "p90": (0.9, 64), "p99": (0.99, 662)}


def percentile(samples: Sequence[float] | npt.NDArray[Any], name: str) -> float | None:
    """A percentile by its name in ``PERCENTILES``; None: too few samples."""
    share, needed = PERCENTILES[name]
    return float(np.quantile(samples, share)) if len(samples) >= needed else None


def milliseconds(seconds: Sequence[float] | npt.NDArray[Any]) -> dict[str, float | None]:
    """{"p50": ms, "p90": ms} of some seconds; None where there are too few samples."""
    found = {name: percentile(seconds, name) for name in ("p50", "p90")}
    return {name: None if value is None else value * 1e3 for name, value in found.items()}
