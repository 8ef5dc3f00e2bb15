"""``Ear``: takes the samples of a microphone, and says whether there is a sound that a network can answer to.

The picture of a sound needs its newest seconds without a gap. After a gap, the ear waits until it has heard that many
seconds again, because a network takes the edge of a gap for a sound.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from edgeshift.errors import SoundError
from edgeshift.sound import SoundSettings
from edgeshift.sound.picture import Picture, PictureStream
from edgeshift.sound.spectrogram import checked
from edgeshift.video.pace import require_time

#: What an ear can say about the sound: it is used ("heard"), or why it is not.
#:
#: deaf       no samples were given so far, or since ``deafen``
#: waiting    there are not enough samples since the beginning or since a gap
#: late       the newest sample is too old for the frame
#: silent     the microphone gives one value only
#: clipped    many samples are at the largest value that the microphone can give
Hearing = Literal["heard", "deaf", "waiting", "late", "silent", "clipped"]

#: Largest difference in seconds between the time of a piece and the end of the piece before it. A larger one is a gap.
GAP = 0.03
#: Largest age in seconds of the newest sample at the time of a frame.
LATE = 0.5
#: Seconds of one and the same value after which the microphone counts as silent. A working one gives some noise.
SILENT = 0.05
#: Values from which a sample counts as clipped, and the share of clipped samples from which a sound is not used.
CLIPPED, CLIPPED_SHARE = 0.999, 0.02


class Ear:
    """The samples of one microphone.

    Args:
        settings: the settings of the network's sound segment.
        size: height and width of the picture of the sound, pixels.
    """

    def __init__(self, settings: SoundSettings, size: int) -> None:
        self._settings, self._size = settings, size
        self.deafen()

    def deafen(self) -> None:
        """Forget all samples. Frames are answered without a sound until enough new samples have come."""
        self._stream: PictureStream | None = None
        self._end = 0.0  # time of the newest sample, seconds
        self._last, self._run = 0.0, 0  # the newest value, and how many samples it has lasted
        self._loud: list[tuple[float, int, int]] = []  # end of a piece, number of its samples, number of clipped ones

    def hear(self, samples: npt.ArrayLike, timestamp: float, rate: int) -> None:
        """Take the next samples.

        Args:
            samples: [N], mono, within -1 to 1.
            timestamp: time of the first sample in seconds, on the same clock as the frames.
            rate: samples per second.

        Raises:
            SoundError: the rate does not fit the settings, or a sample is not a finite number.
            EdgeshiftError: the timestamp is not a time in seconds.
        """
        require_time(timestamp)
        sound = checked(samples)
        if self._stream is None or self._stream.rate != rate:
            self.deafen()
            self._stream = PictureStream(self._settings, rate, self._size)
        elif abs(timestamp - self._end) > GAP:
            self._begin_again()
        if not len(sound):
            return
        self._note_silence(sound, rate)
        self._stream.feed(sound)
        self._end = timestamp + len(sound) / rate
        self._loud.append((self._end, len(sound), int((np.abs(sound) >= CLIPPED).sum())))
        while self._loud[0][0] < self._end - self._settings.seconds:
            del self._loud[0]

    def listen(self, timestamp: float | None) -> tuple[Hearing, Picture | None]:
        """Return whether there is a sound for a frame, and its picture if there is one.

        Args:
            timestamp: time of the frame in seconds; None: the frame belongs to the newest sample.
        """
        if self._stream is None:
            return "deaf", None
        if timestamp is not None and timestamp - self._end > LATE:
            return "late", None
        if self._run >= SILENT * self._stream.rate:
            return "silent", None
        if self._stream.missing:
            return "waiting", None
        heard, clipped = (sum(piece[part] for piece in self._loud) for part in (1, 2))
        if clipped > CLIPPED_SHARE * heard:
            return "clipped", None
        picture = self._stream.picture()
        assert picture is not None, "no sample is missing"
        return "heard", picture

    def _begin_again(self) -> None:
        """Forget the samples before a gap."""
        assert self._stream is not None
        self._stream.reset()
        self._loud.clear()

    def _note_silence(self, sound: npt.NDArray[np.float32], rate: int) -> None:
        """Count how long the newest value has lasted. A silence is a gap: what comes after it begins anew."""
        changes = np.flatnonzero(np.diff(sound, prepend=np.float32(self._last)))
        lengths = np.diff(changes, prepend=-self._run, append=len(sound))
        if (lengths[:-1] >= SILENT * rate).any() or lengths[-1] >= SILENT * rate:
            self._begin_again()
        self._last, self._run = float(sound[-1]), int(lengths[-1])
