"""Confidence intervals of shares, of differences between two models, and of medians; and the bootstrap behind them."""

from __future__ import annotations

from math import sqrt

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.errors import EdgeshiftError

Floats = npt.NDArray[np.float64]
#: Number of resamples of a bootstrap, and the confidence level of every interval.
RESAMPLES, CONFIDENCE = 2000, 0.95
#: 95% of a normal distribution lies within this many standard deviations of the mean.
Z95 = 1.959963984540054


class Share(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A share, such as of the clips that are classified correctly.

    Attributes:
        count, total: number of clips with the property, such as a correct prediction, and number of all clips.
        value, low, high: ``count / total`` and the ends of its 95% interval; None: there are no clips.
    """

    count: int
    total: int
    value: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return "-"
        return f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%}, {self.count} of {self.total})"


class Interval(msgspec.Struct, frozen=True):
    """A median, or a ratio of two medians, with the low and high end of its 95% interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def share(count: int, total: int) -> Share:
    """Return a share with Wilson's score interval (1927), which stays valid near 0 and 1 and for few clips."""
    if total == 0:
        return Share(count, total, None, None, None)
    low, high = wilson(count / total, total)
    return Share(count, total, round(count / total, 6), round(low, 6), round(high, 6))


def wilson(value: float, total: float) -> tuple[float, float]:
    """Return the ends of Wilson's 95% interval of a share of ``total`` independent samples, which may be a fraction."""
    spread = Z95 * Z95 / total
    middle = (value + spread / 2) / (1 + spread)
    reach = sqrt(value * (1 - value) * spread + spread * spread / 4) / (1 + spread)
    return 0.0 if value == 0 else middle - reach, 1.0 if value == 1 else middle + reach


def paired_interval(lost: int, won: int, total: int) -> tuple[float, float]:
    """Return the 95% interval of the difference between two models' accuracies on the same clips.

    This is Wald's interval after half a clip is added to each cell of the 2x2 table, which keeps it valid for few clips
    (Agresti and Min, 2005).

    Args:
        lost, won: number of clips that only the first model, and only the second model, classifies correctly.
        total: number of clips.
    """
    n, difference, discordant = total + 2, won - lost, won + lost + 1
    middle = difference / n
    reach = Z95 * sqrt(max(0.0, discordant - difference * difference / n)) / n
    return max(-1.0, middle - reach), min(1.0, middle + reach)


def mcnemar(first_only: int, second_only: int) -> float:
    """Return the two-sided p-value of McNemar's exact test: the probability that equal models differ this much or more.

    The arguments are the numbers of clips that only the first, and only the second, of two models classifies correctly.
    """
    total = first_only + second_only
    # Each binomial coefficient is computed from the previous one; from scratch, thousands of clips would take minutes.
    coefficient, tail = 1, 0
    for right in range(min(first_only, second_only) + 1):
        tail += coefficient
        coefficient = coefficient * (total - right) // (right + 1)
    return min(1.0, tail / (1 << total) * 2)


def ratio(numerator: Floats, denominator: Floats) -> Interval:
    """Return the median over rounds of the quotient, with its interval. Arguments and errors as in ``median``."""
    return median(numerator / denominator)


def median(values: Floats, *, seed: int = 0) -> Interval:
    """Return the median over rounds with its percentile bootstrap interval.

    Args:
        values: one value per round, [rounds].
        seed: seed of the bootstrap; the same values and seed give the same interval.

    Raises:
        EdgeshiftError: a value is not finite, such as the ratio to a time of zero.
    """
    if not np.isfinite(values).all():
        raise EdgeshiftError("a time of zero cannot be compared; time more calls")
    medians = np.median(values[resample(len(values), np.random.default_rng(seed))], axis=1)
    low, high = ends(medians)
    return Interval(float(np.median(values)), float(low), float(high))


def resample(count: int, random: np.random.Generator, times: int = RESAMPLES, block: int = 1) -> npt.NDArray[np.int64]:
    """Return indices of samples that are drawn with replacement, [times, count].

    Args:
        count: number of samples.
        random: source of the indices.
        times: how often ``count`` samples are drawn.
        block: number of successive samples that are drawn together, because they are correlated. The last sample is
            followed by the first one (circular block bootstrap, Politis and Romano, 1992), so that every sample is
            drawn equally often.
    """
    starts = random.integers(count, size=(times, -(-count // block), 1))
    return ((starts + np.arange(block)) % count).reshape(times, -1)[:, :count]


def ends(drawn: Floats) -> Floats:
    """Return the low and high end of the percentile interval of values from a bootstrap, [2]."""
    tail = (1 - CONFIDENCE) / 2
    return np.asarray(np.quantile(drawn, (tail, 1 - tail)))
