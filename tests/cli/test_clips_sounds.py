"""``edgeshift clips --sounds``: a sound file beside each drawn video."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeshift.sound import read_wav
from edgeshift.sound.drawn import RATE, draw_sound
from edgeshift.video.clips import probe
from edgeshift.video.dataset import read_dataset

CLIPS = ("clips", "--labels", "left,circle", "--sounds", "clap,whistle-up", "--count", 12, "--frames", 4, "--size", 32)
STREAMS = ("clips", "--stream", 1, "--seconds", 20, "--size", 32, "--sounds", "clap,beep")


@pytest.fixture(autouse=True)
def current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def table(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def loudness(samples: np.ndarray, begin: float, end: float) -> float:
    part = samples[round(begin * RATE) : round(end * RATE)].astype(float)
    return float(np.sqrt((part**2).mean()))


def test_each_clip_has_a_sound_that_the_table_describes(run):
    status, out, err = run(*CLIPS)
    assert (status, err) == (0, "") and "4 clap, 4 whistle-up, 4 quiet" in out
    rows = table("clips/clips.csv")
    assert {(row["label"], row["sound"]) for row in rows} == {
        (label, sound) for label in ("left", "circle") for sound in ("clap", "whistle-up", "quiet")
    }
    for row in rows:
        samples, rate = read_wav(Path("clips", row["file"]).with_suffix(".wav"))
        drawn = draw_sound(int(row["seed"]), row["sound"], seconds=1.1)
        assert rate == RATE and np.abs(samples - drawn.samples).max() <= 1 / 32768
        if row["sound"] == "quiet":
            assert row["sound_begin"] == row["sound_end"] == ""
        else:
            begin, end = float(row["sound_begin"]), float(row["sound_end"])
            assert 0 <= begin < end <= 1.1
            assert loudness(samples, begin, end) > 2 * loudness(samples, 0, max(begin - 0.01, 0.05))


def test_an_interrupted_drawing_continues_with_the_same_samples(run):
    run(*CLIPS)
    before = {path: path.read_bytes() for path in Path("clips").rglob("*.wav")}
    assert len(before) == 12
    missing = sorted(before)[:2]
    missing[0].unlink()
    missing[1].unlink()
    missing[1].with_suffix(".mp4").unlink()
    document = json.loads(run(*CLIPS, "--json").out)
    assert (document["drawn"], document["kept"]) == (2, 10)
    assert document["sounds"] == {"clap": 4, "whistle-up": 4, "quiet": 4}
    assert {path: path.read_bytes() for path in Path("clips").rglob("*.wav")} == before
    status, out, err = run(*CLIPS[:3], *CLIPS[5:])
    assert (status, out, err.count("\n")) == (2, "", 1) and "was drawn with another sounds" in err


def test_a_folder_that_was_drawn_before_there_were_sounds_can_be_resumed(run):
    line = (*CLIPS[:3], *CLIPS[5:])
    run(*line)
    record = Path("clips/drawn.json")
    older = json.loads(record.read_text())
    del older["sounds"]
    record.write_text(json.dumps(older))
    assert run(*line).status == 0
    status, _, err = run(*CLIPS)
    assert status == 2 and "was drawn with another sounds" in err


def test_a_stream_has_a_soundtrack_and_a_row_for_each_sound(run):
    status, _, _ = run(*STREAMS)
    assert status == 0
    rows = table("clips/events.csv")
    assert list(rows[0]) == ["file", "label", "begin", "end"]
    heard = [row for row in rows if row["label"] in ("clap", "beep")]
    assert len(heard) >= 2 and len(heard) < len(rows)
    assert [float(row["begin"]) for row in rows] == sorted(float(row["begin"]) for row in rows)
    samples, _ = read_wav(Path("clips/stream_00000.wav"))
    assert len(samples) / RATE == pytest.approx(probe(Path("clips/stream_00000.mp4")).frames * 0.25 + 0.1, abs=0.01)
    assert all(loudness(samples, float(row["begin"]), float(row["end"])) > 0.001 for row in heard)


def test_the_contact_sheet_shows_the_spectrogram_below_each_row(run):
    run(*CLIPS)
    sheet = cv2.imread("clips/contact_sheet.jpg")
    assert sheet.shape == (2 * (32 + 16), 8 * 32, 3)
    colourless = sheet[34:46, 120:].astype(int)  # to the right of the title
    assert np.abs(colourless.max(2) - colourless.min(2)).mean() < 4 and colourless.std() > 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("--sounds", "clapp"), "--sounds: unknown sound 'clapp'; did you mean clap"),
        (("--sounds", "clap,clap"), "clap is given twice"),
        (("--sounds", "clap", "--stream", 1, "--seconds", 4000, "--size", 16), "a soundtrack has at most 3,600 s"),
    ],
)
def test_bad_sounds_are_one_line(run, line, message):
    status, out, err = run("clips", *line)
    assert (status, out, err.count("\n")) == (2, "", 1) and message in err and not Path("clips").exists()


def test_a_data_set_knows_the_sounds_of_its_clips(run):
    run(*CLIPS)
    by_folder, by_table = read_dataset(Path("clips")), read_dataset(Path("clips/clips.csv"))
    assert by_folder.note is None
    assert all(clip.wav.is_file() for clip in by_folder.clips)
    assert {clip.sound for clip in by_table.clips} == {"clap", "whistle-up", "quiet"}
    assert {clip.sound for clip in by_folder.clips} == {None}
    Path("clips/left/other.wav").write_bytes(b"")
    assert "left/other.wav" in str(read_dataset(Path("clips")).note)
