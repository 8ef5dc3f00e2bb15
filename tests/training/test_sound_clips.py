"""Training pairs of recorded clips and recorded sounds."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgeshift.errors import SoundError, TrainingError
from edgeshift.sound import SoundSettings, write_wav
from edgeshift.training.sound_clips import ClipPairs, read_pairs
from edgeshift.training.sound_files import find_sounds
from edgeshift.video import soundtrack
from edgeshift.video.clips import write_video
from edgeshift.video.sound_window import picture_of_window
from edgeshift.video.soundtrack import read_soundtrack

RATE, SIZE, SPACING = 16_000, 64, 0.25
SETTINGS = SoundSettings(seconds=0.5, frames=4, bands=32)


def tone(path: Path, frequency: float, seconds: float, begin: float = 0.2) -> Path:
    """Write silence with a tone of 0.1 s."""
    times = np.arange(int(seconds * RATE)) / RATE
    sound = 0.5 * np.sin(2 * np.pi * frequency * times) * ((times >= begin) & (times < begin + 0.1))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, sound, RATE)
    return path


def band_of(picture: np.ndarray) -> int:
    """Return the row of the picture with the most energy. Row 0 is the lowest band."""
    return int(picture[..., 0].max(1).argmax())


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark clips with a low tone, light ones with a high tone, and both in silence; each in the folder of its pair."""
    root = tmp_path_factory.mktemp("clips")
    for label, light, frequency in (
        ("dark+low", 20, 400),
        ("dark", 20, 0),
        ("light+high", 220, 4000),
        ("light", 220, 0),
    ):
        for index in range(7):
            path = root / label / f"{index}.avi"
            path.parent.mkdir(exist_ok=True)
            write_video(path, [np.full((SIZE, SIZE, 3), light, np.uint8)] * 5, 4)
            tone(path.with_suffix(".wav"), frequency, 0.8)
    return root


def pairs(data: Path, sounds: Path | None = None) -> tuple[ClipPairs, ClipPairs]:
    return read_pairs(data, sounds, None, SETTINGS, SIZE, SPACING, 0)


