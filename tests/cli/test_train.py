"""``edgeshift train`` as scripts use it: output, JSON, errors, and runs that are resumed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeshift.checkpoints import load
from edgeshift.cli.train_text import gestures_text
from edgeshift.events.default_rule import default_rule
from edgeshift.training.history import Sums
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
    convert = f"edgeshift convert --target tflite --weights {out / 'model.safetensors'} --calibration {videos}"
    assert printed.rstrip().endswith(convert)
    trained = load(out / "model.safetensors")
    assert trained.description.labels == ("dark", "light")
    assert trained.description.rule == default_rule(
        ("dark", "light"), 0.25, 4
    )  # no rule is tuned on videos in training
    again, printed, _ = run("train", "--data", videos, "--out", out, *SMALL, "--resume", "--json")
    assert again == 0
    document = json.loads(printed)
    assert document["steps"] == 1
    low, high = document["validation"]["frame_accuracy_interval"]
    assert 0 <= low <= document["validation"]["frame_accuracy"] <= high <= 1
    gestures = document["validation"]["gestures"]
    assert 0 <= gestures["count"] <= gestures["total"] and gestures["low"] <= gestures["value"] <= gestures["high"]
    assert f"of gestures ({gestures['low']:.1%} to {gestures['high']:.1%}, {gestures['count']} of" in err


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


def test_a_resumed_run_takes_its_options_from_the_folder_and_can_be_extended(videos: Path, tmp_path: Path, run) -> None:
    out = tmp_path / "run"
    assert run("train", "--data", videos, "--out", out, *SMALL)[0] == 0
    resume = ("train", "--data", videos, "--out", out, "--resume", "--workers", "0")
    status, printed, _ = run(*resume, "--steps", "2", "--json")
    assert status == 0 and json.loads(printed)["steps"] == 2
    assert load(out / "model.safetensors").config.size == 64
    status, printed, err = run(*resume, "--size", "96")
    assert (status, printed, err.count("\n")) == (2, "", 1) and "size: 64, now 96" in err


@pytest.mark.parametrize("name", ["recipe.json", "last.pt", "history.jsonl"])
def test_a_damaged_folder_is_one_line(videos: Path, tmp_path: Path, run, name: str) -> None:
    assert run("train", "--data", videos, "--out", tmp_path / "run", *SMALL)[0] == 0
    (tmp_path / "run" / name).write_bytes(b"\xff[")
    status, out, err = run("train", "--data", videos, "--out", tmp_path / "run", *SMALL, "--resume")
    assert (status, out, err.count("\n")) == (2, "", 1) and name in err and "bug" not in err


def test_an_output_that_cannot_be_written_is_found_before_the_work(videos: Path, tmp_path: Path, run) -> None:
    (tmp_path / "file").write_text("")
    status, out, err = run("train", "--data", "nowhere", "--out", tmp_path / "file" / "run", *SMALL)
    assert (status, out, err.count("\n")) == (2, "", 1) and "file is a file; give another path" in err


def test_ctrl_c_names_the_command_that_continues(videos: Path, tmp_path: Path, run, monkeypatch) -> None:
    def stop(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt("stopped after step 3 of 9, which is saved")

    monkeypatch.setattr("edgeshift.training.run.train_network", stop)
    status, _, err = run("train", "--data", videos, "--out", tmp_path / "run", *SMALL)
    command = f"edgeshift train --resume --out {tmp_path / 'run'} --data {videos}"
    assert status == 130 and f"stopped after step 3 of 9, which is saved; continue with: {command}\n" in err


def test_without_torch_the_install_command_is_named(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'torch': raise ModuleNotFoundError('No module named torch', name='torch')\n"
        "sys.meta_path.insert(0, Block())\n"
        "from edgeshift.cli import main\n"
        f"main(['train', '--out', {str(tmp_path / 'run')!r}, *sys.argv[1:]])\n"
    )
    for options in ([], ["--resume"], ["--init", "x.pth"], ["--data", "x", "--mirror", "a=b"]):
        ended = subprocess.run([sys.executable, "-c", code, *options], capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2 and ended.stderr.count("\n") == 1, ended.stderr
        assert "torch, which is not installed" in ended.stderr and "install" in ended.stderr


def test_the_interval_of_frames_counts_similar_frames_once() -> None:
    """Batches of 100 equal frames each give as much information as one frame each."""
    sums = Sums()
    for right in (1, 0, 1, 1):
        sums = sums.add({"correct": 100.0 * right, "counted": 100.0})
    assert sums.frame_accuracy == 0.75 and sums.independent_frames == pytest.approx(3)
    mixed = Sums()
    for right in (70, 80, 75, 75):
        mixed = mixed.add({"correct": float(right), "counted": 100.0})
    assert mixed.independent_frames > 40
    assert Sums().independent_frames == 0 and "no gestures" in gestures_text(Sums())


def test_clips_that_are_shown_several_times_count_once_in_the_interval():
    repeated = Sums(right=16, gestures=16, batches=4, clips=2)
    assert "16 of 16 from 2 clips" in gestures_text(repeated) and "(34.2% to 100.0%" in gestures_text(repeated)
    assert "(80.6% to 100.0%, 16 of 16)" in gestures_text(Sums(right=16, gestures=16, batches=4, clips=16))
    assert "(80.6% to 100.0%, 16 of 16)" in gestures_text(Sums(right=16, gestures=16, batches=4))
