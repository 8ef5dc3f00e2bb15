"""``edgeshift eval`` as scripts use it: output, JSON, files, errors, exit status."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from clip_doubles import HOP, clip_model
from doubles import SIZE, LeakyExecutor, model, stream_spec

from edgeshift._system.output_file import reserve
from edgeshift.artifact.description import RuleSpec
from edgeshift.video.clips import write_video

RULE = RuleSpec(window=2, threshold=0.5, hold_off=0.5)
COLOURS = {"red": (220, 30, 30), "green": (30, 220, 30), "bleu": (30, 30, 220), "odd": (120, 120, 120)}
#: The executors that were made in a test.
EXECUTORS: list[LeakyExecutor] = []


class RedExecutor(LeakyExecutor):
    """Predicts red for every frame."""

    def logits(self, level, colour):
        return super().logits(level, colour) * 0 + np.array([[5.0, 0, 0, 0]])


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write artifacts, which are doubles, and clips of one colour each into the current folder."""
    monkeypatch.chdir(tmp_path)
    spec = stream_spec(rule=RULE, frame_spacing=0.2)

    def load(path: Path, **_options: object):
        if Path(path).name == "clip.tflite":
            return clip_model(rule=RULE, frame_spacing=0.2)[0]
        if Path(path).name == "norule.tflite":
            return model(stream_spec(frame_spacing=0.2))
        return model(spec, RedExecutor if Path(path).name == "red.tflite" else LeakyExecutor, EXECUTORS)

    monkeypatch.setattr("edgeshift.runtimes.load", load)
    EXECUTORS.clear()
    for name in ("good.tflite", "red.tflite", "norule.tflite", "clip.tflite"):
        Path(name).write_text(name)
    rows = ["file,label,split"]
    for label, colour in COLOURS.items():
        for index in range(2):
            path = Path("clips") / label / f"{index}.avi"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, [np.full((SIZE, SIZE, 3), colour, np.uint8)] * 6, 10)
            rows.append(f"{label}/{index}.avi,{label},{'train' if index else 'val'}")
    Path("clips/split.csv").write_text("\n".join(rows) + "\n")


CLIPS = ("--data", "clips", "--label-map", "bleu=blue")


def test_the_answers_of_a_clip_artifact_are_counted(run):
    status, out, _ = run("eval", "clip.tflite", *CLIPS, "--out", "a.json")
    text = " ".join(out.split())
    assert status == 0 and "running mean after 4 answers" in text and "over 2 answers" in text
    assert "answers with no gesture" in text and "frames with no gesture" not in text
    assert "after 4 frames" not in text and "over 2 frames" not in text
    (subject,) = json.loads(Path("a.json").read_text())["subjects"]
    assert subject["hop"] == HOP
    status, out, _ = run("eval", "good.tflite", *CLIPS)
    assert status == 0 and "running mean after 4 frames" in " ".join(out.split())


def test_clips_without_any_label_of_the_model_are_an_error(run):
    Path("others.csv").write_text("file,label\nclips/red/0.avi,Red\nclips/red/1.avi,Blue\n")
    status, out, err = run("eval", "good.tflite", "--data", "others.csv")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "good.tflite: no clip shows a gesture of the model: unknown label 'Blue'; did you mean blue?" in err


def test_the_label_that_is_no_gesture_is_not_called_unknown(run):
    Path("others.csv").write_text("file,label\nclips/red/0.avi,none\nclips/red/1.avi,wave\n")
    err = run("eval", "good.tflite", "--data", "others.csv").err
    assert "no clip shows a gesture of the model: unknown label 'wave'; known: " in err and "'none'" not in err
    Path("pauses.csv").write_text("file,label\nclips/red/0.avi,none\n")
    status, out, err = run("eval", "good.tflite", "--data", "pauses.csv")
    assert (status, out, err.count("\n")) == (2, "", 1) and "there are only clips of none, which is no gesture" in err


