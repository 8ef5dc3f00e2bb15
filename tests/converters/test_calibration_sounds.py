"""Sounds for int8, read from a folder of .wav files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeshift.converters.calibration_sounds import MAX_SOUNDS, choose_sounds, read_pictures
from edgeshift.errors import CalibrationError, SoundWarning
from edgeshift.sound import SoundSettings, write_wav

RATE, SIZE = 16_000, 64
SETTINGS = SoundSettings(seconds=0.5, frames=2, bands=32)


def write_noise(path: Path, seconds: float, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    write_wav(path, (0.1 * random.standard_normal(int(seconds * RATE))).clip(-0.9, 0.9), RATE)
    return path


def test_windows_are_spread_over_the_files(tmp_path: Path) -> None:
    for index in range(80):
        write_noise(tmp_path / f"{index % 3}" / f"{index}.WAV", 0.7, index)
    pictures = read_pictures(choose_sounds(tmp_path), SETTINGS, SIZE)
    assert len(pictures) == MAX_SOUNDS and len({picture.tobytes() for picture in pictures}) == MAX_SOUNDS
    assert pictures[0].shape == (SIZE, SIZE, 3) and pictures[0].dtype == np.uint8


def test_long_files_give_several_windows_and_the_choice_repeats(tmp_path: Path) -> None:
    for index in range(2):
        write_noise(tmp_path / f"{index}.wav", 12, index)
    first, second = (read_pictures(choose_sounds(tmp_path), SETTINGS, SIZE) for _ in range(2))
    assert 16 <= len(first) < MAX_SOUNDS
    assert [a.tobytes() for a in first] == [b.tobytes() for b in second]
    assert len({picture.tobytes() for picture in first}) == len(first)


def test_files_that_cannot_be_used_are_left_out_with_a_warning(tmp_path: Path) -> None:
    for index in range(20):
        write_noise(tmp_path / f"{index}.wav", 0.7, index)
    write_noise(tmp_path / "short.wav", 0.1)
    (tmp_path / "damaged.wav").write_bytes(b"RIFF....")
    with pytest.warns(SoundWarning) as warned:
        pictures = read_pictures(choose_sounds(tmp_path), SETTINGS, SIZE)
    assert len(pictures) == 20
    lines = sorted(str(warning.message) for warning in warned)
    assert "damaged.wav: not an uncompressed .wav file" in lines[0]
    assert "short.wav: a sound of 0.100 s is too short for a picture of 0.5 s" in lines[1] and len(lines) == 2


@pytest.mark.filterwarnings("ignore::edgeshift.errors.SoundWarning")
def test_too_few_sounds_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="there is no such folder; --sounds takes a folder"):
        choose_sounds(tmp_path / "none")
    with pytest.raises(CalibrationError, match="with --sounds drawn, edgeshift draws sounds itself"):
        choose_sounds(tmp_path)
    write_noise(tmp_path / "short.wav", 0.1)
    write_noise(tmp_path / "long.wav", 2)
    with pytest.raises(CalibrationError) as error:
        read_pictures(choose_sounds(tmp_path), SETTINGS, SIZE)
    assert "give 3 sounds of 0.5 s, and calibration needs 16: add more or longer files" in str(error.value)
    assert "short.wav" in str(error.value) and "\n" not in str(error.value)
