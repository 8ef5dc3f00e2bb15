"""Draw one sound in a room with background noise. A seed determines every sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np

from edgeshift.errors import SoundError, unknown
from edgeshift.sound.analysis import MAX_RATE, Samples, analysis
from edgeshift.sound.drawn.music import music
from edgeshift.sound.drawn.room import Room
from edgeshift.sound.drawn.shaping import Vector, edges
from edgeshift.sound.drawn.strikes import clap, double_clap, knock, snap
from edgeshift.sound.drawn.tones import beep, whistle_down, whistle_up
from edgeshift.sound.drawn.voice import voice
from edgeshift.sound.picture import Picture, picture_of
from edgeshift.sound.settings import SoundSettings

#: Draws a sound without a room, with a largest absolute value of 1: (generator, samples per second) -> float64 [N].
Draw = Callable[[np.random.Generator, int], Vector]

#: The name of a sound that is only background noise.
QUIET = "quiet"
#: {name: function that draws the sound}.
SOUNDS: Mapping[str, Draw] = {
    "clap": clap,
    "double-clap": double_clap,
    "snap": snap,
    "knock": knock,
    "whistle-up": whistle_up,
    "whistle-down": whistle_down,
    "beep": beep,
    "voice": voice,
    "music": music,
}
#: Samples per second of drawn sounds if nothing else is asked for, and the lowest number.
RATE, MIN_RATE = 16_000, 8000
#: Seconds before a sound and after it, if the duration allows.
BEFORE, AFTER = 0.12, 0.15
#: Part of its peak above which a sound has begun, and not yet ended.
AUDIBLE = 0.03


@dataclass(frozen=True, eq=False)
class DrawnSound:
    """A drawn sound.

    Attributes:
        samples: float32 [N], mono, within -1 to 1.
        rate: samples per second.
        name: a name of ``SOUNDS``, or "quiet".
        begin, end: seconds from the first sample to the beginning and the end of the sound, without its echoes. Both
            are 0 if the name is "quiet".
        seed: the seed of the sound.
    """

    samples: Samples
    rate: int
    name: str
    begin: float
    end: float
    seed: int


def draw_sound(seed: int, name: str, *, seconds: float, rate: int = RATE) -> DrawnSound:
    """Draw one sound at a random time in background noise. With the same version of numpy, the same arguments give the
    same samples.

    The whole sound lies within the duration. Of a longer one, such as music, a random part is used.

    Args:
        seed: 0 or more.
        name: a name of ``SOUNDS``, or "quiet" for the background alone.
        seconds: duration, up to 3600 s.
        rate: samples per second.

    Raises:
        SoundError: the name is unknown, or a number is out of range.
    """
    require_known(name)
    require_drawable(seed, seconds, rate)
    # Each part has a generator of its own, so that a change in one part does not change the others.
    for_room, for_noise, for_sound, for_place = (
        np.random.default_rng(part) for part in np.random.SeedSequence([seed, 2]).spawn(4)
    )
    room, samples = Room(for_room, rate), max(int(seconds * rate), 1)
    total, bounds = room.background(for_noise, samples), (0.0, 0.0)
    if name != QUIET:
        dry = cut_to(SOUNDS[name](for_sound, rate), samples, rate, for_place)
        free = samples - len(dry)
        spare = free - int((BEFORE + AFTER) * rate)
        first = int(BEFORE * rate) + int(for_place.integers(spare + 1)) if spare >= 0 else free // 2
        bounds = add(total, room, dry, first, for_place)
    return DrawnSound(total.clip(-1, 1).astype(np.float32), rate, name, *bounds, seed)


def rate_for(settings: SoundSettings) -> int:
    """Return the rate at which sounds are drawn for a network: ``RATE``, or more if the network uses higher tones."""
    return max(RATE, ceil(2 * settings.top))


def draw_picture(seed: int, name: str, settings: SoundSettings, size: int) -> Picture:
    """Return the picture of a drawn sound that has as many samples as a picture needs.

    Args:
        seed, name: as for ``draw_sound``.
        settings: the settings of the picture.
        size: height and width of the picture, pixels.
    """
    rate = rate_for(settings)
    drawn = draw_sound(seed, name, seconds=analysis(settings, rate).needed / rate, rate=rate)
    return picture_of(drawn.samples, drawn.rate, settings, size)


def add(total: Vector, room: Room, dry: Vector, first: int, random: np.random.Generator) -> tuple[float, float]:
    """Add a sound to the samples of a room at sample ``first``. Return the seconds of its beginning and its end."""
    # Softer sounds than this would not be heard over the background.
    softest = max(room.noise_level + 26, -42)
    placed = room.place(random, dry, float(random.uniform(softest, max(-1.0, softest + 6))))
    part = placed[: len(total) - first]
    total[first : first + len(part)] += part
    audible = np.flatnonzero(np.abs(dry) > AUDIBLE)
    return (first + int(audible[0])) / room.rate, (first + int(audible[-1]) + 1) / room.rate


def cut_to(dry: Vector, samples: int, rate: int, random: np.random.Generator) -> Vector:
    """Return a sound, or a random part of it if it is longer than ``samples``."""
    if len(dry) <= samples:
        return dry
    begin = int(random.integers(len(dry) - samples + 1))
    return dry[begin : begin + samples] * edges(samples, rate, 0.01, 0.01)


def require_known(name: str) -> None:
    """Raise SoundError if a sound is neither "quiet" nor a name of ``SOUNDS``."""
    if name != QUIET and name not in SOUNDS:
        raise SoundError(unknown("sound", name, (QUIET, *SOUNDS)))


def require_drawable(seed: int, seconds: float, rate: int) -> None:
    """Raise SoundError if a number is out of range."""
    if not (seed >= 0 and 0.1 <= seconds <= 3600 and MIN_RATE <= rate <= MAX_RATE):
        raise SoundError(
            f"cannot draw {seconds:g} s of sound with {rate:,} samples per second and seed {seed}: give 0.1 to 3,600 "
            f"seconds, {MIN_RATE:,} to {MAX_RATE:,} samples per second, and a seed of 0 or more"
        )
