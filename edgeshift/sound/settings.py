"""``SoundSettings``: how a sound becomes a picture, and how its logits are added to those of the frames.

The picture has three channels. Each one is a log-mel spectrogram of the same seconds of sound with another window, as
in TSAM (Antonov et al., Decoding Viewer Emotions in Video Ads, 2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.floating[Any]]

Norms = Literal["shared", "separate"]
Short = Annotated[float, Meta(ge=0.001, le=1)]
Three = tuple[Short, Short, Short]


class SoundSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of a network's sound segment. They are stored in checkpoints and in artifacts.

    Attributes:
        seconds: duration of the sound in one picture.
        frames: T, number of the newest frames whose logits are averaged with those of the sound.
        weight: weight w of the sound's logits in the answer (v_1 + ... + v_T + w s) / (T + w), where v_t are the logits
            of a frame and s those of the sound.
        every: seconds between two answers to the sound in a stream.
        norms: whether the sound uses the batch norms of the frames ("shared"), or has its own ("separate").
        transform: length of the Fourier transform, seconds. A window stands in its middle, between zeros.
        windows: length of the Hann window of each channel, seconds.
        hops: seconds between two columns of each channel.
        bands: number of mel bands, the height of the spectrogram.
        top: frequency of the highest mel band's upper end, Hz. The lowest band begins at 0 Hz.
        rate: samples per second that powers refer to. Powers of a sound with another rate are scaled accordingly.
        eps: value that is added to a power before the natural logarithm.
        low, high: logarithms that become the values 0 and 255 of the picture. The defaults are about the quantiles
            0.5% and 99.8% of drawn sounds in quiet and noisy rooms (benchmarks/studies/sound_levels.py). Recordings of
            drums lie within them too, except for their digital silence.
        cut: whether values below 0 and above 255 are cut off, and the picture is rounded to whole numbers.
    """

    seconds: Annotated[float, Meta(gt=0, le=60)]
    frames: Annotated[int, Meta(ge=1, le=1024)]
    weight: Annotated[float, Meta(gt=0, le=1024)] = 1.0
    every: Annotated[float, Meta(ge=0.01, le=60)] = 0.25
    norms: Norms = "shared"
    transform: Short = 0.1
    windows: Three = (0.025, 0.05, 0.1)
    hops: Three = (0.01, 0.025, 0.05)
    bands: Annotated[int, Meta(ge=8, le=512)] = 112
    top: Annotated[float, Meta(gt=0, le=96_000)] = 7500.0
    rate: Annotated[int, Meta(ge=8_000, le=192_000)] = 16_000
    eps: Annotated[float, Meta(gt=0)] = 1e-6
    low: float = -13.5
    high: float = 6.5
    cut: bool = True

    def fuse(self, frames: Floats, count: int, sound: Floats) -> Floats:
        """Return the answer to frames and a sound: (sum of the frames' logits + w s) / (number of frames + w).

        Args:
            frames: sum of the logits of the frames, [..., classes].
            count: number of these frames.
            sound: logits s of the sound, [..., classes].
        """
        fused: Floats = (frames + self.weight * sound) / (count + self.weight)
        return fused

    def __post_init__(self) -> None:
        if max(self.windows) > self.transform:
            raise ValueError(f"a window of {max(self.windows):g} s is longer than the transform, {self.transform:g} s")
        if self.seconds < max(*self.hops, self.transform):
            raise ValueError(f"a picture of {self.seconds:g} s is shorter than one column of it")
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} must be below high {self.high:g}")


#: The settings of the published TSAM network ("viewer emotions"). It takes the logarithms as they are, where a frame
#: has values 0 to 1: the picture has 255 times the logarithm, because edgeshift's frames have values 0 to 255.
PUBLISHED = SoundSettings(seconds=5.0, frames=12, bands=224, top=24_000.0, rate=48_000, low=0.0, high=1.0, cut=False)
