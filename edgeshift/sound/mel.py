"""Mel filters on HTK's scale, without normalisation of their area, as torchaudio makes them (``mel_scale="htk"``)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MelFilters:
    """Triangular filters. Only their weights above 0 are stored, band after band, the lowest band first.

    Attributes:
        bins: int64 [P], index of the Fourier transform's bin for each weight.
        weights: float64 [P].
        starts: int64 [bands], index of each band's first weight. Every band has at least one weight, which is 0 if no
            bin lies within the band.
    """

    bins: npt.NDArray[np.int64]
    weights: Vector
    starts: npt.NDArray[np.int64]

    @property
    def used(self) -> int:
        """Number of bins from 0 to the last one that has a weight."""
        return int(self.bins.max()) + 1

    def apply(self, power: Vector) -> Vector:
        """Return the sums of the weighted powers: float64 [N, bands] for the powers of the bins, [N, ``used``]."""
        # The order of the sum within a band does not depend on N, so a column has the same bits in every batch.
        sums: Vector = np.add.reduceat(power[:, self.bins] * self.weights, self.starts, axis=1)
        return sums


def mel_filters(bands: int, top: float, bin_width: float, bins: int) -> MelFilters:
    """Return the filters whose corners are evenly spaced on the mel scale between 0 Hz and ``top``.

    Args:
        bands: number of filters.
        top: frequency of the last filter's upper corner, Hz.
        bin_width: distance between two bins, Hz.
        bins: number of bins; bin b has the frequency b * ``bin_width``.
    """
    corners = hertz(np.linspace(0.0, mel(top), bands + 2))[:, None]
    frequencies = np.arange(bins) * bin_width
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    dense = np.minimum((frequencies - low) / (middle - low), (high - frequencies) / (high - middle)).clip(0)
    dense[dense.max(1) <= 0, 0] = np.nan  # a band without a bin: it gets one weight of 0 below
    band, used = np.nonzero(dense)
    return MelFilters(used, np.nan_to_num(dense[band, used]), np.searchsorted(band, np.arange(bands)))


def mel(hertz: float) -> float:
    """Return the mel value of a frequency."""
    return float(2595.0 * np.log10(1.0 + hertz / 700.0))


def hertz(mel: Vector) -> Vector:
    """Return the frequencies of mel values, Hz."""
    frequencies: Vector = 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    return frequencies
