"""``edgeshift clips``: videos, tables, errors, and runs that continue after an interruption."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeshift.converters.calibration import choose_videos
from edgeshift.gestures import LABELS, draw_clip, draw_stream, parse_script
from edgeshift.gestures import folder as gesture_folder
from edgeshift.training.videos import find_videos as labelled_videos
from edgeshift.video.clips import probe, read_video

OWN = {"zigzag": {"lines": [[[0, 0], [1, 0.3], [0, 0.6], [1, 1]]], "seconds": [1, 4]}}
CLIPS = ("clips", "--count", 12, "--frames", 4, "--size", 32, "--seed", 3)
STREAMS = ("clips", "--stream", 2, "--seconds", 12, "--size", 32)


@pytest.fixture(autouse=True)
def current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.json").write_text(json.dumps(OWN))


def table(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(folder: str = "clips") -> dict[str, tuple[int, bytes]]:
    """Return the content of every file, and the time at which it was written."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def pixels(path: Path) -> np.ndarray:
    return np.stack([timed.frame for timed in read_video(path)]).astype(int)


def test_clips_are_drawn_into_a_folder_per_label(run):
    status, out, err = run(*CLIPS)
    assert (status, err) == (0, "")
    rows = table("clips/clips.csv")
    assert list(rows[0]) == ["file", "label", "seed", "frames", "stroke_begin", "stroke_end"]
    assert [row["label"] for row in rows] == [LABELS[i % 10] for i in range(12)]
    assert sorted(row["file"] for row in rows) == sorted(
        path.relative_to("clips").as_posix() for path in Path("clips").rglob("*.mp4")
    )
    for index, row in enumerate(rows):
        path = Path("clips", row["file"])
        assert path.parent.name == row["label"] and int(row["seed"]) == gesture_folder.CLIPS + (3 << 32) + index
        clip = draw_clip(int(row["seed"]), row["label"], frames=4, size=32)
        assert (int(row["stroke_begin"]), int(row["stroke_end"])) == clip.stroke
        assert np.abs(pixels(path) - clip.frames).mean() < 12  # of 255; MPEG-4 is lossy
    info = probe(Path("clips/left/00000.mp4"))
    assert (info.fps, info.frames, info.width) == (4.0, 4, 32)
    assert cv2.imread("clips/contact_sheet.jpg").shape == (10 * 32, 8 * 32, 3)
    assert "look at clips/contact_sheet.jpg" in out.splitlines()[-1]  # too few to calibrate with


def test_training_reads_the_folder_or_its_table(run):
    run(*CLIPS)
    by_table, by_folder = labelled_videos(Path("clips/clips.csv")), labelled_videos(Path("clips"))
    assert len(by_table) == 12 == len(by_folder)
    assert {(v.path.resolve(), v.label) for v in by_table} == {(v.path.resolve(), v.label) for v in by_folder}


def test_the_next_command_calibrates_if_there_are_enough_clips(run):
    status, out, _ = run("clips", "--count", 16, "--frames", 1, "--size", 16, "--out", "my clips")
    assert status == 0
    assert out.splitlines()[-1] == "next: edgeshift convert --target tflite --calibration 'my clips'"
    assert len(choose_videos(Path("my clips")).videos) == 16


def test_streams_have_a_table_of_their_gestures(run):
    status, out, err = run(*STREAMS, "--spacing", 0.5, "--out", "s")
    assert (status, err) == (0, "") and "2 streams in s" in out
    rows = table("s/events.csv")
    assert list(rows[0]) == ["file", "label", "begin", "end"]
    for index in range(2):
        stream = draw_stream(gesture_folder.STREAMS + index, seconds=12, spacing=0.5, size=32)
        name = f"stream_{index:05d}.mp4"
        listed = [(row["label"], row["begin"], row["end"]) for row in rows if row["file"] == name]
        assert listed == [(event.label, f"{event.begin:.3f}", f"{event.end:.3f}") for event in stream.events]
        assert probe(f"s/{name}").fps == 2.0
        assert np.abs(pixels(Path("s", name)) - stream.frames).mean() < 12
    assert cv2.imread("s/contact_sheet.jpg").shape[1] == 8 * 32


