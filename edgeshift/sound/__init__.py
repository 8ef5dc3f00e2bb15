"""Sounds: log-mel spectrograms as pictures for a network, and files of sound.

It needs numpy, and imports only the rooms of errors and of the operating system.
"""

from __future__ import annotations

from edgeshift.sound.analysis import Analysis, analysis
from edgeshift.sound.picture import PictureStream, picture_of, sound_picture
from edgeshift.sound.settings import PUBLISHED, SoundSettings
from edgeshift.sound.spectrogram import ColumnStream, log_mel
from edgeshift.sound.wav import read_wav, write_wav

__all__ = [
    "PUBLISHED",
    "Analysis",
    "ColumnStream",
    "PictureStream",
    "SoundSettings",
    "analysis",
    "log_mel",
    "picture_of",
    "read_wav",
    "sound_picture",
    "write_wav",
]