def test_a_clip_has_its_own_sound(clips: Path) -> None:
    training, validation = pairs(clips)
    assert training.gestures == ("dark", "light") and training.sounds == ("high", "low", "quiet")
    assert training.labels == ("dark+high", "dark+low", "dark", "light+high", "light+low", "light")
    assert (training.clips, validation.clips) == (24, 4)
    seen = set()
    for index in range(24):
        for data in (training, validation):
            sequence = data[index]
            assert sequence.frames.shape == (4, SIZE, SIZE, 3) and sequence.heard is not None
            gesture, sound = data.gestures[sequence.heard.gesture], data.sounds[sequence.heard.sound]
            assert (sequence.frames.mean() > 128) == (gesture == "light")
            if sound != "quiet":
                assert (band_of(sequence.heard.picture) > SIZE // 2) == (sound == "high")
            assert data.labels[sequence.targets.labels[0]] == (gesture if sound == "quiet" else f"{gesture}+{sound}")
            seen.add((gesture, sound))
    assert seen == {("dark", "low"), ("dark", "quiet"), ("light", "high"), ("light", "quiet")}
    again, first = pairs(clips)[0][3], training[3]
    assert np.array_equal(again.frames, first.frames) and np.array_equal(again.heard.picture, first.heard.picture)


def test_every_clip_is_paired_with_every_sound_of_a_folder(clips: Path, tmp_path: Path) -> None:
    for name, frequency in (("low", 400), ("high", 4000)):
        for index in range(3):
            tone(tmp_path / name / f"{index}.wav", frequency, 0.35 + index)
    training, _ = pairs(clips, tmp_path)
    assert training.sounds == ("high", "low", "quiet")
    heard = [training[index].heard for index in range(40)]
    assert {(each.gesture, each.sound) for each in heard} == {(g, s) for g in range(2) for s in range(3)}
    for each in heard:
        if training.sounds[each.sound] != "quiet":
            assert (band_of(each.picture) > SIZE // 2) == (training.sounds[each.sound] == "high")


def test_a_window_contains_the_sound_in_a_long_and_in_a_short_file(tmp_path: Path) -> None:
    for path in (tone(tmp_path / "long.wav", 4000, 8, 5), tone(tmp_path / "short.wav", 4000, 0.2, 0.05)):
        for seed in range(5):
            picture = picture_of_window(path, SETTINGS, SIZE, np.random.default_rng(seed), augment=bool(seed))
            assert band_of(picture) > SIZE // 2 and picture.max() > 100


def test_files_for_validation_are_not_used_for_training(tmp_path: Path) -> None:
    for index in range(15):
        tone(tmp_path / "low" / f"{index:02}.wav", 400, 0.4)
    for index in range(2):
        tone(tmp_path / "quiet" / f"{index}.wav", 0, 0.4)
    found = find_sounds(tmp_path)
    assert found.names == ("low",)
    assert [path.name for path in found.validation["low"]] == ["06.wav", "13.wav"] and len(found.training["low"]) == 13
    assert len(found.training["quiet"]) == len(found.validation["quiet"]) == 1
    (tmp_path / "one").mkdir()
    tone(tmp_path / "one" / "a.wav", 400, 0.4)
    with pytest.raises(TrainingError, match="one file of 'one'; a sound needs two"):
        find_sounds(tmp_path)


def test_an_unreadable_sound_is_replaced_and_reported(clips: Path, tmp_path: Path) -> None:
    shutil.copytree(clips, tmp_path / "clips")
    for index in range(6):
        (tmp_path / "clips" / "dark" / f"{index}.wav").write_bytes(b"RIFF....")
    training, _ = pairs(tmp_path / "clips")
    unread = [line for index in range(30) for line in training[index].unread]
    assert unread and all("not an uncompressed .wav file" in line and "dark" in line for line in unread)


def test_clips_without_sound_are_one_clear_line(clips: Path, tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(clips, tmp_path / "clips")
    for path in (tmp_path / "clips").rglob("*.wav"):
        path.unlink()
    monkeypatch.setattr("edgeshift.training.sound_clips.has_ffmpeg", lambda: False)
    with pytest.raises(TrainingError, match="by ffmpeg, which is not installed: install it, or put") as error:
        pairs(tmp_path / "clips")
    assert "\n" not in str(error.value)
    silent = tmp_path / "silent"
    for label in ("dark", "light"):
        shutil.copytree(clips / label, silent / label)
    with pytest.raises(TrainingError, match="no clip has the name of a sound"):
        pairs(silent)


needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


@needs_ffmpeg
def test_the_sound_in_a_video_keeps_its_time(tmp_path: Path) -> None:
    video = tmp_path / "-a video.mp4"
    make(video, "-itsoffset", "0.5", "-f", "lavfi", "-i", "sine=frequency=1000:duration=0.6", "-c:a", "aac")
    samples, rate = read_soundtrack(video)
    assert np.flatnonzero(np.abs(samples) > 0.05)[0] / rate == pytest.approx(0.5, abs=0.03)
    make(tmp_path / "silent.mp4")
    with pytest.raises(SoundError, match="the video has no sound"):
        read_soundtrack(tmp_path / "silent.mp4")
    (tmp_path / "junk.mp4").write_bytes(b"junk")
    with pytest.raises(SoundError, match="ffmpeg cannot read its sound"):
        read_soundtrack(tmp_path / "junk.mp4")


def test_ffmpeg_has_a_limited_time(tmp_path: Path, monkeypatch) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nexec sleep 20\n")
    program.chmod(0o755)
    monkeypatch.setattr(soundtrack.shutil, "which", lambda _name: str(program))
    monkeypatch.setattr(soundtrack, "TIMEOUT", 0.2)
    with pytest.raises(SoundError, match="ffmpeg did not read its sound within"):
        read_soundtrack(tmp_path / "a.mp4")


def make(path: Path, *sound: str) -> None:
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=duration=1.2:size=64x64:rate=10", *sound]
    subprocess.run([*command, "-c:v", "mpeg4", "-t", "1.2", f"file:{path}"], check=True, stdin=subprocess.DEVNULL)
