"""Recorded sounds for training: a folder with one folder of .wav files for each sound."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgeshift._system.files import add_contents
from edgeshift.errors import TrainingError
from edgeshift.sound.drawn import QUIET
from edgeshift.video.clip_files import find_clips

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


def hash_files(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of the contents of files, in order."""
    digest = hashlib.sha256()
    for path in paths:
        add_contents(digest, path)
    return digest.hexdigest()