def test_a_script_sets_the_actions_of_a_stream(run):
    script = "left, pause 1, zigzag 2, away 1, wander"
    status, _, err = run(
        *("clips", "--stream", 1, "--script", script, "--strokes", "own.json", "--size", 32, "--out", "s")
    )
    assert (status, err) == (0, "")
    rows = table("s/events.csv")
    assert [row["label"] for row in rows] == ["left", "zigzag"]
    assert float(rows[1]["end"]) - float(rows[1]["begin"]) == pytest.approx(2.0, abs=0.002)
    shortest = sum(act.seconds for act in parse_script("left, pause 1, wander")) + 3
    assert probe("s/stream_00000.mp4").duration > shortest - 0.25


def test_a_stream_without_gestures(run):
    status, _, err = run("clips", "--stream", 1, "--script", "pause", "--size", 32)
    assert (status, err) == (0, "") and table("clips/events.csv") == []
    assert Path("clips/events.csv").read_text() == "file,label,begin,end\n"
    assert cv2.imread("clips/contact_sheet.jpg").shape == (32, 8 * 32, 3)


def test_own_strokes_with_and_without_the_built_in_gestures(run):
    small = ("--frames", 1, "--size", 16, "--strokes", "own.json", "--json")
    status, out, _ = run("clips", "--count", 11, "--out", "both", *small)
    assert status == 0 and json.loads(out)["labels"] == dict.fromkeys([*LABELS, "zigzag"], 1)
    status, out, _ = run("clips", "--count", 2, "--out", "own", "--only-strokes", *small)
    assert status == 0 and json.loads(out)["labels"] == {"zigzag": 2}
    status, out, _ = run("clips", "--count", 2, "--out", "some", "--labels", "zigzag, up", *small)
    assert status == 0 and list(json.loads(out)["labels"]) == ["zigzag", "up"]


@pytest.mark.parametrize("arguments", [CLIPS, STREAMS])
def test_json_is_one_document(run, arguments):
    status, out, err = run(*arguments, "--json")
    report = json.loads(out)
    assert (status, err) == (0, "")
    assert report["drawn"] == report["videos"] == (12 if arguments is CLIPS else 2) and report["kept"] == 0
    assert Path(report["table"]).is_file() and Path(report["contact_sheet"]).is_file()
    assert sum(report["labels"].values()) == len(table(report["table"])) > 0


@pytest.mark.parametrize("arguments", [CLIPS, STREAMS])
def test_an_interrupted_run_continues(run, monkeypatch, arguments):
    run(*arguments, "--out", "whole")
    written, write = [], gesture_folder.write_video

    def interrupt_after_a_quarter(path, frames, fps):
        if len(written) == len(contents("whole")) // 4:
            raise KeyboardInterrupt
        written.append(path)
        write(path, frames, fps)

    monkeypatch.setattr(gesture_folder, "write_video", interrupt_after_a_quarter)
    status, out, err = run(*arguments)
    assert (status, out, err.strip()) == (130, "", "edgeshift: interrupted; no incomplete file was left behind")
    before = contents()
    assert written and set(before) == {"drawn.json", *(str(path.relative_to("clips")) for path in written)}
    monkeypatch.setattr(gesture_folder, "write_video", write)
    status, out, _ = run(*arguments, "--json")
    assert status == 0 and json.loads(out)["kept"] == len(written)
    after = contents()
    assert {name: after[name] for name in before} == before  # nor were they written again
    assert {name: data for name, (_, data) in after.items()} == {n: data for n, (_, data) in contents("whole").items()}


