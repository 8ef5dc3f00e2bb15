"""Percentiles, which are only computed from enough samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

#: {percentile: (share of the samples at or below it, number of samples that it needs)}. The numbers are those of the
#: early-stopping rule of MLPerf at a confidence of 0.99.
PERCENTILES = {"p50": (0.5, 20), "p90": (0.9, 64), "p99": (0.99, 662)}


def percentile(samples: Sequence[float] | npt.NDArray[Any], name: str) -> float | None:
    """Return a percentile by its name in ``PERCENTILES``; None: there are too few samples."""
    share, needed = PERCENTILES[name]
    return float(np.quantile(samples, share)) if len(samples) >= needed else None


def milliseconds(seconds: Sequence[float] | npt.NDArray[Any]) -> dict[str, float | None]:
    """Return {"p50": ms, "p90": ms} of times in seconds; None: there are too few samples."""
    values = {name: percentile(seconds, name) for name in ("p50", "p90")}
    return {name: None if value is None else value * 1e3 for name, value in values.items()}
