"""Sounds: log-mel spectrograms as pictures for a network, and drawn sounds. It needs numpy only."""

from __future__ import annotations

from edgeshift.sound.settings import PUBLISHED, SoundSettings

__all__ = ["PUBLISHED", "SoundSettings"]