def test_a_table_for_people(run):
    status, out, err = run("eval", "good.tflite", *CLIPS, "--subset", "red,blue")
    assert status == 0
    assert "100.0% (61.0% to 100.0%, 6 of 6)" in out
    assert "running mean after 4 frames" in out and "running mean at the end" in out
    assert "2 frames" in out.partition("event rule")[2]
    assert "consensus, red, blue" in out and "4 of 4" in out
    assert "odd" in out and "untrained" in out
    assert err == (
        "edgeshift: note: good.tflite: excluded from accuracy, because the model has no such gesture: odd (2)\n"
    )
    assert out.splitlines()[-1] == "next: edgeshift demo good.tflite --headless"


def test_json_is_one_document(run):
    status, out, _ = run("eval", "good.tflite", "red.tflite", *CLIPS, "--json")
    report = json.loads(out)
    good, red = report["subjects"]
    assert list(good["running"]) == ["4", "8", "12", "16", "24", "end"]
    assert good["running"]["end"] == good["accuracy"]["consensus"] and red["running"]["4"]["count"] == 2
    assert status == 0 and good["accuracy"]["consensus"]["count"] == 6 and red["accuracy"]["consensus"]["count"] == 2
    assert report["comparisons"] == [
        {
            "file": "red.tflite",
            "clips": 6,
            "changed": 4,
            "lost": 4,
            "won": 0,
            "p": 0.125,
            "difference": -0.666667,
            "low": -0.924345,
            "high": -0.075655,
        }
    ]
    assert [row["label"] for row in good["idle"]] == ["odd"]
    assert red["matrix"] == [[2, 0, 0], [2, 0, 0], [2, 0, 0]]


def test_one_split_of_a_csv_file(run):
    status, out, _ = run(
        "eval", "good.tflite", "--data", "clips/split.csv", "--label-map", "bleu=blue", "--split", "val", "--json"
    )
    (subject,) = json.loads(out)["subjects"]
    assert status == 0 and subject["accuracy"]["window"]["total"] == 3


def test_a_label_map_that_changes_no_label_of_the_split_is_refused(run):
    rows = ["file,label,split", "clips/red/0.avi,red,train", "clips/green/0.avi,green,val", "clips/bleu/0.avi,bleu,val"]
    Path("two.csv").write_text("\n".join(rows) + "\n")
    command = ("eval", "good.tflite", "--data", "two.csv", "--label-map", "bleu=blue", "--split")
    assert run(*command, "val").status == 0
    status, out, err = run(*command, "train")
    words = "edgeshift: two.csv: the label map changes no label of the split train: leave it out\n"
    assert (status, out, err) == (2, "", words)


