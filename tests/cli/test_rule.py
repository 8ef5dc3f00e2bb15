"""``edgeshift rule``: rules are tuned on clips and on videos, written to files, and put into artifacts."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from doubles import SIZE, LeakyExecutor, model, stream_spec

from edgeshift._system.files import sha256
from edgeshift.artifact.description import WeightsSpec
from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.benchmarks.accuracy.recorded import join_clips
from edgeshift.events.rule_file import read_rule
from edgeshift.sound import SoundSettings
from edgeshift.video.clips import write_video
from edgeshift.video.dataset import LabelledClip
from edgeshift.weights import all_shipped

COLOURS = {"red": (220, 30, 30), "green": (30, 220, 30), "blue": (30, 30, 220), "none": (2, 2, 2)}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write an artifact, whose executor is a double, and clips of one colour each into the current folder."""
    monkeypatch.chdir(tmp_path)

    def load(path: Path, **_options: object):
        return model(read_artifact(Path(path)).spec, LeakyExecutor)

    monkeypatch.setattr("edgeshift.runtimes.load", load)
    write_artifact(Path("good.tflite"), b"a graph", stream_spec(frame_spacing=0.2))
    write_artifact(Path("nospacing.tflite"), b"a graph", stream_spec())
    for label, colour in COLOURS.items():
        for index in range(4):
            path = Path("clips") / label / f"{index}.avi"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, [np.full((SIZE, SIZE, 3), colour, np.uint8)] * 24, 10)


def write_long_video(name: str) -> list[tuple[float, float, str]]:
    """Write a video of pauses and gestures, and return the intervals of the gestures."""
    frames, intervals = [], []
    for label in ("red", "green", "blue", "red"):
        frames += [np.full((SIZE, SIZE, 3), COLOURS["none"], np.uint8)] * 30
        intervals.append((len(frames) / 10, len(frames) / 10 + 2, label))
        frames += [np.full((SIZE, SIZE, 3), COLOURS[label], np.uint8)] * 20
    write_video(name, frames + frames[:30], 10)
    return intervals


def test_a_rule_is_tuned_on_clips_and_written(run):
    status, out, err = run("rule", "good.tflite", "--data", "clips", "--out", "rule.json", "--picture", "rule.png")
    assert status == 0 and err == ""
    assert "joined to 4 streams" in out and "held out" in out and "The best rules" in out
    assert out.splitlines()[-1].endswith("--rule rule.json")
    assert out.splitlines()[-1] == "next: edgeshift convert --target tflite --weights CHECKPOINT --rule rule.json"
    assert read_rule(Path("rule.json")).origin == "tuned on 16 clips of clips"
    assert Path("rule.png").read_bytes()[:4] == b"\x89PNG"


def test_the_next_command_calibrates_the_users_own_weights(run, monkeypatch):
    """int8, the default precision, needs clips for them."""
    line = ("--data", "clips", "--out", "rule.json")
    trained = stream_spec(frame_spacing=0.2, weights=WeightsSpec(source="mine.pth", trained=True))
    write_artifact(Path("own.tflite"), b"a graph", trained)
    expected = "next: edgeshift convert --target tflite --weights CHECKPOINT --calibration clips --rule rule.json"
    assert run("rule", "own.tflite", *line).out.splitlines()[-1] == expected
    shipped = next(iter(all_shipped().values()))
    weights = WeightsSpec(source=shipped.name, trained=True, sha256=sha256(shipped.read_bytes()))
    write_artifact(Path("shipped.tflite"), b"a graph", stream_spec(frame_spacing=0.2, weights=weights))
    assert "--calibration" not in run("rule", "shipped.tflite", *line).out.splitlines()[-1]
    monkeypatch.setattr("edgeshift.runtimes.load", lambda _path, **_options: model(trained, LeakyExecutor))
    Path("mine.safetensors").write_bytes(b"a checkpoint")
    expected = expected.replace("CHECKPOINT", "mine.safetensors")
    assert run("rule", "mine.safetensors", *line).out.splitlines()[-1] == expected


