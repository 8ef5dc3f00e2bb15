"""The columns of a sound's three spectrograms: of a whole sound as published, or one after the other from a stream."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeshift.errors import SoundError
from edgeshift.sound.analysis import Analysis, Columns, Samples, analysis
from edgeshift.sound.settings import SoundSettings

Three = tuple[Columns, Columns, Columns]


def log_mel(samples: npt.ArrayLike, rate: int, settings: SoundSettings) -> Three:
    """Return all columns of a whole sound, as TSAM's publication defines them.

    The sound is mirrored at both ends, so the first column is centred on the first sample (torchaudio's
    ``center=True, pad_mode="reflect"``). A stream cannot do this; see ``ColumnStream``.

    Args:
        samples: [N], mono, within -1 to 1.
        rate: samples per second.
        settings: the settings.

    Returns:
        Float32 [1 + N // hop, bands] for each channel.

    Raises:
        SoundError: the rate is too low or too high, a sample is not a finite number, or the sound is too short.
    """
    how = analysis(settings, rate)
    sound = checked(samples)
    edge = how.transform // 2
    if len(sound) <= edge:
        raise SoundError(
            f"a sound of {len(sound) / rate:.3f} s is too short for a spectrogram: give more than {edge / rate:g} s"
        )
    padded = np.pad(sound, edge, "reflect")
    first, second, third = (
        how.columns(padded, channel, edge - channel.lead, 1 + len(sound) // channel.hop) for channel in how.channels
    )
    return first, second, third


class ColumnStream:
    """The columns of a sound that arrives in pieces of any length.

    Column k is centred on sample k * hop, counted from the beginning. There is no padding: the first column is the
    first one whose window does not begin before sample 0, and a column appears when the last sample of its window is
    there, which is half a window after its centre. The columns have the same bits for every division into pieces. The
    memory is bounded: between two pieces, only the samples of windows that are not complete are kept.
    """

    def __init__(self, settings: SoundSettings, rate: int) -> None:
        """Raise SoundError if the rate is too low or too high for the settings."""
        self.analysis: Analysis = analysis(settings, rate)
        self.reset()

    def reset(self) -> None:
        """Forget all samples. The next sample is sample 0."""
        self.heard = 0
        self._kept: Samples = np.empty(0, np.float32)
        self._next = [channel.first for channel in self.analysis.channels]

    def feed(self, samples: npt.ArrayLike) -> Three:
        """Take the next samples, mono and within -1 to 1, and return the columns that are complete now.

        Returns:
            Float32 [N, bands] for each channel, where N may be 0.

        Raises:
            SoundError: a sample is not a finite number. None of the samples is taken.
        """
        piece = checked(samples)
        begin = self.heard - len(self._kept)  # sample number of the first kept sample
        self._kept = np.concatenate([self._kept, piece])
        self.heard += len(piece)
        first, second, third = (self._complete(index, begin) for index in range(3))
        starts = (k * channel.hop - channel.lead for k, channel in zip(self._next, self.analysis.channels, strict=True))
        self._kept = self._kept[max(min(starts) - begin, 0) :].copy()
        return first, second, third

    def _complete(self, index: int, begin: int) -> Columns:
        channel, k = self.analysis.channels[index], self._next[index]
        self._next[index] = channel.complete(self.heard)
        return self.analysis.columns(self._kept, channel, k * channel.hop - channel.lead - begin, self._next[index] - k)


def checked(samples: npt.ArrayLike) -> Samples:
    """Return samples as float32 [N].

    Raises:
        SoundError: they have more than one dimension, are whole numbers, or are not finite.
    """
    array = np.asarray(samples)
    if array.ndim != 1 or (array.dtype.kind != "f" and array.size):
        raise SoundError(
            f"samples of type {array.dtype} and shape {list(array.shape)} cannot be used: give one channel of "
            "floating-point numbers from -1 to 1 (whole numbers of 16 bits divided by 32768)"
        )
    sound = np.ascontiguousarray(array, np.float32)
    if not np.isfinite(sound).all():
        raise SoundError("the sound contains values that are not finite numbers: give samples from -1 to 1")
    return sound
