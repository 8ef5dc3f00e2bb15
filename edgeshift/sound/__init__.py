"""Sounds: log-mel spectrograms as pictures for a network, and drawn sounds. It needs numpy, and imports no other room."""

from __future__ import annotations

from edgeshift.sound.settings import PUBLISHED, SoundSettings

__all__ = ["PUBLISHED", "SoundSettings"]
