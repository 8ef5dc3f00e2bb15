"""Sounds for int8: pictures of windows of .wav files, for the ranges of a network with a sound segment."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeshift.converters.calibration import require_folder
from edgeshift.errors import CalibrationError, SoundError, SoundWarning
from edgeshift.sound import SoundSettings, picture_of, read_wav
from edgeshift.sound.analysis import analysis
from edgeshift.sound.picture import Picture
from edgeshift.video.clip_files import find_clips

#: Smallest and largest number of pictures.
MIN_SOUNDS, MAX_SOUNDS = 16, 64


@dataclass(frozen=True)
class ChosenSounds:
    """The .wav files of a folder, in the random order in which they are used."""

    folder: Path
    files: tuple[Path, ...]


def choose_sounds(folder: Path, seed: int = 0) -> ChosenSounds:
    """Find the .wav files below a folder. Another seed gives another order.

    Raises:
        CalibrationError: the folder does not exist, or holds no .wav file.
        VideoError: a folder cannot be read.
    """
    require_folder(folder, "--sounds takes a folder with .wav files")
    files = [path for path in find_clips(folder).others if path.suffix.lower() == ".wav"]
    if not files:
        raise CalibrationError(f"{folder}: no .wav files; with --sounds drawn, edgeshift draws sounds itself")
    return ChosenSounds(folder, tuple(files[i] for i in np.random.default_rng(seed).permutation(len(files)).tolist()))


def read_pictures(chosen: ChosenSounds, settings: SoundSettings, size: int) -> list[Picture]:
    """Return the pictures of at most ``MAX_SOUNDS`` windows, spread over the files.

    Files that cannot be read or are too short for a picture are left out, with a ``SoundWarning``. From a file come
    several windows, which do not overlap, only if there are fewer files than pictures.

    Raises:
        CalibrationError: there are fewer than ``MIN_SOUNDS`` pictures.
    """
    per_file = -(-MAX_SOUNDS // len(chosen.files))
    pictures: list[Picture] = []
    problems: list[str] = []
    for index, file in enumerate(chosen.files):
        if len(pictures) >= MAX_SOUNDS:
            break
        try:
            found = _windows(file, settings, size, min(per_file, MAX_SOUNDS - len(pictures)), index)
        except SoundError as error:
            problem = str(error) if str(file) in str(error) else f"{file}: {error}"
            problems.append(problem)
            warnings.warn(f"not used for calibration: {problem}", SoundWarning, stacklevel=2)
        else:
            pictures += found
    if len(pictures) < MIN_SOUNDS:
        reason = f"; the first problem is {problems[0]}" if problems else ""
        raise CalibrationError(
            f"{chosen.folder}: its .wav files give {len(pictures)} sounds of {settings.seconds:g} s, and calibration "
            f"needs {MIN_SOUNDS}: add more or longer files{reason}"
        )
    return pictures


def _windows(file: Path, settings: SoundSettings, size: int, count: int, seed: int) -> list[Picture]:
    """Return the pictures of at most ``count`` windows of a file at random times. They do not overlap."""
    samples, rate = read_wav(file)
    needed = analysis(settings, rate).needed
    fitting = min(max(len(samples) // needed, 1), count)  # of a file that is too short, picture_of says so
    spare = max(len(samples) - fitting * needed, 0)
    gaps = np.sort(np.random.default_rng(seed).integers(spare + 1, size=fitting)).tolist()
    begins = [gap + index * needed for index, gap in enumerate(gaps)]
    return [picture_of(samples[begin : begin + needed], rate, settings, size) for begin in begins]
