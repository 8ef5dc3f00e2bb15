"""Sounds beside clips: .wav files, and the sound inside videos. A window of one becomes a picture."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from edgeshift.errors import SoundError
from edgeshift.sound import SoundSettings, read_wav
from edgeshift.sound.analysis import Samples, analysis
from edgeshift.sound.drawn import QUIET, draw_sound
from edgeshift.sound.picture import Picture, picture_of
from edgeshift.video.dataset import LabelledClip
from edgeshift.video.soundtrack import read_soundtrack

#: Files up to this size are kept in memory, bytes, and number of them in each process.
SMALL, KEPT = 2 << 20, 256
#: Loudness of training sounds relative to their files, decibels.
GAINS = (-18.0, 3.0)
#: How much softer than a short sound the quiet room around it is, at least: 26 dB.
ROOM = 0.05


def sound_path(clip: LabelledClip) -> Path:
    """Return the file with the sound of a clip: a .wav file beside it, or the video itself."""
    return clip.wav if clip.wav.is_file() else clip.path


def read_sound(path: Path) -> tuple[Samples, int]:
    """Read a .wav file, or the sound in a video. Small ones are kept in memory.

    Raises:
        SoundError: it cannot be read.
    """
    try:
        small = path.stat().st_size <= SMALL
    except OSError as error:
        raise SoundError(f"{path}: cannot be read: {error.strerror}") from error
    return _kept(path) if small else _read(path)


def picture_of_window(
    path: Path, settings: SoundSettings, size: int, random: np.random.Generator, *, augment: bool
) -> Picture:
    """Return the picture of a window of a sound that contains its loudest moment.

    A sound that is too short for a picture is put into a drawn quiet room, at a random time.

    Args:
        path: the file.
        settings: the settings of the sound segment.
        size: height and width of the picture, pixels.
        random: chooses the window.
        augment: also change the loudness.

    Raises:
        SoundError: the file cannot be read, is empty, or has an unsuitable rate.
    """
    samples, rate = read_sound(path)
    try:
        needed = analysis(settings, rate).needed
    except SoundError as error:
        raise SoundError(f"{path}: {error}") from error
    if not len(samples):
        raise SoundError(f"{path}: it holds no samples")
    loudest, spare = int(np.abs(samples).argmax()), len(samples) - needed
    if spare >= 0:
        margin = needed // 10
        first, last = (min(max(begin, 0), spare) for begin in (loudest - needed + margin, loudest - margin))
        begin = int(random.integers(first, last + 1))
        window = samples[begin : begin + needed]
    else:
        room = draw_sound(int(random.integers(1 << 40)), QUIET, seconds=(needed + 1) / rate, rate=rate).samples[:needed]
        peaks = float(np.abs(samples).max()), float(np.abs(room).max())
        window = room * min(1.0, ROOM * peaks[0] / peaks[1]) if peaks[0] and peaks[1] else room.copy()
        begin = int(random.integers(-spare + 1))
        window[begin : begin + len(samples)] += samples
    if augment:
        gain = 10 ** (random.uniform(*GAINS) / 20)
        window = window * min(gain, 1 / max(float(np.abs(window).max()), 1e-6))
    return picture_of(window.clip(-1, 1), rate, settings, size)


def _read(path: Path) -> tuple[Samples, int]:
    return read_wav(path) if path.suffix.lower() == ".wav" else read_soundtrack(path)


_kept = lru_cache(maxsize=KEPT)(_read)
