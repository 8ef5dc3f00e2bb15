"""The command line as scripts use it: output, JSON, errors, exit status, start-up time."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeshift.cli import COMMANDS, main


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()  # what a conversion that a test began with has said
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_help_is_instant_and_lists_every_command():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", "edgeshift.cli", "--help"], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0 and done.stderr == ""
    for command in COMMANDS:
        assert command in done.stdout
    # The one promise in seconds, because users feel it; one import of numpy or torch would break it.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_an_example(capsys, command):
    status, out, _ = run(capsys, command, "--help")
    assert status == 0
    assert f"edgeshift {command}" in out.split("Example", 1)[1]


def test_unknown_names_give_the_nearest(capsys):
    status, _, err = run(capsys, "convret")
    assert status == 2 and "did you mean convert" in err
    status, _, err = run(capsys, "convert", "--target", "tflight")
    assert status == 2 and err == "edgeshift: unknown target 'tflight'; did you mean tflite?\n"
    status, _, err = run(capsys, "convert", "tsm_mobilnet_v2", "--target", "tflite")
    assert status == 2 and "did you mean tsm_mobilenet_v2" in err


def test_models(capsys):
    status, out, _ = run(capsys, "models", "--json")
    rows = {row["model"]: row for row in json.loads(out)}
    assert status == 0 and len(rows) == 8
    assert rows["tsm_resnet50"]["parameters"] == pytest.approx(24.3e6, rel=0.005)
    assert rows["tsm_resnet50"]["paper_flops_per_8_frames"] == pytest.approx(33e9, rel=0.005)
    assert rows["tsm_mobilenet_v2"]["paper_flops_per_8_frames"] == pytest.approx(2.55e9, rel=0.005)
    assert rows["tsm_mobilenet_v2"]["state_values"] == 27_048
    status, out, _ = run(capsys, "models", "--classes", 27, "--size", 112)
    assert status == 0 and "6,912" in out and "next: edgeshift convert" in out.splitlines()[-1]


@pytest.mark.slow
def test_inspect_verify_demo(capsys, made, tmp_path):
    path = made("tsm", "int8").path
    status, out, err = run(capsys, "inspect", path)
    assert (status, err) == (0, "") and "untrained" in out and "state_features_16" in out
    status, out, _ = run(capsys, "inspect", path, "--json")
    assert json.loads(out)["model"]["table"] == "tsm"

    status, out, err = run(capsys, "verify", path, "--json")
    report = json.loads(out)
    assert (status, err) == (0, "") and report["ok"] and report["parity"]["frames"] == 32
    status, out, _ = run(capsys, "verify", path)
    assert status == 0 and out.splitlines()[-1].startswith("next: edgeshift demo")

    from edgeshift.gestures.demo_stream import demo_stream

    frames = len(list(demo_stream(size=32)))
    picture = tmp_path / "answers.png"
    status, out, err = run(capsys, "demo", path, "--headless", "--picture", picture)
    assert (status, err) == (0, "") and f"{frames} steps on drawn" in out and "p90" in out and "mean nothing" in out
    assert picture.read_bytes()[:4] == b"\x89PNG"
    status, out, _ = run(capsys, "demo", path, "--headless", "--json")
    report = json.loads(out)
    assert report["steps"] == frames == sum(span["frames"] for span in report["labels"])
    assert report["milliseconds"]["infer"]["p90"] >= report["milliseconds"]["infer"]["p50"] > 0


@pytest.mark.slow
def test_verify_catches_a_wrong_answer(capsys, made, tmp_path):
    """The recorded logits changed: exit status 1, and the difference named."""
    import msgspec

    from edgeshift.artifact.file import read_artifact, write_artifact

    artifact = read_artifact(made("tsm", "int8").path)
    check = artifact.spec.check
    assert check is not None
    rows = [list(row) for row in check.logits]
    rows[-1][0] += 3 * check.tolerance
    wrong = msgspec.structs.replace(check, logits=tuple(map(tuple, rows)))
    path = tmp_path / "wrong.tflite"
    write_artifact(path, artifact.body, msgspec.structs.replace(artifact.spec, check=wrong))
    status, _, err = run(capsys, "verify", path)
    assert status == 1 and "self-check: logits differ by" in err


@pytest.mark.slow
def test_convert_a_checkpoint_end_to_end(capsys, tmp_path, made):
    """From a file of weights to an artifact that verifies against it; JSON is one document."""
    from edgeshift.checkpoints import save

    source = made("tsm", "fp32").source
    weights, out = tmp_path / "own.safetensors", tmp_path / "own.tflite"
    save(weights, source.network, source.description, frame_spacing=0.25, clip_frames=8)
    status, text, err = run(capsys, "convert", "--target", "tflite", "--weights", weights, "--out", out, "--json")
    assert (status, err) == (0, "")
    spec = json.loads(text)["spec"]
    assert spec["labels"] == list(source.description.labels) and spec["frame_spacing"] == 0.25
    assert spec["weights"]["sha256"] and spec.get("frame", {}).get("fit", "squash") == "squash"
    status, text, _ = run(capsys, "verify", out, "--weights", weights, "--json")
    assert status == 0 and json.loads(text)["parity"]["cosine"] > 0.98
    status, text, _ = run(capsys, "verify", out, "--json")
    assert status == 0 and "--weights" in json.loads(text)["parity_not_run"]
    status, text, _ = run(capsys, "demo", out, "--headless", "--json")
    assert json.loads(text)["steps"] > 0 == json.loads(text)["skipped"]  # drawn at the pace of the artifact


@pytest.mark.slow
def test_bidirectional_checkpoint_is_refused_then_streamed(capsys, tmp_path):
    import torch

    from edgeshift.checkpoints import save
    from edgeshift.checkpoints.source import untrained_source
    from edgeshift.models import ModelConfig
    from edgeshift.models.untrained import initial_network

    plain = untrained_source(size=64)
    clips = torch.from_numpy(np.stack([np.full((8, 64, 64, 3), v, np.uint8) for v in (20, 200)])).permute(0, 1, 4, 2, 3)
    config = ModelConfig("tsm", "mobilenet_v2", 10, size=64, bidirectional=True)
    noise = torch.randint(0, 60, clips.shape, generator=torch.Generator().manual_seed(0))
    weights = tmp_path / "both.safetensors"
    save(weights, initial_network(config, (clips + noise).float().clamp(0, 255)), labels=plain.description.labels)
    command = [
        "convert",
        "--target",
        "tflite",
        "--precision",
        "fp32",
        "--weights",
        weights,
        "--out",
        tmp_path / "b.tflite",
    ]
    status, _, err = run(capsys, *command)
    assert status == 2 and "--stream-bidirectional" in err and len(err.strip().splitlines()) == 1
    status, out, err = run(capsys, *command, "--stream-bidirectional", "--json")
    assert status == 0
    rows = json.loads(out)["spec"]["shifts"][0]["rows"]
    assert [(row["dt"], row["start"], row["stop"]) for row in rows] == [(None, 0, 3), (1, 3, 6)]


BAD = {
    "missing": ("verify", "nothing.tflite"),
    "folder": ("inspect", "."),
    "no suffix": ("verify", "Makefile"),
    "text": ("inspect", "text.tflite"),
    "source": ("demo", "text.tflite", "--headless"),
    "weights": ("convert", "--target", "tflite", "--weights", "text.pth"),
    "calibration": ("convert", "--target", "tflite", "--calibration", "empty"),
    "labels alone": ("convert", "--target", "tflite", "--labels", "text.pth"),
    "picture": ("demo", "text.tflite"),
    "small": ("convert", "stsm_mobilenet_v2", "--target", "tflite", "--size", "32"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_status_2(capsys, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("text.tflite").write_text("not a model\n" * 50)
    Path("text.pth").write_text("not weights\n" * 50)
    Path("Makefile").write_text("x")
    Path("empty").mkdir()
    before = sorted(Path().iterdir())
    status, out, err = run(capsys, *BAD[name])
    assert status == 2 and out == ""
    assert "Traceback" not in err and len(err.strip().splitlines()) <= 4  # click adds its usage line
    assert sorted(Path().iterdir()) == before


def test_debug_shows_the_traceback(capsys):
    with pytest.raises(Exception, match="no such file"):
        main(["--debug", "inspect", "nothing.tflite"])
