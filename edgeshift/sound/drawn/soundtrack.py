"""Draw a long sound with several events in one room: by a script, or at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeshift.errors import SoundError
from edgeshift.sound.analysis import Samples
from edgeshift.sound.drawn.draw import QUIET, RATE, SOUNDS, add, cut_to, require_drawable, require_known
from edgeshift.sound.drawn.room import Room
from edgeshift.sound.drawn.shaping import log_uniform

#: Shortest and longest time between two sounds of a random script, seconds.
PAUSES = (0.8, 6.0)


@dataclass(frozen=True)
class SoundEvent:
    """A sound in a soundtrack.

    Attributes:
        label: the name of the sound.
        begin: seconds from the beginning of the soundtrack to the beginning of the sound.
        end: seconds from the beginning of the soundtrack to the end of the sound, without its echoes.
    """

    label: str
    begin: float
    end: float


@dataclass(frozen=True, eq=False)
class DrawnSoundtrack:
    """A drawn soundtrack.

    Attributes:
        samples: float32 [N], mono, within -1 to 1.
        rate: samples per second.
        events: the sounds, in the order of their beginnings.
        seed: the seed of the soundtrack.
    """

    samples: Samples
    rate: int
    events: tuple[SoundEvent, ...]
    seed: int


def draw_soundtrack(
    seed: int,
    script: Sequence[tuple[str, float]] | None = None,
    *,
    seconds: float,
    rate: int = RATE,
    names: Sequence[str] = tuple(SOUNDS),
) -> DrawnSoundtrack:
    """Draw sounds in one room with background noise. With the same version of numpy, the same arguments give the same
    samples.

    Args:
        seed: 0 or more.
        script: the name of each sound and the seconds at which it begins; None: random sounds with pauses. Sounds that
            overlap are mixed. A sound that is too long for the rest of the duration is cut.
        seconds: duration, up to 3600 s.
        rate: samples per second.
        names: the names of ``SOUNDS`` that a random script has. All are equally likely.

    Raises:
        SoundError: a name is unknown, or a number is out of range.
    """
    require_drawable(seed, seconds, rate)
    for name in names if script is None else (name for name, _ in script):
        require_known(name)
    if script is None and not names:
        raise SoundError("a random soundtrack needs the name of at least one sound")
    for name, begin in script or ():
        if not 0 <= begin < seconds:
            raise SoundError(f"a {name} at {begin:g} s is not within the {seconds:g} s of the soundtrack")
    for_room, for_noise, for_script, for_sounds = (
        np.random.default_rng(part) for part in np.random.SeedSequence([seed, 3]).spawn(4)
    )
    room, samples = Room(for_room, rate), int(seconds * rate)
    total, events = room.background(for_noise, samples), []
    time = float(for_script.uniform(0.2, PAUSES[1])) if script is None else 0.0
    planned = list(script or ())
    while time < seconds if script is None else planned:
        name, time = (str(for_script.choice(list(names))), time) if script is None else planned.pop(0)
        if name == QUIET:
            time += log_uniform(for_script, *PAUSES)
            continue
        # Every sound has a generator of its own, so that a change in one sound does not change the next one.
        random = np.random.default_rng(for_sounds.integers(1 << 62))
        dry, first = SOUNDS[name](random, rate), int(time * rate)
        if len(dry) > samples - first:
            if script is None:
                break
            dry = cut_to(dry, samples - first, rate, random)
        events.append(SoundEvent(name, *add(total, room, dry, first, random)))
        time += len(dry) / rate + log_uniform(for_script, *PAUSES)
    events.sort(key=lambda event: event.begin)
    return DrawnSoundtrack(total.clip(-1, 1).astype(np.float32), rate, tuple(events), seed)
