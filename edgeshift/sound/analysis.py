"""``Analysis``: the sizes of a spectrogram in samples at one sampling rate, and the log-mel values of its columns.

All durations in the settings are seconds. At a sampling rate they become floor(seconds * rate + 0.5) samples, so no
sound is resampled: the bins of the Fourier transform have the same frequencies at every rate, and the powers are scaled
by (``settings.rate`` / rate)^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor

import numpy as np
import numpy.typing as npt

from edgeshift.errors import SoundError
from edgeshift.sound.mel import MelFilters, Vector, mel_filters
from edgeshift.sound.settings import SoundSettings

Samples = npt.NDArray[np.float32]
#: float32 [N, bands]: natural logarithms of mel powers. The columns are in the order of time, the lowest band first.
Columns = npt.NDArray[np.float32]

#: The lowest and the highest sampling rate. With the lowest, the shortest window has one sample.
MIN_RATE, MAX_RATE = 1000, 384_000
#: Most values of a batch of Fourier transforms. It bounds the memory that a long piece of sound needs.
BATCH = 1 << 18


@dataclass(frozen=True, eq=False)
class Channel:
    """One of the three spectrograms. Column k is the window of the samples from k * ``hop`` - ``lead``.

    Attributes:
        window: float64 [W], the periodic Hann window.
        hop: samples between the windows of two columns.
        lead: samples of the window before its centre, which is sample k * ``hop``.
        columns: number of columns in a picture.
    """

    window: Vector
    hop: int
    lead: int
    columns: int

    @property
    def first(self) -> int:
        """Index of the first column whose window does not begin before sample 0."""
        return -(-self.lead // self.hop)

    def complete(self, samples: int) -> int:
        """Return the index after the last column whose window ends within the first ``samples`` samples."""
        return max((samples + self.lead - len(self.window)) // self.hop + 1, self.first)

    @property
    def needed(self) -> int:
        """Number of samples from the beginning of a sound that contain the columns of a picture."""
        return (self.first + self.columns - 1) * self.hop - self.lead + len(self.window)


@dataclass(frozen=True, eq=False)
class Analysis:
    """How a sound of one sampling rate becomes columns. ``analysis`` makes it.

    Attributes:
        settings: the settings.
        rate: samples per second.
        transform: length of the Fourier transform, samples.
        filters: the mel filters, which include the scale of the power.
        channels: the three spectrograms.
    """

    settings: SoundSettings
    rate: int
    transform: int
    filters: MelFilters
    channels: tuple[Channel, Channel, Channel]

    @property
    def needed(self) -> int:
        """Number of samples from the beginning of a sound after which there is a picture."""
        return max(channel.needed for channel in self.channels)

    def columns(self, samples: Samples, channel: Channel, start: int, count: int) -> Columns:
        """Return the log-mel values of ``count`` columns.

        Args:
            samples: float32 [N], which contain every window.
            channel: the channel.
            start: index in ``samples`` at which the first window begins.
            count: number of columns.
        """
        found = np.empty((count, self.settings.bands), np.float32)
        batch = max(1, BATCH // self.transform)
        for begin in range(0, count, batch):
            part = slice(begin, min(begin + batch, count))
            found[part] = self._batch(samples, channel, start + begin * channel.hop, part.stop - begin)
        return found

    def _batch(self, samples: Samples, channel: Channel, start: int, count: int) -> Vector:
        step = samples.strides[0]
        shape = (count, len(channel.window))
        piece = samples[start : start + (count - 1) * channel.hop + len(channel.window)]
        windows = np.lib.stride_tricks.as_strided(piece, shape, (channel.hop * step, step), writeable=False)
        # The transform has zeros on both sides of a window. Where they are does not change the power.
        spectrum = np.fft.rfft(windows * channel.window, self.transform)[:, : self.filters.used]
        power = spectrum.real**2 + spectrum.imag**2
        logarithms: Vector = np.log(self.filters.apply(power) + self.settings.eps)
        return logarithms


@lru_cache(maxsize=8)
def analysis(settings: SoundSettings, rate: int) -> Analysis:
    """Return how a sound of ``rate`` samples per second becomes columns.

    Raises:
        SoundError: the rate is too low for ``settings.top``, or too high.
    """
    least = least_rate(settings)
    if not least <= rate <= MAX_RATE:
        raise SoundError(
            f"a sound of {rate:,} samples per second cannot be used: the network needs {least:,} to "
            f"{MAX_RATE:,}, because it uses frequencies up to {settings.top:g} Hz; record with a higher rate, or "
            "resample the sound"
            if rate < least
            else f"a sound of {rate:,} samples per second cannot be used: the highest rate is {MAX_RATE:,}"
        )
    transform = samples_of(settings.transform, rate)
    filters = mel_filters(settings.bands, settings.top, rate / transform, transform // 2 + 1)
    scaled = MelFilters(filters.bins, filters.weights * (settings.rate / rate) ** 2, filters.starts)
    first, second, third = (
        _channel(settings, rate, transform, window, hop)
        for window, hop in zip(settings.windows, settings.hops, strict=True)
    )
    return Analysis(settings, rate, transform, scaled, (first, second, third))


def least_rate(settings: SoundSettings) -> int:
    """Return the lowest number of samples per second that a network with these settings takes."""
    return max(ceil(2 * settings.top), MIN_RATE)


def samples_of(seconds: float, rate: int) -> int:
    """Return the number of samples of a duration: the nearest whole number, a half upwards."""
    return floor(seconds * rate + 0.5)


def _channel(settings: SoundSettings, rate: int, transform: int, window: float, hop: float) -> Channel:
    length = min(samples_of(window, rate), transform)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi / length * np.arange(length))
    # The window is centred in the transform, as torch.stft places it.
    lead = transform // 2 - (transform - length) // 2
    return Channel(hann, samples_of(hop, rate), lead, floor(settings.seconds / hop + 0.5))
