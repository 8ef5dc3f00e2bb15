"""A data set with a folder of pictures for each clip, as Jester is distributed, in every command that reads clips."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

SMALL = ["--size", "64", "--width", "0.35", "--frames", "4", "--batch", "1", "--steps", "1", "--workers", "0"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with 16 clips of two labels, twelve frames each, and the same clips in a CSV file."""
    rows = ["file,label"]
    for label, light in (("left", 5), ("right", 15)):
        for number in range(8):
            folder = tmp_path / "data" / label / f"{number:03d}"
            folder.mkdir(parents=True)
            rows.append(f"{folder},{label}")
            for index in range(12):
                cv2.imwrite(str(folder / f"{index + 1}.jpg"), np.full((50, 88, 3), light * index, np.uint8))
    (tmp_path / "list.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "data"


@pytest.mark.slow
def test_eval_reads_folders_of_frames(run, made, data: Path) -> None:
    path = made("tsm", "int8").path
    status, out, _ = run("eval", path, "--data", data, "--label-map", "left=left", "--fps", "12", "--json")
    report = json.loads(out)
    assert status == 0 and sum(row["clips"] for row in report["subjects"][0]["rows"]) == 16
    assert not report["subjects"][0]["unreadable"]
    status, out, _ = run("eval", path, "--data", data.parent / "list.csv", "--fps", "12", "--json")
    assert status == 0 and sum(row["clips"] for row in json.loads(out)["subjects"][0]["rows"]) == 16


def test_train_reads_folders_of_frames(run, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    out = tmp_path / "run"
    status, _, err = run("train", "--data", data, "--out", out, *SMALL)
    assert (status, err.count("\n")) == (2, 1)
    assert "left/000 is a folder of images, which have no times: give their frames per second with --fps" in err
    assert not out.exists()
    for source in (data, tmp_path / "list.csv"):
        out = tmp_path / f"run of {source.name}"
        status, _, err = run("train", "--data", source, "--fps", "12", "--out", out, *SMALL)
        assert status == 0, err
        assert (out / "model.safetensors").is_file()
    status, _, err = run("train", "--data", data, "--fps", "6", "--out", out, *SMALL, "--resume")
    assert status == 2 and "another" in err, "other times are other data"


@pytest.mark.slow
def test_calibration_reads_folders_of_frames(run, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the converters are not installed")
    out = tmp_path / "out.tflite"
    command = ("convert", "--target", "tflite", "--out", out, "--calibration", data)
    status, _, err = run(*command)
    assert status == 2 and "give their frames per second with --fps" in err
    status, text, err = run(*command, "--fps", "12", "--json")
    assert status == 0, err
    calibration = json.loads(text)["spec"]["calibration"]
    assert calibration["source"] == "16 videos in data" and calibration["clips"] == calibration["total"] == 16


@pytest.mark.slow
def test_demo_reads_a_folder_of_frames(run, made, data: Path) -> None:
    command = ("demo", made("tsm", "int8").path, "--headless", "--source", data / "left" / "000", "--json")
    status, out, _ = run(*command, "--fps", "12")
    assert status == 0 and json.loads(out)["steps"] > 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--calibration", "gone"], "gone: there is no such folder; --calibration takes a folder with 16 videos"),
        (["--calibration", "few"], "few: 0 videos, and calibration needs 16 or more"),
        (["--calibration", "drawn", "--fps", "12"], "--fps has no effect with --calibration drawn"),
        (["--calibration-clips", "32"], "--calibration-clips has no effect without --calibration"),
        (["--labels", "gone.txt", "--weights", "gone.pt"], "gone.txt: there is no such file"),
    ],
)
def test_bad_calibration_is_found_before_the_weights_are_loaded(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: list[str], message: str
) -> None:
    pytest.importorskip("torch", reason="the converters are not installed")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few").mkdir()
    for name in ("edgeshift.checkpoints.source.default_source", "edgeshift.checkpoints.load_for_streaming"):
        monkeypatch.setattr(name, lambda *_arguments, **_options: pytest.fail("weights were loaded"))
    status, out, err = run("convert", "--target", "tflite", *line)
    assert (status, out, err.count("\n")) == (2, "", 1) and message in err
