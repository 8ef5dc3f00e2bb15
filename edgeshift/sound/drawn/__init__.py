"""Drawn sounds of our own synthesis: claps, whistles, knocks, voices and others, in rooms with noise.

It needs numpy, and imports only the room of errors and that of sounds. Everything is determined by a seed.
"""

from __future__ import annotations

from edgeshift.sound.drawn.draw import QUIET, RATE, SOUNDS, DrawnSound, draw_picture, draw_sound, rate_for
from edgeshift.sound.drawn.soundtrack import DrawnSoundtrack, SoundEvent, draw_soundtrack

__all__ = [
    "QUIET",
    "RATE",
    "SOUNDS",
    "DrawnSound",
    "DrawnSoundtrack",
    "SoundEvent",
    "draw_picture",
    "draw_sound",
    "draw_soundtrack",
    "rate_for",
]
