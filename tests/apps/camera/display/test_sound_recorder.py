"""Sound beside a recorded video: gaps become silence, and the file is only there when it is complete."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeshift.apps.camera.display.sound_recorder import SoundRecorder
from edgeshift.apps.camera.microphones.base import Piece
from edgeshift.errors import EdgeshiftError
from edgeshift.sound import read_wav

RATE = 1000


def piece(value: float, timestamp: float, count: int = 100) -> Piece:
    return Piece(np.full(count, value, np.float32), timestamp, RATE)


def record(path: Path, start: float, *pieces: Piece) -> np.ndarray:
    recorder = SoundRecorder(path, start)
    for one in pieces:
        recorder.add(one)
    assert recorder.close()
    samples, rate = read_wav(path)
    assert rate == RATE and list(path.parent.iterdir()) == [path]
    return samples


def test_samples_begin_with_the_video_and_gaps_are_silent(tmp_path: Path):
    # The video begins in the middle of the first piece. 0.2 s are missing later; 10 ms are no gap.
    samples = record(tmp_path / "a.wav", 5.05, piece(0.25, 5.0), piece(0.5, 5.11), piece(0.75, 5.4))
    expected = np.concatenate([np.full(50, 0.25), np.full(100, 0.5), np.zeros(200), np.full(100, 0.75)])
    assert np.array_equal(samples, expected.astype(np.float32))


def test_sound_that_comes_after_the_start_begins_with_silence(tmp_path: Path):
    samples = record(tmp_path / "a.wav", 5.0, piece(0.5, 5.3))
    assert np.array_equal(samples, np.concatenate([np.zeros(300), np.full(100, 0.5)]).astype(np.float32))


def test_a_clip_that_starts_again_goes_on_without_a_gap(tmp_path: Path):
    samples = record(tmp_path / "a.wav", 0.0, *(piece(0.5, index / 10) for index in range(20)), piece(0.25, 0.0))
    assert np.array_equal(samples, np.concatenate([np.full(2000, 0.5), np.full(100, 0.25)]).astype(np.float32))


def test_a_long_time_without_sound_is_shortened_as_in_the_video(tmp_path: Path):
    samples = record(tmp_path / "a.wav", 0.0, piece(0.5, 0.0), piece(0.25, 3600.0))
    assert len(samples) == 100 + 10_000 + 100 and (samples[-100:] == 0.25).all()


def test_without_sound_there_is_no_file(tmp_path: Path):
    assert not SoundRecorder(tmp_path / "a.wav", 0.0).close() and not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_an_error_at_the_end(tmp_path: Path):
    (tmp_path / "file").touch()
    recorder = SoundRecorder(tmp_path / "file" / "a.wav", 0.0)
    for index in range(10):
        recorder.add(piece(0.5, index / 10))
    with pytest.raises(EdgeshiftError, match=r"a\.wav"):
        recorder.close()
