"""Commands on an artifact that takes a whole clip."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeshift.converters import ClipOptions
from edgeshift.gestures import draw_clips
from edgeshift.video.clips import write_video

FRAMES, HOP = 4, 3


@pytest.fixture
def clip(made) -> Path:
    return made("tsm", "int8", clip=ClipOptions(FRAMES, HOP)).path


@pytest.fixture
def data(tmp_path) -> Path:
    """A folder with one clip of 8 frames, and one that is shorter than the artifact needs."""
    for drawn, count in zip(draw_clips(2, seed=3, frames=8, size=80), (8, 2), strict=True):
        folder = tmp_path / "data" / drawn.label
        folder.mkdir(parents=True, exist_ok=True)
        write_video(folder / f"{count}.avi", list(drawn.frames[:count]), 4)
    return tmp_path / "data"


def test_inspect_and_verify_say_what_a_clip_is(clip, run):
    for command in ("inspect", "verify"):
        status, text, _ = run(command, clip)
        assert status == 0 and "over 37 windows of 4 frames" in text, text
    assert "4 frames at once; on a camera, a new answer every 3 frames" in run("inspect", clip)[1]
    assert "4 windows of 4 frames, errors" in run("verify", clip)[1]
    spec = json.loads(run("inspect", clip, "--json")[1])
    assert (spec["mode"], spec["hop"], spec["input"]["name"]) == ("clip", HOP, "clip")


def test_eval_takes_each_clip_as_a_whole(clip, data, run):
    status, text, _ = run("eval", clip, "--data", data, "--json")
    assert status == 0
    (subject,) = json.loads(text)["subjects"]
    assert subject["accuracy"]["consensus"]["total"] == 2
    assert subject["accuracy"]["last"] == subject["accuracy"]["consensus"], "one answer for each clip"


def test_demo_answers_at_every_hop(clip, data, run):
    (source,) = data.rglob("8.avi")
    status, text, _ = run("demo", clip, "--headless", "--source", source, "--json")
    assert status == 0 and json.loads(text)["steps"] == 2  # after frames 4 and 7


def test_options_of_streams_have_no_effect(run, tmp_path):
    line = ("convert", "--target", "tflite", "--mode", "clip", "--out", tmp_path / "a.tflite")
    for option in (("--fresh-states",), ("--state", "buffer")):
        status, _, err = run(*line, *option)
        assert status == 2 and "has no effect with --mode clip" in err, err
    status, _, err = run(*line, "--frames", "4", "--hop", "5")
    assert status == 2 and "--hop 5 is more than the 4 frames of a clip" in err


def test_layers_are_compared_over_windows(clip, run):
    status, text, _ = run("verify", clip, "--layers")
    assert status == 0 and "worst window" in text and "features." in text, text
    layers = json.loads(run("verify", clip, "--layers", "--json")[1])["layers"]
    assert {len(row["frames"]) for row in layers} == {37}
    assert layers[-1]["layer"] == "classifier.1" and layers[-1]["operator"] == "MEAN", layers[-1]
    assert all(row["step"] is not None for row in layers)
