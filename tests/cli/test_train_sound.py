"""``edgeshift train --sound``: networks that learn from pairs of a gesture and a sound."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeshift.checkpoints import load
from edgeshift.cli import completion
from edgeshift.sound.drawn import SOUNDS

SMALL = ["--size", "64", "--batch", "2", "--steps", "1", "--workers", "0", "--frames", "4"]
NARROW = ["--width", "0.35"]
DRAWN = ["train", "--sound", "--gestures", "left,right", "--sounds", "clap,quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run of one step."""
    from edgeshift.cli import main

    out = tmp_path_factory.mktemp("trained") / "run"
    with pytest.raises(SystemExit) as ended:
        main([*DRAWN, "--out", str(out), *SMALL, *NARROW])
    assert not ended.value.code
    return out


def test_the_defaults_make_a_network_that_hears(folder: Path) -> None:
    trained = load(folder / "model.safetensors")
    config, sound = trained.config, trained.config.sound
    assert sound is not None and (config.table, config.depth, config.size) == ("tsam", 1, 64)
    assert (sound.weight, sound.norms, sound.frames, sound.bands, sound.seconds) == (8.0, "shared", 4, 64, 1.0)
    assert trained.description.labels == ("left+clap", "left", "right+clap", "right")
    assert trained.description.quiet is not None and len(trained.description.quiet) == 4


def test_a_resumed_run_needs_no_options_and_prints_three_accuracies(folder: Path, run) -> None:
    resume = ("train", "--out", folder, "--resume", "--workers", "0")
    status, out, _ = run(*resume)
    assert status == 0
    for words in ("of pairs (", "of 64)", "of gestures alone (", "of sounds alone ("):
        assert words in out
    document = json.loads(run(*resume, "--json").out)["validation"]
    assert (document["pairs"]["total"], document["gestures_alone"]["total"], document["sounds_alone"]["total"]) == (
        64,
        32,
        32,
    )
    assert document["pairs"]["high"] - document["pairs"]["low"] > 0.2  # 64 pairs of 32 gestures are not independent
    status, out, err = run(*resume, "--sound-weight", "3", "--sound-norms", "separate")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "sound weight: 8.0, now 3.0; sound norms: shared, now separate" in err


def test_a_network_that_hears_can_be_trained_further(folder: Path, tmp_path: Path, run) -> None:
    start = ("train", "--init", folder / "model.safetensors", "--out", tmp_path / "run", *SMALL)
    names = ("--gestures", "left,circle", "--sounds", "whistle-up")
    status, _, err = run(*start, "--sound", *names, "--sound-weight", "2", "--json")
    assert status == 0, err
    trained = load(tmp_path / "run" / "model.safetensors")
    sound = trained.config.sound
    assert sound is not None and (sound.weight, sound.seconds, sound.norms) == (2, 1.0, "shared")
    assert trained.description.labels == ("left+whistle-up", "left", "circle+whistle-up", "circle")
    for line, message in (
        ([], "has a sound segment, which would not be trained: add --sound"),
        (["--sound", "--sound-norms", "separate"], "have shared batch norms for sounds, which cannot become separate"),
    ):
        status, out, err = run(*start[:4], tmp_path / "other", *SMALL, *line)
        assert (status, out, err.count("\n")) == (2, "", 1) and message in err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["tsm_mobilenet_v2"], "tsm cannot have a sound segment"),
        (["--sounds", "clp"], "unknown sound 'clp'; did you mean clap?"),
        (["--gestures", "lefft"], "unknown gesture 'lefft'; did you mean left?"),
        (["--gestures", "left,left"], "--gestures left,left: left is given twice"),
        (["--sounds", "clap,"], "--sounds clap,: give names with commas between them"),
        (["--spacing", "30"], "4 frames last 120 s, and so does the sound beside them, which needs 0.1 to 60 s"),
    ],
)
def test_bad_input_for_training_with_sound_is_one_line(tmp_path: Path, run, line: list[str], message: str) -> None:
    status, out, err = run("train", "--sound", "--out", tmp_path / "run", *SMALL, *NARROW, *line)
    assert (status, out, err.count("\n")) == (2, "", 1) and message in err
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_help_lists_the_sounds_that_can_be_drawn(run) -> None:
    assert tuple(SOUNDS) == completion.SOUNDS
    for command in ("train", "clips"):
        assert ",".join(SOUNDS) in "".join(run(command, "--help").out.split())


def test_clips_with_sounds_become_a_model(tmp_path: Path, run) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    drawn = ("--labels", "left,right", "--sounds", "clap", "--frames", 4, "--count", 28, "--size", 64)
    assert run("clips", "--out", data, *drawn).status == 0
    line = ("train", "--sound", "--data", data / "clips.csv", "--out", out)
    status, printed, err = run(*line, *SMALL, *NARROW)
    assert status == 0, err
    assert printed.rstrip().endswith(f"--calibration {data} --sounds {data}")
    assert load(out / "model.safetensors").description.labels == ("left+clap", "left", "right+clap", "right")
    assert run("train", "--resume", "--data", data / "clips.csv", "--out", out, "--workers", "0").status == 0
    status, printed, err = run(*line[:3], data, "--out", tmp_path / "other", *SMALL, *NARROW)
    assert (status, printed, err.count("\n")) == (2, "", 1) and "no clip has the name of a sound" in err
