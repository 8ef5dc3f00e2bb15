"""Labels of networks with a sound segment: a gesture and a sound, such as ``left+clap``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from edgeshift.artifact.description import NONE
from edgeshift.gestures.motion import Event
from edgeshift.sound.drawn import QUIET

if TYPE_CHECKING:
    from edgeshift.gestures.heard_stream import HeardEvent

#: Between the gesture and the sound.
PLUS = "+"


def pair_label(gesture: str, sound: str) -> str:
    """Return the label of a gesture and a sound: "left+clap", "left" without a sound, "clap" without a gesture."""
    if sound == QUIET:
        return gesture
    return sound if gesture == NONE else f"{gesture}{PLUS}{sound}"


def pair_labels(gestures: Iterable[str], sounds: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of all pairs, in the order of outputs: for each gesture, its pairs with each sound."""
    return tuple(pair_label(gesture, sound) for gesture in gestures for sound in sounds)


def pair_events(events: Iterable[HeardEvent]) -> tuple[Event, ...]:
    """Return the events of a drawn stream with sound, with the labels of a network."""
    return tuple(Event(pair_label(event.gesture or NONE, event.sound), event.begin, event.end) for event in events)


def gesture_and_sound(label: str, sound: str | None) -> tuple[str, str]:
    """Return the names of a clip's gesture and sound.

    Args:
        label: the label of the clip. If ``sound`` is None, it names both, as left+clap, or the gesture of a quiet clip.
        sound: the name of the sound; None: the data set does not say.
    """
    if sound is not None:
        return label, sound
    gesture, plus, named = label.partition(PLUS)
    return (gesture, named) if plus else (label, QUIET)