def test_a_killed_run_continues_and_removes_temporary_files(run):
    """SIGKILL leaves no time to clean up, so a file that was being written keeps its temporary name."""
    command = [sys.executable, "-m", "edgeshift.cli", *map(str, CLIPS)]
    command[command.index("--count") + 1] = "100"
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 60
    while len(list(Path("clips").rglob("*.mp4"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    left = sorted(path for path in Path("clips").rglob("*.mp4") if not path.name.startswith("."))
    assert 4 <= len(left) < 100 and not Path("clips/clips.csv").exists()
    # Two temporary files are added, in case no file was being written at that moment.
    shutil.copy(left[0], "clips/left/.00090.mp4.abcdefgh.mp4")
    Path("clips/.clips.csv.abcdefgh.csv").touch()
    arguments = [100 if value == 12 else value for value in CLIPS]
    status, out, _ = run(*arguments, "--json")
    assert status == 0 and json.loads(out)["kept"] == len(left)
    assert len(list(Path("clips").rglob("*.mp4"))) == 100 == len(table("clips/clips.csv"))
    assert not list(Path("clips").rglob(".*"))


def test_a_second_run_draws_only_missing_videos(run):
    run(*CLIPS)
    Path("clips/clips.csv").write_text("a column of my own\n")
    before = contents()
    status, out, _ = run(*CLIPS)
    assert status == 0 and "12 from an earlier run" in out and contents() == before
    Path("clips/up/00002.mp4").unlink()
    Path("clips/down/00003.mp4").write_bytes(b"")  # as after a power failure
    status, out, _ = run(*CLIPS, "--json")
    assert (json.loads(out)["drawn"], json.loads(out)["kept"]) == (2, 10)
    assert {name: data for name, (_, data) in contents().items()} == {name: data for name, (_, data) in before.items()}


@pytest.mark.parametrize(
    ("other", "option"),
    [
        (("--count", 13), "count"),
        (("--size", 34), "size"),
        (("--seed", 4), "seed"),
        (("--frames", 5), "frames"),
        (("--spacing", 0.5), "spacing"),
        (("--labels", "right,left"), "strokes"),
        (("--strokes", "own.json"), "strokes"),
    ],
)
def test_other_options_are_refused_for_a_folder_of_an_earlier_run(run, other, option):
    run(*CLIPS)
    before = contents()
    status, out, err = run(*CLIPS, *other)
    assert (status, out) == (2, "")
    assert err.startswith(f"edgeshift: clips was drawn with another {option}: ") and len(err.splitlines()) == 1
    assert contents() == before


def test_another_order_of_labels_is_another_option(run):
    run(*CLIPS, "--labels", "left,right")
    assert run(*CLIPS, "--labels", "right,left")[0] == 2
    assert run(*CLIPS, "--labels", "left,right")[0] == 0


@pytest.mark.parametrize("name", ["notes.txt", "left"])
def test_a_folder_with_other_files_is_refused(run, name):
    Path("clips").mkdir()
    (Path("clips") / name).mkdir()
    status, out, err = run(*CLIPS)
    assert (status, out) == (2, "") and "clips is not empty" in err and "--out" in err
    assert [path.name for path in Path("clips").iterdir()] == [name]


@pytest.mark.parametrize("record", ["", "[]", "{}", "3", "\x00", "[" * 100_000])
def test_a_damaged_record_is_refused(run, record):
    Path("clips").mkdir()
    Path("clips/drawn.json").write_text(record)
    status, _, err = run(*CLIPS)
    assert status == 2 and "clips/drawn.json is damaged" in err and len(err.splitlines()) == 1


BAD = {
    "label": (("--labels", "left,lft"), "--labels: unknown gesture 'lft'; did you mean left?"),
    "no label": (("--labels", ""), "--labels: unknown gesture ''"),
    "strokes": (("--strokes", "nothing.json"), "nothing.json: there is no such file"),
    "alone": (("--only-strokes",), "--only-strokes has no effect without --strokes: add it"),
    "odd": (("--size", 33), "33 is odd"),
    "file": (("--out", "own.json"), "own.json is a file"),
    "below a file": (("--out", "own.json/clips"), "own.json"),
    "script": (("--stream", 1, "--script", "left, strar"), "action 2 of the script: unknown gesture 'strar'"),
    "not among the labels": (("--stream", 1, "--labels", "left", "--script", "up"), "unknown gesture 'up'"),
    "seconds of clips": (("--seconds", 3), "--seconds has no effect without --stream: add it"),
    "script of clips": (("--script", "left"), "--script has no effect without --stream: add it"),
    "count of streams": (("--stream", 1, "--count", 3), "--count has no effect with --stream"),
    "frames of streams": (("--stream", 1, "--frames", 3), "--frames has no effect with --stream"),
    "both": (("--stream", 1, "--script", "left", "--seconds", 3), "--seconds has no effect with --script"),
    "long": (
        ("--stream", 1, "--seconds", 36_000, "--spacing", 0.01),
        "3,600,000 frames of 128x128 need more than 1 GiB",
    ),
    "long script": (("--stream", 1, "--size", 512, "--script", "pause 3600"), "need more than 1 GiB"),
    "large": (("--frames", 100, "--size", 4096), "need more than 1 GiB"),
    "count": (("--count", 0), "Invalid value for '--count'"),
    "seed": (("--seed", -1), "Invalid value for '--seed'"),
    "spacing": (("--spacing", 0), "Invalid value for '--spacing'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_status_2(run, name):
    arguments, words = BAD[name]
    status, out, err = run("clips", *arguments)
    assert (status, out) == (2, "") and words in err
    assert err.startswith("edgeshift: ") and err.count("\n") == 1
    assert "Traceback" not in err and [path.name for path in Path().iterdir()] == ["own.json"]
