"""Sounds: log-mel spectrograms as pictures for a network, and files of sound.

It needs numpy, and imports only the rooms of errors and of the operating system. Importing this package needs no numpy:
the settings of a network are read without it, and the other names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from edgeshift.sound.settings import PUBLISHED, SoundSettings

if TYPE_CHECKING:
    from edgeshift.sound.picture import PictureStream, picture_of, picture_of_clip, sound_picture
    from edgeshift.sound.spectrogram import ColumnStream, log_mel
    from edgeshift.sound.wav import read_wav, write_wav

__all__ = [
    "PUBLISHED",
    "ColumnStream",
    "PictureStream",
    "SoundSettings",
    "log_mel",
    "picture_of",
    "picture_of_clip",
    "read_wav",
    "sound_picture",
    "write_wav",
]

#: {module: the names that come from it}.
_NAMES = {
    "picture": ("PictureStream", "picture_of", "picture_of_clip", "sound_picture"),
    "spectrogram": ("ColumnStream", "log_mel"),
    "wav": ("read_wav", "write_wav"),
}


def __getattr__(name: str) -> Any:
    for module, names in _NAMES.items():
        if name in names:
            value = getattr(importlib.import_module(f"edgeshift.sound.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
