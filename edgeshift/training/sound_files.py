"""Recorded sounds for training: .wav files, and the sound inside videos. Each becomes a picture of a random window."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from edgeshift._system.files import open_file
from edgeshift.errors import SoundError, TrainingError
from edgeshift.sound import SoundSettings, read_wav
from edgeshift.sound.analysis import Samples, analysis
from edgeshift.sound.drawn import QUIET, draw_sound
from edgeshift.sound.picture import Picture, picture_of
from edgeshift.video.clip_files import find_clips
from edgeshift.video.soundtrack import read_soundtrack

#: Files up to this size are kept in memory, bytes, and number of them in each process.
SMALL, KEPT = 2 << 20, 256
#: Loudness of training sounds relative to their files, decibels.
GAINS = (-18.0, 3.0)
#: How much softer than a short sound the quiet room around it is, at least: 26 dB.
ROOM = 0.05
#: Every so many files of a sound, one is for validation.
VALIDATION_EVERY = 7


@dataclass(frozen=True)
class SoundFiles:
    """The files of a folder with one folder of .wav files for each sound.

    Attributes:
        names: the names of the sounds, in alphabetical order, without ``QUIET``.
        training, validation: {name: its files}. ``QUIET`` is a name if there is a folder of quiet rooms.
    """

    names: tuple[str, ...]
    training: dict[str, list[Path]]
    validation: dict[str, list[Path]]


def find_sounds(folder: Path) -> SoundFiles:
    """Find the sounds in a folder with one folder of .wav files for each sound.

    Raises:
        TrainingError: there is no such folder, or a sound has fewer than two files.
    """
    if not folder.is_dir():
        raise TrainingError(f"{folder}: no such folder; give a folder with a folder of .wav files for each sound")
    files: dict[str, list[Path]] = {}
    for path in sorted(path for path in find_clips(folder).others if path.suffix.lower() == ".wav"):
        parts = path.relative_to(folder).parts
        if len(parts) > 1:
            files.setdefault(parts[0], []).append(path)
    names = tuple(name for name in files if name != QUIET)
    if not names:
        raise TrainingError(f"{folder}: it has no folders of .wav files; put those of each sound into a folder")
    for name, paths in files.items():
        if len(paths) < 2:
            raise TrainingError(
                f"{folder}: there is one file of {name!r}; a sound needs two, one of them for validation"
            )
    checked = {name: [paths[-1:], paths[VALIDATION_EVERY - 1 :: VALIDATION_EVERY]] for name, paths in files.items()}
    validation = {name: every or last for name, (last, every) in checked.items()}
    training = {name: [path for path in paths if path not in validation[name]] for name, paths in files.items()}
    return SoundFiles(names, training, validation)


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


def hash_files(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of the contents of files, in order."""
    digest = hashlib.sha256()
    for path in paths:
        with open_file(path) as file:
            while part := file.read(1 << 20):
                digest.update(part)
    return digest.hexdigest()


def _read(path: Path) -> tuple[Samples, int]:
    return read_wav(path) if path.suffix.lower() == ".wav" else read_soundtrack(path)


_kept = lru_cache(maxsize=KEPT)(_read)
