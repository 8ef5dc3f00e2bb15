"""Drawn streams of gestures with sounds: some beside a gesture, some alone, and others that are not to be reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeshift.gestures.draw import SPACING, DrawnStream, draw_stream
from edgeshift.gestures.motion import AWAY, PAUSE, WANDER, Action, Event
from edgeshift.gestures.strokes import STROKES
from edgeshift.sound.analysis import Samples
from edgeshift.sound.drawn import QUIET, RATE, draw_soundtrack

#: Seconds of sound after the end of the video.
AFTER = 0.5
#: Share of the gaps between two gestures that are long, and in which a sound can be heard alone.
LONG = 0.3
#: Seconds of a short and of a long gap.
SHORT_GAP, LONG_GAP = (2.0, 4.0), (8.0, 9.5)
#: Share of the quiet gestures, and of the long gaps without a sound, in which another sound is heard.
DISTRACTED = 0.5


@dataclass(frozen=True)
class HeardEvent:
    """A gesture, a sound, or both together.

    Attributes:
        gesture: name of the gesture; None: a sound alone.
        sound: name of the sound, or ``QUIET``.
        begin, end: seconds from the beginning of the stream to its beginning, and to the moment at which the gesture is
            complete and the sound is over.
    """

    gesture: str | None
    sound: str
    begin: float
    end: float


@dataclass(frozen=True, eq=False)
class HeardStream:
    """A drawn stream with its soundtrack.

    Attributes:
        video: the frames, and the times at which they were taken.
        samples: float32 [N], mono, from the beginning of the video.
        rate: samples per second.
        events: what happens, in the order of its beginning.
    """

    video: DrawnStream
    samples: Samples
    rate: int
    events: tuple[HeardEvent, ...]


def draw_heard_stream(
    seed: int,
    *,
    gestures: Sequence[str],
    sounds: Sequence[str],
    others: Sequence[str] = (),
    seconds: float = 60.0,
    span: float = 3.0,
    spacing: float = SPACING,
    size: int = 112,
    rate: int = RATE,
) -> HeardStream:
    """Draw a stream of gestures, each with one of the sounds or none, and of sounds alone.

    A sound beside a gesture begins shortly before the gesture is complete. Two events that follow each other are at
    least ``span`` seconds apart if one of them is a sound alone.

    Args:
        seed: 0 or more. The same arguments give the same pixels and samples.
        gestures: names of the gestures (``STROKES``). All are equally likely.
        sounds: names of the sounds. They and a quiet room are equally likely beside a gesture.
        others: names of sounds that are no events, and that are heard beside quiet gestures and between them.
        seconds: shortest duration of the stream.
        span: seconds that the network looks back. A gesture takes at most as long, or its shortest time.
        spacing: seconds between frames.
        size: height and width of the frames, pixels.
        rate: samples per second.
    """
    random = np.random.default_rng([seed, 6])
    video = draw_stream(seed, _script(random, gestures, seconds, span), spacing=spacing, size=size)
    duration = len(video.frames) * spacing + AFTER
    script: list[tuple[str, float]] = []
    # {index in the script: the gesture, or None for a sound alone}
    targets: dict[int, Event | None] = {}
    events: list[HeardEvent] = []
    for event, following in zip(video.events, (*video.events[1:], None), strict=True):
        sound = str(random.choice([*sounds, QUIET]))
        if sound != QUIET:
            targets[len(script)] = event
            script.append((sound, max(event.end - float(random.uniform(0.1, 0.8)), 0.0)))
        else:
            events.append(HeardEvent(event.label, QUIET, event.begin, event.end))
            if others and random.random() < DISTRACTED:
                script.append((str(random.choice(list(others))), max(event.end - float(random.uniform(0.1, 1.5)), 0.0)))
        at = event.end + span + 0.4
        if following is None or following.end - at < span + 1:
            continue
        alone = str(random.choice([*sounds, QUIET]))
        if alone != QUIET:
            targets[len(script)] = None
            script.append((alone, at))
        elif others and random.random() < DISTRACTED:
            script.append((str(random.choice(list(others))), at))
    order = sorted(range(len(script)), key=lambda index: script[index][1])
    track = draw_soundtrack(seed, [script[index] for index in order], seconds=duration, rate=rate)
    for index, heard in zip(order, track.events, strict=True):
        if index not in targets:
            continue
        gesture = targets[index]
        if gesture is None:
            events.append(HeardEvent(None, heard.label, heard.begin, heard.end))
        else:
            events.append(HeardEvent(gesture.label, heard.label, gesture.begin, max(gesture.end, heard.end)))
    return HeardStream(video, track.samples, rate, tuple(sorted(events, key=lambda event: event.begin)))


def _script(random: np.random.Generator, gestures: Sequence[str], seconds: float, span: float) -> list[Action]:
    """Return the actions of the hand: gestures, with short and long gaps between them."""
    # A network with a sound segment hears nothing before its first seconds are full.
    script, total = [Action(PAUSE, span + 0.5)], span + 0.5
    while total < seconds:
        name = str(random.choice(list(gestures)))
        shortest, longest = STROKES[name].seconds
        low, high = np.log([shortest, max(min(longest, span), shortest)])
        gap = float(random.uniform(*(LONG_GAP if random.random() < LONG else SHORT_GAP)))
        added = [
            Action(name, float(np.exp(random.uniform(low, high)))),
            Action(PAUSE, min(1.0, gap)),
            Action(str(random.choice([AWAY, PAUSE, WANDER])), gap - min(1.0, gap) + 0.05),
        ]
        script += added
        total += sum(action.seconds for action in added)
    return script
