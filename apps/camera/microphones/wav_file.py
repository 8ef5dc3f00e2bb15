"""A .wav file in place of a microphone: for demonstrations and tests without a microphone, and for recorded clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from edgeshift.apps.camera.microphones.base import BLOCK, Block, Emit, Piece, Samples
from edgeshift.errors import SoundError
from edgeshift.sound import read_wav

THROUGH = "file"


def read_samples(path: Path) -> tuple[Samples, int]:
    """Return the samples of a .wav file, float32 [N], and the number of samples per second.

    Raises:
        SoundError: the file cannot be read, or is empty.
    """
    samples, rate = read_wav(path)
    if not len(samples):
        raise SoundError(f"{path}: it holds no samples")
    return samples, rate


@dataclass(frozen=True)
class WavMicrophone:
    """A .wav file that gives its samples at the speed at which they were recorded.

    Attributes:
        path: the file.
    """

    path: Path

    through = THROUGH

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def open(self) -> PacedSamples:
        """Read the file. Its first sample belongs to the time of the first read."""
        return PacedSamples(*read_samples(self.path))


class PacedSamples:
    """Samples that are given at the speed at which they were recorded.

    Args:
        samples: float32 [N].
        rate: samples per second.
    """

    def __init__(self, samples: Samples, rate: int) -> None:
        self.rate = rate
        self._samples, self._next = samples, 0
        self._begin: float | None = None

    def read(self) -> Block | None:
        """Wait until the next samples would have been recorded, and return them; None: there are no more."""
        if self._next >= len(self._samples):
            return None
        if self._begin is None:
            self._begin = monotonic()
        block = self._samples[self._next : self._next + max(1, round(BLOCK * self.rate))]
        self._next += len(block)
        sleep(max(0.0, self._begin + self._next / self.rate - monotonic()))
        return Block(block, False)

    def close(self) -> None:
        """Do nothing: the file is not open."""


class ClipSound:
    """A .wav file with the sound of a clip. Time 0 is the beginning of both, and the frames set the pace.

    Args:
        path: the file.

    Raises:
        SoundError: the file cannot be read, or is empty.
    """

    through = THROUGH
    follows_clip = True
    lost, losses = False, 0

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._samples, self.rate = read_samples(path)
        self._next = 0

    def start(self, emit: Emit) -> None:
        """Do nothing: there is no thread."""

    def take(self, until: float) -> list[Piece]:
        """Return the samples before this time in the clip that were not taken yet, as at most one piece.

        If the time is before that of the last call, the clip has started again, and so does the sound.
        """
        end = min(max(round(until * self.rate), 0), len(self._samples))
        if round(until * self.rate) < self._next:
            self._next = 0
        begin, self._next = self._next, end
        return [Piece(self._samples[begin:end], begin / self.rate, self.rate)] if end > begin else []

    def stop(self) -> None:
        """Do nothing: there is no thread."""