def test_report_picture_and_resume(run):
    status, out, _ = run("eval", "good.tflite", *CLIPS, "--out", "r/a.json", "--picture", "c.png")
    assert status == 0 and "written: r/a.json" in out and "written: c.png" in out
    report = json.loads(Path("r/a.json").read_text())
    assert Path("c.png").read_bytes()[:4] == b"\x89PNG"
    lines = Path("r/a.clips.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) == 8
    Path("r/a.clips.jsonl").write_text("".join(lines[:6]) + lines[6][:20])
    Path("r/a.json").unlink()
    EXECUTORS.clear()
    status, _, _ = run("eval", "good.tflite", *CLIPS, "--out", "r/a.json", "--resume")
    assert status == 0 and sum(len(executor.frames) for executor in EXECUTORS) == 2 * 3
    assert {**json.loads(Path("r/a.json").read_text()), "date": report["date"]} == report
    assert len(Path("r/a.clips.jsonl").read_text().splitlines()) == 8


def test_unreadable_clips_are_named(run):
    Path("clips/red/bad.avi").write_bytes(b"RIFF" + bytes(500))
    status, out, _ = run("eval", "good.tflite", *CLIPS)
    assert status == 0 and "could not be read: 1" in out and "red/bad.avi" in out


def test_reports_with_different_unreadable_clips_are_not_compared(run):
    """The accuracy may differ on the clips that one report lacks."""
    assert run("eval", "good.tflite", *CLIPS, "--out", "a.json")[0] == 0
    clip = next(Path("clips/red").glob("*.avi"))
    clip.write_bytes(b"RIFF" + bytes(500))
    assert run("eval", "good.tflite", *CLIPS, "--out", "b.json")[0] == 0
    status, out, err = run("compare", "a.json", "b.json")
    assert status == 3 and out == "" and f"of the second report could not read red/{clip.name}" in err
    assert run("compare", "a.json", "b.json", "--allow-invalid")[0] == 0
    assert f"unreadable: red/{clip.name}" in run("report", "b.json")[1]


def test_a_missing_event_rule_is_noted(run):
    status, out, err = run("eval", "norule.tflite", *CLIPS)
    assert status == 0 and "norule.tflite has no event rule" in err and "(assumed)" in out


BAD = {
    "no file": ("--data", "clips"),
    "no data": ("good.tflite",),
    "data gone": ("good.tflite", "--data", "gone"),
    "resume alone": ("good.tflite", *CLIPS, "--resume"),
    "out": ("good.tflite", *CLIPS, "--out", "good.tflite"),
    "out is a folder": ("good.tflite", *CLIPS, "--out", "clips"),
    "picture": ("good.tflite", *CLIPS, "--picture", "c.gif"),
    "label map": ("good.tflite", "--data", "clips", "--label-map", "bleu"),
    "map to an unknown label": ("good.tflite", "--data", "clips", "--label-map", "bleu=violet"),
    "map of an unknown label": ("good.tflite", "--data", "clips", "--label-map", "blau=blue"),
    "subset": ("good.tflite", *CLIPS, "--subset", "red,violet"),
    "subset without a gesture": ("good.tflite", *CLIPS, "--subset", "none"),
    "split": ("good.tflite", *CLIPS, "--split", "val"),
    "jobs": ("good.tflite", *CLIPS, "--jobs", "0"),
    "no clips": ("good.tflite", "--data", "empty"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_status_2(run, name):
    Path("empty").mkdir()
    before = sorted(Path().rglob("*"))
    status, out, err = run("eval", *BAD[name])
    assert status == 2 and out == "" and "Traceback" not in err and "bug" not in err
    errors = [line for line in err.splitlines() if not line.startswith("edgeshift: note:")]
    assert len(errors) == 1
    assert sorted(Path().rglob("*")) == before


def test_two_runs_with_one_report_are_refused(run):
    with reserve(Path("a.json")):
        status, out, err = run("eval", "good.tflite", *CLIPS, "--out", "a.json")
    assert (status, out, err.count("\n")) == (2, "", 1) and "a.json: another process is writing this file" in err
    assert not EXECUTORS and not list(Path().glob("*.jsonl"))


@pytest.mark.parametrize("option", ["--out", "--picture"])
def test_a_file_that_cannot_be_written_is_found_before_the_work(run, option):
    name = "good.tflite/a.json" if option == "--out" else "good.tflite/a.png"
    status, out, err = run("eval", "good.tflite", *CLIPS, option, name)
    reason = f"cannot be written: {Path('good.tflite').absolute()} is a file; give another path"
    assert (status, out, err) == (2, "", f"edgeshift: {name}: {reason}\n")
    assert not EXECUTORS


def test_a_name_that_is_not_utf_8_is_measured(run):
    shutil.copyfile("good.tflite", os.fsdecode(b"good\xff\x1b[2J.tflite"))
    status, text, err = run("eval", os.fsdecode(b"good\xff\x1b[2J.tflite"), *CLIPS, "--out", os.fsdecode(b"a\xff.json"))
    assert status == 0 and "good??[2J.tflite" in text and not {"\x1b", "\udcff"} & {*text, *err}
    assert json.loads(Path(os.fsdecode(b"a\xff.json")).read_text())["subjects"][0]["file"] == "good??[2J.tflite"


def test_a_pipe_in_place_of_a_journal_or_a_table_does_not_block(run):
    os.mkfifo("a.clips.jsonl")
    status, _, err = run("eval", "good.tflite", *CLIPS, "--out", "a.json", "--resume")
    assert status == 2 and "edgeshift: a.clips.jsonl: cannot be read: it is a pipe or a device" in err
    os.mkfifo("pipe.csv")
    status, _, err = run("eval", "good.tflite", "--data", "pipe.csv")
    assert status == 2 and err.startswith("edgeshift: pipe.csv: not a file")