def test_the_report_has_counts_and_a_front_without_dominated_rules(run):
    report = json.loads(run("rule", "good.tflite", "--data", "clips", "--json").out)
    assert report["method"] == "joined clips" and report["videos"] == 16 and report["gestures"] >= 8
    assert report["chosen"]["precision"]["total"] >= report["chosen"]["precision"]["count"] > 0
    points = [(row["recall"]["value"], row["precision"]["value"]) for row in report["trade_off"]]
    assert points and all(a[0] < b[0] and a[1] > b[1] for a, b in pairwise(points))
    lowest = min(report["chosen"]["precision"]["value"], report["chosen"]["recall"]["value"])
    assert lowest == max(min(point) for point in points)  # the balanced rule is on the front


def test_a_rule_is_tuned_on_videos_with_intervals_and_put_into_the_artifact(run):
    rows = ["file,start,end,label"]
    for name in ("one.avi", "two.avi"):
        rows += [f"{name},{start},{end},{label}" for start, end, label in write_long_video(name)]
    Path("videos.csv").write_text("\n".join(rows) + "\n")
    before = read_artifact(Path("good.tflite"))
    status, out, _ = run("rule", "good.tflite", "--data", "videos.csv", "--write")
    after = read_artifact(Path("good.tflite"))
    assert status == 0 and "written: good.tflite" in out and "2 videos of videos.csv" in out
    assert before.spec.rule is None and after.spec.rule is not None and after.body == before.body
    assert after.spec.rule.origin == "tuned on 2 videos of videos.csv"
    assert "origin tuned on 2 videos" in " ".join(run("inspect", "good.tflite").out.split())
    # A gesture is found in each interval: the network sees one colour at a time.
    report = json.loads(run("rule", "good.tflite", "--data", "videos.csv", "--json").out)
    assert report["chosen"]["recall"]["value"] == report["before"]["recall"]["value"] == 1.0
    assert report["gestures"] == 8 and report["held_out"][1]["total"] == 8


def test_a_precision_can_be_required(run):
    report = json.loads(run("rule", "good.tflite", "--data", "clips", "--min-precision", "1", "--json").out)
    best = max(row["precision"]["value"] for row in report["trade_off"])
    assert report["chosen"]["precision"]["value"] == best


def test_a_subset_of_many_clips_is_said(run):
    status, out, err = run("rule", "good.tflite", "--data", "clips", "--clips", "10")
    assert status == 0 and "10 of 16 clips are used" in err and "10 joined clips" in out


def test_damaged_clips_are_listed(run):
    Path("clips/red/bad.avi").write_bytes(b"RIFF" + bytes(500))
    status, out, _ = run("rule", "good.tflite", "--data", "clips")
    assert status == 0 and "red/bad.avi" in out and "16 joined clips" in out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["good.tflite", "--data", "nowhere"], "nowhere: no such file or folder"),
        (["absent.tflite", "--data", "clips"], "absent.tflite: no such file"),
        (["nospacing.tflite", "--data", "clips"], "convert the model again with --frame-spacing"),
        (["good.tflite", "--data", "clips", "--none", "nona"], "'nona', is not one of the labels"),
        (["good.tflite", "--data", "clips", "--out", "rule.txt"], "give a file named *.json"),
        (["good.tflite", "--data", "clips", "--out", "bad.csv/rule.json"], "bad.csv is a file; give another path"),
        (["good.tflite", "--data", "bad.csv"], "bad.csv, line 2: start '3' and end '2' are not increasing"),
        (["good.tflite", "--data", "gone.csv"], "gone.csv, line 2: there is no video 'gone.avi'"),
        (["good.tflite", "--data", "half.csv"], "its first line must contain the columns file, start, end, label"),
        (["good.tflite", "--data", "gone.csv", "--split", "val"], "--split has no effect on gone.csv"),
        (["good.tflite", "--data", "others.csv"], "no gesture of the model: unknown label 'Red'; did you mean red?"),
        (["good.safetensors", "--data", "clips", "--write"], "is a checkpoint: use --out"),
    ],
)
def test_bad_input_is_one_line(run, line, message):
    Path("bad.csv").write_text("file,start,end,label\nclips/red/0.avi,3,2,red\n")
    Path("gone.csv").write_text("file,start,end,label\ngone.avi,1,2,red\n")
    Path("half.csv").write_text("file,start,label\nclips/red/0.avi,3,red\n")
    Path("others.csv").write_text("file,start,end,label\nclips/red/0.avi,0,2,Red\n")
    status, out, err = run("rule", *line)
    assert (status, out, err.count("\n")) == (2, "", 1) and message in err


