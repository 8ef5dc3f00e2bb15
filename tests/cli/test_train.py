"""``edgeshift train`` as scripts use it: output, JSON, errors, and runs that are resumed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeshift.checkpoints import load
from edgeshift.events.spotter import DEFAULT_RULE
from edgeshift.video.clips import write_video

SMALL = ["--size", "64", "--width", "0.35", "--frames", "4", "--batch", "1", "--steps", "1", "--workers", "0"]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    for label, light in (("dark", 40), ("light", 200)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for index in range(7):
            frames = [np.full((48, 64, 3), light + index, np.uint8)] * 6
            write_video(tmp_path / "data" / label / f"{index}.avi", frames, 4)
    return tmp_path / "data"


def test_videos_become_a_model(videos: Path, tmp_path: Path, run) -> None:
    out = tmp_path / "run"
    status, printed, err = run("train", "--data", videos, "--out", out, *SMALL)
    assert status == 0 and "step 1: training loss" in err and err.count("\n") == 1
    assert printed.rstrip().endswith(f"edgeshift convert --target tflite --weights {out / 'model.safetensors'}")
    trained = load(out / "model.safetensors")
    assert trained.description.labels == ("dark", "light")
    assert trained.description.rule == DEFAULT_RULE  # no rule is tuned for videos, and no label means "no gesture"
    again, printed, _ = run("train", "--data", videos, "--out", out, *SMALL, "--resume", "--json")
    assert again == 0
    assert json.loads(printed)["steps"] == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--data", "nowhere"], "nowhere: no such file or folder; give a folder"),
        (["tsmm_mobilenet_v2"], "tsm_mobilenet_v2"),
        (["--data", "videos", "--mirror", "left"], "write pairs of labels"),
        (["--mirror", "left=right"], "--mirror has no effect without --data"),
        (["--strokes", "nothing.json"], "nothing.json"),
        (["--device", "cuda"], "no GPU"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, run, line: list[str], message: str) -> None:
    status, out, err = run("train", *line, "--out", tmp_path / "run", *SMALL)
    assert (status, out) == (2, "")
    assert message in err and err.count("\n") == 1
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_a_finished_run_is_not_overwritten(videos: Path, tmp_path: Path, run) -> None:
    assert run("train", "--data", videos, "--out", tmp_path / "run", *SMALL)[0] == 0
    status, _, err = run("train", "--data", videos, "--out", tmp_path / "run", *SMALL)
    assert status == 2 and "--resume" in err
