"""Labels of networks with a sound segment: a gesture and a sound, such as ``left+clap``."""

from __future__ import annotations

from edgeshift.artifact.description import NONE
from edgeshift.sound.drawn import QUIET

#: Between the gesture and the sound.
PLUS = "+"


def pair_label(gesture: str, sound: str) -> str:
    """Return the label of a gesture and a sound: "left+clap", "left" without a sound, "clap" without a gesture."""
    if sound == QUIET:
        return gesture
    return sound if gesture == NONE else f"{gesture}{PLUS}{sound}"


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