def test_a_rule_that_detects_nothing_is_not_written(run):
    """All rules are then equally useless, and ``--write`` must not replace the rule of the artifact by one of them."""
    rows = [f"clips/none/{index}.avi,{label}" for index, label in enumerate(("red", "green", "blue"))]
    Path("wrong.csv").write_text("file,label\n" + "\n".join(rows) + "\n")
    before = Path("good.tflite").read_bytes()
    status, out, err = run("rule", "good.tflite", "--data", "wrong.csv", "--out", "rule.json", "--write")
    assert (status, out, err.count("\n")) == (2, "", 1) and "no rule detects any of the" in err
    assert not Path("rule.json").exists() and Path("good.tflite").read_bytes() == before


def test_gestures_at_the_end_of_a_stream_are_mentioned(run):
    report = json.loads(run("rule", "good.tflite", "--data", "clips", "--json").out)
    counted = report["gestures"]
    assert counted + report["uncounted"] == 12 and report["uncounted"] > 0
    out = run("rule", "good.tflite", "--data", "clips").out
    assert f"{counted} of 12; the others end less than 2 s before" in out


@pytest.mark.parametrize("table", ["label", "intervals"])
def test_folders_of_frames_need_their_frames_per_second(run, table):
    rows = ["file,label" if table == "label" else "file,start,end,label"]
    for label, colour in COLOURS.items():
        for index in range(4):
            folder = Path("frames") / label / str(index)
            folder.mkdir(parents=True)
            for frame in range(24 if table == "label" else 60):
                cv2.imwrite(str(folder / f"{frame}.png"), np.full((SIZE, SIZE, 3), colour[::-1], np.uint8))
            rows.append(f"{folder},{label}" if table == "label" else f"{folder},0.5,2,{label}")
    Path("frames.csv").write_text("\n".join(rows) + "\n")
    status, out, err = run("rule", "good.tflite", "--data", "frames.csv")
    assert (status, out, err.count("\n")) == (2, "", 1) and "give their frames per second with --fps" in err
    report = json.loads(run("rule", "good.tflite", "--data", "frames.csv", "--fps", "10", "--json").out)
    slower = json.loads(run("rule", "good.tflite", "--data", "frames.csv", "--fps", "5", "--json").out)
    assert report["videos"] == 16 and not report["unreadable"]
    assert slower["seconds"] > 1.8 * report["seconds"]


def test_successive_clips_have_different_labels():
    clips = [LabelledClip(Path(f"{label}{i}"), f"{label}{i}", label) for label in "abc" for i in range(20)]
    streams = join_clips(clips)
    assert sorted(clip.name for part in streams for clip in part) == sorted(clip.name for clip in clips)
    pairs = [pair for part in streams for pair in pairwise(part)]
    assert sum(a.label == b.label for a, b in pairs) <= 2
    assert join_clips(clips) == streams


def test_a_network_that_hears_is_refused(run):
    """The data have no sounds, so that the rule would be chosen for a quiet room."""
    spec = stream_spec(frame_spacing=0.2)
    network = msgspec.structs.replace(spec.model, table="tsam", sound=SoundSettings(seconds=1.0, frames=4))
    write_artifact(Path("hears.tflite"), b"a graph", msgspec.structs.replace(spec, model=network))
    status, _, err = run("rule", "hears.tflite", "--data", "clips", "--out", "rule.json")
    assert status == 2 and err.count("\n") == 1 and not Path("rule.json").exists()
    assert "hears.tflite has a sound segment" in err and "edgeshift.training.tune_rule" in err and "--rule" in err
