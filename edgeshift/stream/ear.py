"""``Ear``: takes the samples of a microphone, and says whether there is a sound that a network can answer to.

The picture of a sound needs its newest seconds without a gap. After a gap, the ear waits until it has heard that many
seconds again, because a network takes the edge of a gap for a sound.
"""

from __future__ import annotations

from collections import deque
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
#: Most pieces that are remembered. They bound the memory if an app gives every sample alone, or all with one timestamp.
MOST_PIECES = 1 << 16


class Ear:
    """The samples of one microphone.

    Args:
        settings: the settings of the network's sound segment.
        size: height and width of the picture of the sound, pixels.

    Attributes:
        end: time after the newest sample, seconds; None: there is none.
    """

    def __init__(self, settings: SoundSettings, size: int) -> None:
        self._settings, self._size = settings, size
        self.deafen()

    def deafen(self) -> None:
        """Forget all samples. Frames are answered without a sound until enough new samples have come."""
        self._stream: PictureStream | None = None
        self.end: float | None = None
        self._last, self._run = 0.0, 0  # the newest value, and how many samples it has lasted
        # End of a piece, number of its samples, number of clipped ones.
        self._loud: deque[tuple[float, int, int]] = deque(maxlen=MOST_PIECES)

    def hear(self, samples: npt.ArrayLike, timestamp: float, rate: int) -> None:
        """Take the next samples.

        Args:
            samples: [N], mono, within -1 to 1. A piece without samples changes nothing, whatever its time is: the sound
                becomes late as if the piece had not been given.
            timestamp: time of the first sample in seconds, on the same clock as the frames.
            rate: samples per second.

        Raises:
            SoundError: the rate does not fit the settings, or a sample is not a finite number.
            EdgeshiftError: the timestamp is not a time in seconds.
        """
        require_time(timestamp)
        sound = checked(samples)
        if not len(sound):
            return
        if self._stream is None or self._stream.rate != rate:
            stream = PictureStream(self._settings, rate, self._size)  # first, because it refuses some rates
            self.deafen()
            self._stream = stream
        elif self.end is not None and abs(timestamp - self.end) > GAP:
            self._begin_again()
        self.end = timestamp + len(sound) / rate
        after = self._silence_ends(sound, rate)
        if after is not None:
            self._begin_again()
            sound = sound[after:]
        if not len(sound):
            return
        self._stream.feed(sound)
        self._loud.append((self.end, len(sound), int((np.abs(sound) >= CLIPPED).sum())))
        while self._loud[0][0] < self.end - self._settings.seconds:
            self._loud.popleft()

    def hearing(self, timestamp: float | None = None) -> Hearing:
        """Return whether there is a sound for a frame, or why there is none.

        Args:
            timestamp: time of the frame in seconds; None: the frame belongs to the newest sample.
        """
        if self._stream is None or self.end is None:
            return "deaf"
        if timestamp is not None and timestamp - self.end > LATE:
            return "late"
        if self._run >= SILENT * self._stream.rate:
            return "silent"
        if self._stream.missing:
            return "waiting"
        heard, clipped = (sum(piece[part] for piece in self._loud) for part in (1, 2))
        return "clipped" if clipped > CLIPPED_SHARE * heard else "heard"

    def picture(self) -> Picture:
        """Return the picture of the newest seconds. Call it only if ``hearing`` returns "heard"."""
        picture = None if self._stream is None else self._stream.picture()
        if picture is None:
            raise SoundError("there is no picture of a sound yet: not enough samples were given")
        return picture

    def _begin_again(self) -> None:
        """Forget the samples before a gap."""
        assert self._stream is not None
        self._stream.reset()
        self._loud.clear()

    def _silence_ends(self, sound: npt.NDArray[np.float32], rate: int) -> int | None:
        """Return the index of the sample after the last silence in a piece; None: there is none.

        A silence is a gap: what comes before it is forgotten.
        """
        changes = np.flatnonzero(np.diff(sound, prepend=np.float32(self._last)))
        ends = np.append(changes, len(sound))
        lengths = np.diff(ends, prepend=-self._run)
        self._last, self._run = float(sound[-1]), int(lengths[-1])
        silent = np.flatnonzero(lengths >= SILENT * rate)
        return int(ends[silent[-1]]) if len(silent) else None
