"""Intervals: of a share of clips, of the median of a ratio, of the difference between two models."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.errors import EdgeshiftError

#: Seconds, one per round.
Seconds = npt.NDArray[np.float64]
#: Resamples of a bootstrap, and the share of their medians that its interval holds.
RESAMPLES, CONFIDENCE = 2000, 0.95

#: Of the normal distribution: 95% lie within this many standard deviations.
Z95 = 1.959963984540054


class Share(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``count`` of ``total``, as a value with its 95% interval; all None where there is nothing to count."""

    count: int
    total: int
    value: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return "-"
        return f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%}, {self.count} of {self.total})"


def share(count: int, total: int) -> Share:
    """With Wilson's score interval (1927), which holds near 0 and 1 and for few clips."""
    if total == 0:
        return Share(count, total, None, None, None)
    value, spread = count / total, Z95 * Z95 / total
    middle = (value + spread / 2) / (1 + spread)
    reach = sqrt(value * (1 - value) * spread + spread * spread / 4) / (1 + spread)
    low = 0.0 if count == 0 else middle - reach
    high = 1.0 if count == total else middle + reach
    return Share(count, total, round(value, 6), round(low, 6), round(high, 6))


def paired_interval(lost: int, won: int, total: int) -> tuple[float, float]:
    """The 95% interval of the difference of two shares of the same clips, by Agresti and Min (2005).

    Wald's interval after half a clip was added to each of the four kinds, which holds for few clips as well.
    """
    n, difference, discordant = total + 2, won - lost, won + lost + 1
    middle = difference / n
    reach = Z95 * sqrt(max(0.0, discordant - difference * difference / n)) / n
    return max(-1.0, middle - reach), min(1.0, middle + reach)


def mcnemar(first_only: int, second_only: int) -> float:
    """McNemar's exact test, two-sided: how likely two equally good models differ this much on the same clips.

    Args:
        first_only, second_only: clips that only the first, only the second has right.
    """
    total = first_only + second_only
    # total over right, each out of the one before: thousands of clips would take minutes otherwise.
    ways, tail = 1, 0
    for right in range(min(first_only, second_only) + 1):
        tail += ways
        ways = ways * (total - right) // (right + 1)
    return min(1.0, tail / (1 << total) * 2)


class Interval(NamedTuple):
    """A median over rounds, and between what it would lie were the rounds drawn again."""

    value: float
    low: float
    high: float


def ratio(over: Seconds, under: Seconds) -> Interval:
    """The median of ``over / under``, round by round."""
    return median(over / under)


def median(values: Seconds, *, seed: int = 0) -> Interval:
    """The median of one value per round, with its percentile bootstrap interval.

    Raises:
        EdgeshiftError: a value that is no number, such as the ratio to a time of zero.
    """
    if not np.isfinite(values).all():
        raise EdgeshiftError("a time of zero cannot be compared; time more calls")
    random = np.random.default_rng(seed)
    drawn = np.median(values[random.integers(len(values), size=(RESAMPLES, len(values)))], axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail))
    return Interval(float(np.median(values)), float(low), float(high))
