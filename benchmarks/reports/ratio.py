"""The ratio of two latencies with its bootstrap confidence interval, and the verdict that follows from it.

The bootstrap has two levels. Steps of one process are correlated, so blocks of them are drawn. A process stays as fast
as its memory placement made it, so whole processes are drawn as well. Processes drawn from n with replacement vary less
than n new ones would; their distance from the median is therefore stretched by sqrt(n / (n - 1)).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np

from edgeshift.benchmarks.statistics import Floats, Interval, ends, resample
from edgeshift.errors import EdgeshiftError

#: Medians that are drawn from the steps of each repeat.
MEDIANS = 200


def ratio(before: Sequence[Floats], after: Sequence[Floats], seed: int = 0) -> Interval:
    """Return the ratio of the medians, ``after`` over ``before``, with its interval.

    Args:
        before, after: samples [steps] of each repeat, in any one unit.
        seed: seed of the bootstrap; the same samples and seed give the same interval.

    Raises:
        EdgeshiftError: a median is zero.
    """
    random = np.random.default_rng(seed)
    value = median_of_medians(after) / median_of_medians(before)
    low, high = np.exp(ends(_log_medians(after, random) - _log_medians(before, random)))
    return Interval(value, float(low), float(high))


def decide(measured: Interval, tolerance: float) -> tuple[str, bool]:
    """Return the verdict ("slower", "faster" or "no difference") and whether the interval exceeds the tolerance.

    Args:
        measured: the ratio, after over before.
        tolerance: relative slowdown that still counts as equal; 0.05 permits ratios from 1 / 1.05 to 1.05.
    """
    upper, lower = 1 + tolerance, 1 / (1 + tolerance)
    if measured.value > upper and measured.low > 1:
        return "slower", False
    if measured.value < lower and measured.high < 1:
        return "faster", False
    return "no difference", measured.low < lower or measured.high > upper


def median_of_medians(repeats: Sequence[Floats]) -> float:
    """Return the median over repeats of the median of each repeat's samples.

    Raises:
        EdgeshiftError: the median is zero.
    """
    return _positive(float(np.median([np.median(samples) for samples in repeats])))


def _log_medians(repeats: Sequence[Floats], random: np.random.Generator) -> Floats:
    """Return the logarithms of resampled medians over repeats, [RESAMPLES]."""
    medians: Floats = np.log(np.stack([_medians_of_steps(samples, random) for samples in repeats]))
    count = len(repeats)
    chosen = resample(count, random)
    drawn = medians[chosen, random.integers(MEDIANS, size=chosen.shape)]
    if count == 1:
        return np.asarray(drawn[:, 0])
    observed = np.array([np.log(np.median(samples)) for samples in repeats])
    # Only the distance between repeats is stretched; with many steps, the variation within a repeat is not understated.
    stretch = sqrt(count / (count - 1)) - 1
    return np.asarray(np.median(drawn + stretch * (observed[chosen] - np.median(observed)), axis=1))


def _medians_of_steps(samples: Floats, random: np.random.Generator) -> Floats:
    """Return medians of one repeat's steps, drawn in blocks, [MEDIANS]."""
    block = max(1, round(sqrt(len(samples))))
    # One at a time, because all of them together would not fit memory for a run of an hour.
    medians = np.array([np.median(samples[resample(len(samples), random, 1, block)]) for _ in range(MEDIANS)])
    _positive(float(medians.min()))
    return medians


def _positive(median: float) -> float:
    if median <= 0:
        raise EdgeshiftError("a time of zero cannot be compared: the measurement is too short or its clock too coarse")
    return median
