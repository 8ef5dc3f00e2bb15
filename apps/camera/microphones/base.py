"""The interfaces of microphones: how one is opened and read, and how the model gets its sound."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
#: Reports an event of the run. Called with the event's name, and with its details as keyword arguments.
Emit = Callable[..., None]

#: Seconds of sound in one read, and seconds without a sample after which a microphone counts as lost. Some need more
#: than a second for the first sample.
BLOCK, TIMEOUT = 0.02, 4.0
#: The reason for which such a microphone is lost.
NO_SOUND = f"it has given no sound for {TIMEOUT:g} s"


class Piece(msgspec.Struct, frozen=True):
    """Some samples, one after the other.

    Attributes:
        samples: float32 [N], mono, within -1 to 1.
        timestamp: time of the first sample, seconds on the clock of the frames.
        rate: samples per second.
        gap: whether samples before this piece were lost.
    """

    samples: Samples
    timestamp: float
    rate: int
    gap: bool = False


class Block(NamedTuple):
    """The result of one read: float32 [N] samples, and whether the driver lost samples before them."""

    samples: Samples
    lost: bool


class OpenMicrophone(Protocol):
    """An open microphone. Use it from one thread."""

    @property
    def rate(self) -> int:
        """Samples per second."""
        ...

    def read(self) -> Block | None:
        """Wait for the next samples and return them; None: the sound has ended.

        Raises:
            SoundError: the microphone cannot be read any more, or has given no sample for ``TIMEOUT`` seconds.
        """
        ...

    def close(self) -> None:
        """Release the microphone. May be called twice."""
        ...


class Microphone(Protocol):
    """A microphone, which can be opened again after it was lost."""

    @property
    def name(self) -> str:
        """The microphone's name in messages."""
        ...

    @property
    def through(self) -> str:
        """The package or program that reads it."""
        ...

    def open(self) -> OpenMicrophone:
        """Open the microphone. Raise SoundError if that is not possible."""
        ...


class Sound(Protocol):
    """The sound of a run. The model's thread takes the pieces before each step.

    Attributes:
        name: name of the microphone or file in messages.
        through: the package or program that reads it.
        rate: samples per second.
        follows_clip: whether its clock is the time in the clip; False: it is ``time.monotonic``.
        lost: whether the microphone is lost at the moment.
        losses: number of times that the microphone was lost.
    """

    name: str
    through: str
    rate: int
    follows_clip: bool
    lost: bool
    losses: int

    def start(self, emit: Emit) -> None:
        """Begin to listen."""

    def take(self, until: float) -> list[Piece]:
        """Return the pieces up to this time that were not taken yet, the oldest first. Never waits for samples."""
        ...

    def stop(self) -> None:
        """Stop listening and release the microphone."""
