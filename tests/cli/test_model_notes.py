"""A note of the description, such as a part of the original network that was left out, is in every output."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import msgspec
import pytest

from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.gestures import draw_clips
from edgeshift.video.clips import write_video

NOTE = "sound segment not converted: only the video is used"


@pytest.fixture
def noted(made, tmp_path) -> Path:
    artifact = read_artifact(made("tsm", "int8").path)
    path = tmp_path / "noted.tflite"
    write_artifact(path, artifact.body, msgspec.structs.replace(artifact.spec, notes=(NOTE,)))
    return path


@pytest.fixture
def video(tmp_path) -> Path:
    """A clip in a data set."""
    (drawn,) = draw_clips(1, seed=3, frames=8, size=80)
    folder = tmp_path / "data" / drawn.label
    folder.mkdir(parents=True)
    write_video(folder / "clip.avi", list(drawn.frames), 4)
    return folder / "clip.avi"


def test_commands_on_an_artifact_print_its_notes(noted, video, run):
    data = video.parent.parent
    demo = ("demo", noted, "--headless", "--source", video)
    for command in (("inspect", noted), ("verify", noted), demo, ("eval", noted, "--data", data)):
        status, out, _ = run(*command)
        assert status == 0 and out.count(NOTE) == 1, (command, out)
    found = {
        "inspect": json.loads(run("inspect", noted, "--json").out)["notes"],
        "verify": json.loads(run("verify", noted, "--json").out)["notes"],
        "demo": json.loads(run(*demo, "--json").out)["notes"],
        "eval": json.loads(run("eval", noted, "--data", data, "--json").out)["subjects"][0]["notes"],
        "start": json.loads(run(*demo, "--json-lines").out.splitlines()[0])["notes"],
    }
    assert all(notes == [NOTE] for notes in found.values()), found


def test_reports_and_pages_print_the_notes(noted, video, run, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # other tests measure at the same time: own locks
    speed, accuracy = tmp_path / "speed.json", tmp_path / "accuracy.json"
    bench = ("bench", noted, "--mode", "rapid", "--repeats", "1", "--no-memory", "--out", speed)
    assert NOTE in run(*bench).out
    run("eval", noted, "--data", video.parent.parent, "--out", accuracy)
    for report in (speed, accuracy):
        assert NOTE in run("report", report).out
        assert NOTE in run("report", report, "--json").out
    for page in (tmp_path / "page.html", tmp_path / "page.md"):
        run("report", speed, accuracy, "--out", page)
        assert page.read_text().count(NOTE) >= 2, page


def test_the_picture_of_a_demo_has_the_notes_in_its_title(noted, video, run, tmp_path):
    artifact = read_artifact(noted)
    pictures = []
    for notes in ((NOTE,), ()):  # everything else in the picture is the same
        write_artifact(noted, artifact.body, msgspec.structs.replace(artifact.spec, notes=notes))
        run("demo", noted, "--headless", "--source", video, "--picture", tmp_path / f"{len(notes)}.png")
        pictures.append(cv2.imread(str(tmp_path / f"{len(notes)}.png")))
    assert pictures[0].shape == pictures[1].shape and (pictures[0] != pictures[1]).any()
