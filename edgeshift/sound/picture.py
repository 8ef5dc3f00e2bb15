"""The picture of a sound for a network: the newest columns of three spectrograms become its three channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edgeshift.errors import SoundError
from edgeshift.sound.analysis import Channel, Columns, analysis
from edgeshift.sound.mel import Vector
from edgeshift.sound.settings import SoundSettings
from edgeshift.sound.spectrogram import ColumnStream, checked, log_mel

#: [size, size, 3], uint8 if the settings cut the values, else float32. Row 0 is the lowest band, and the last column is
#: the newest.
Picture = npt.NDArray[np.uint8] | npt.NDArray[np.float32]


def sound_picture(columns: Sequence[Columns], settings: SoundSettings, size: int) -> Picture:
    """Return the picture of the columns of three spectrograms.

    Each spectrogram is resized to the size of the picture: bilinear and antialiased, as by torch's
    ``interpolate(..., antialias=True, align_corners=False)``. Then the logarithms ``settings.low`` and
    ``settings.high`` become 0 and 255.

    Args:
        columns: float32 [N, bands] for each channel, the oldest column first. N is at least 1.
        settings: the settings.
        size: height and width of the picture, pixels.
    """
    picture = np.empty((size, size, 3), np.uint8 if settings.cut else np.float32)
    for index, values in enumerate(columns):
        across = resize(len(values), size).apply(values.astype(np.float64))
        resized = across.T if across.shape[1] == size else resize(across.shape[1], size).apply(across.T)
        scaled = (resized - settings.low) * (255 / (settings.high - settings.low))
        picture[..., index] = np.floor(scaled.clip(0, 255) + 0.5) if settings.cut else scaled
    return picture


def picture_of(samples: npt.ArrayLike, rate: int, settings: SoundSettings, size: int) -> Picture:
    """Return the picture of a sound at the time of its last sample.

    It has the same values as the picture of ``PictureStream`` after the same samples.

    Args:
        samples: [N], mono, within -1 to 1.
        rate: samples per second.
        settings: the settings.
        size: height and width of the picture, pixels.

    Raises:
        SoundError: the rate is too low or too high, a sample is not a finite number, or the sound is too short.
    """
    how = analysis(settings, rate)
    sound = checked(samples)
    if len(sound) < how.needed:
        raise SoundError(
            f"a sound of {len(sound) / rate:.3f} s is too short for a picture of {settings.seconds:g} s: give at least "
            f"{how.needed / rate:.3f} s"
        )

    def newest(channel: Channel) -> Columns:
        start = (channel.complete(len(sound)) - channel.columns) * channel.hop - channel.lead
        return how.columns(sound, channel, start, channel.columns)

    return sound_picture([newest(channel) for channel in how.channels], settings, size)


def picture_of_clip(samples: npt.ArrayLike, rate: int, settings: SoundSettings, size: int) -> Picture:
    """Return the picture of the sound of a whole clip, as the network was trained with it.

    Networks of edgeshift (``settings.cut`` is true) get that of ``picture_of``. The published TSAM network was trained
    with sounds of exactly ``settings.seconds`` that are mirrored at both ends; see ``log_mel``. Arguments and errors
    are those of ``picture_of``.
    """
    if settings.cut:
        return picture_of(samples, rate, settings, size)
    newest = np.asarray(samples)[-round(settings.seconds * rate) :]
    if len(newest) < round(settings.seconds * rate):
        raise SoundError(
            f"a sound of {len(newest) / rate:.3f} s is too short: the picture shows {settings.seconds:g} s"
        )
    return sound_picture(log_mel(newest, rate, settings), settings, size)


class PictureStream:
    """The picture of the newest seconds of a sound that arrives in pieces of any length.

    The newest column of a channel is centred half a window before the newest sample, or up to one hop earlier, because
    the columns are on a fixed grid of samples.
    """

    def __init__(self, settings: SoundSettings, rate: int, size: int) -> None:
        """Raise SoundError if the rate is too low or too high for the settings.

        Args:
            settings: the settings.
            rate: samples per second.
            size: height and width of the picture, pixels.
        """
        self.settings, self.size = settings, size
        self._columns = ColumnStream(settings, rate)
        self.reset()

    @property
    def rate(self) -> int:
        """Samples per second."""
        return self._columns.analysis.rate

    @property
    def heard(self) -> int:
        """Number of samples since the beginning or the last ``reset``."""
        return self._columns.heard

    @property
    def missing(self) -> int:
        """Number of samples that must still arrive before there is a picture; 0: there is one."""
        return max(self._columns.analysis.needed - self.heard, 0)

    def reset(self) -> None:
        """Forget all samples, for example after a gap in the sound."""
        self._columns.reset()
        self._newest = [np.empty((0, self.settings.bands), np.float32)] * 3

    def feed(self, samples: npt.ArrayLike) -> None:
        """Take the next samples, mono and within -1 to 1. Raise SoundError if one is not a finite number."""
        channels = self._columns.analysis.channels
        for index, new in enumerate(self._columns.feed(samples)):
            if len(new):
                kept = np.concatenate([self._newest[index], new])
                self._newest[index] = kept[-channels[index].columns :].copy()

    def picture(self) -> Picture | None:
        """Return the picture at the time of the newest sample; None: less than its seconds were heard so far."""
        return None if self.missing else sound_picture(self._newest, self.settings, self.size)


@dataclass(frozen=True, eq=False)
class Resize:
    """An antialiased bilinear resize along one axis. Output i is the sum of weights[t, i] * input[places[t, i]] over t.

    Attributes:
        places: int64 [taps, size].
        weights: float64 [taps, size]. The sum over the taps is 1.
    """

    places: npt.NDArray[np.int64]
    weights: Vector

    def apply(self, values: Vector) -> Vector:
        """Resize the first axis of [length, N] values to [size, N]."""
        # This is not a product of matrices, because BLAS starts threads for it, and most of the weights would be 0.
        return sum(
            (weights[:, None] * values[places] for places, weights in zip(self.places, self.weights, strict=True)),
            start=np.zeros(()),
        )


@lru_cache(maxsize=32)
def resize(length: int, size: int) -> Resize:
    """Return the resize of ``length`` values to ``size`` values."""
    scale = length / size
    reach = max(scale, 1.0)  # distance from the centre of an output to the inputs whose weight is 0
    centres = scale * (np.arange(size) + 0.5)
    begin, end = np.floor(centres - reach + 0.5).clip(0), np.floor(centres + reach + 0.5).clip(None, length)
    places = begin + np.arange(int((end - begin).max()))[:, None]
    weights = np.where(places < end, (1 - np.abs(places + 0.5 - centres) / reach).clip(0), 0)
    return Resize(places.clip(None, length - 1).astype(np.int64), weights / weights.sum(0))
