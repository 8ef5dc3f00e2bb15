"""``edgeshift convert``, and the commands that take an artifact."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytestmark = pytest.mark.slow


def test_inspect_verify_and_demo_accept_an_artifact(run, made, tmp_path):
    path = made("tsm", "int8").path
    status, out, err = run("inspect", path)
    assert (status, err) == (0, "") and "untrained" in out and "state_features_16" in out
    assert json.loads(run("inspect", path, "--json").out)["model"]["table"] == "tsm"

    status, out, err = run("verify", path, "--json")
    report = json.loads(out)
    assert (status, err) == (0, "") and report["ok"] and report["parity"]["frames"] == 32
    status, out, _ = run("verify", path, "--explain")
    assert status == 0 and out.splitlines()[-1].startswith("next: edgeshift demo")
    assert "over 32 frames: within the limits stated for int8" in out and "\ndrift " in out

    from edgeshift.gestures.demo_stream import demo_stream

    frames = len(list(demo_stream(size=32)))
    picture = tmp_path / "answers.png"
    status, out, err = run("demo", path, "--headless", "--picture", picture)
    assert (status, err) == (0, "") and f"{frames} steps on drawn" in out and "p90" in out and "mean nothing" in out
    assert picture.read_bytes()[:4] == b"\x89PNG"
    report = json.loads(run("demo", path, "--headless", "--json").out)
    assert report["steps"] == frames == sum(span["frames"] for span in report["labels"])
    assert report["milliseconds"]["infer"]["p90"] >= report["milliseconds"]["infer"]["p50"] > 0


def test_verify_detects_wrong_logits(run, made, tmp_path):
    import msgspec

    from edgeshift.artifact.file import read_artifact, write_artifact

    artifact = read_artifact(made("tsm", "int8").path)
    check = artifact.spec.check
    assert check is not None
    rows = [list(row) for row in check.logits]
    rows[-1][0] += 0.1 * check.span
    wrong = msgspec.structs.replace(check, logits=tuple(map(tuple, rows)))
    path = tmp_path / "wrong.tflite"
    write_artifact(path, artifact.body, msgspec.structs.replace(artifact.spec, check=wrong))
    status, _, err = run("verify", path)
    assert status == 1 and "self-check: logits differ by" in err


def test_a_checkpoint_becomes_an_artifact_that_verifies_against_it(run, tmp_path, made):
    from edgeshift.checkpoints import save
    from edgeshift.models import ModelConfig, build
    from edgeshift.video.fit import FrameSpec

    source = made("tsm", "fp32").source
    labels = source.description.labels
    weights, out = tmp_path / "own.safetensors", tmp_path / "own.tflite"
    save(weights, source.network, labels=labels, frame_spacing=0.25, frame=FrameSpec(64, 64, fit="squash"))
    command = ("convert", "--target", "tflite", "--weights", weights, "--out", out, "--json")
    status, _, err = run(*command)
    assert status == 2 and "add --calibration with a folder of at least 16 videos" in err and not out.exists()
    status, text, err = run(*command, "--calibration", "drawn")
    assert (status, err) == (0, "")
    spec = json.loads(text)["spec"]
    assert spec["labels"] == list(labels) and spec["frame_spacing"] == 0.25
    assert spec["weights"]["sha256"] and spec.get("frame", {}).get("fit", "squash") == "squash"
    status, text, _ = run("verify", out, "--weights", weights, "--json")
    assert status == 0 and json.loads(text)["parity"]["cosine"] > 0.98
    status, text, _ = run("verify", out, "--json")
    assert status == 0 and "--weights" in json.loads(text)["parity_not_run"]
    another = tmp_path / "another.safetensors"
    network = build(ModelConfig("tsm", "mobilenet_v2", len(labels) + 1, size=64, width=0.35))
    save(another, network, labels=["a", *labels])
    status, _, err = run("verify", out, "--weights", another)
    assert status == 1 and "another.safetensors is not the checkpoint this artifact was made from (own" in err
    report = json.loads(run("demo", out, "--headless", "--json").out)
    assert report["steps"] > 0 == report["skipped"]  # frames are drawn at the artifact's frame spacing


def test_a_bidirectional_checkpoint_needs_an_option_to_stream(run, tmp_path):
    import torch

    from edgeshift.checkpoints import save
    from edgeshift.checkpoints.source import untrained_source
    from edgeshift.models import ModelConfig
    from edgeshift.models.untrained import initial_network

    labels = untrained_source(size=64).description.labels
    clips = torch.from_numpy(np.stack([np.full((8, 64, 64, 3), v, np.uint8) for v in (20, 200)])).permute(0, 1, 4, 2, 3)
    config = ModelConfig("tsm", "mobilenet_v2", 10, size=64, bidirectional=True)
    noise = torch.randint(0, 60, clips.shape, generator=torch.Generator().manual_seed(0))
    weights = tmp_path / "both.safetensors"
    save(weights, initial_network(config, (clips + noise).float().clamp(0, 255)), labels=labels)
    command = ["convert", "--target", "tflite", "--precision", "fp32", "--weights", weights]
    command += ["--out", tmp_path / "b.tflite"]
    status, _, err = run(*command)
    assert status == 2 and "--stream-bidirectional" in err and len(err.strip().splitlines()) == 1
    status, out, err = run(*command, "--stream-bidirectional", "--json")
    assert status == 0
    rows = json.loads(out)["spec"]["shifts"][0]["rows"]
    assert [(row["dt"], row["start"], row["stop"]) for row in rows] == [(None, 0, 3), (1, 3, 6)]


def test_a_rule_from_a_file_is_checked_first_and_goes_into_the_artifact(run, tmp_path):
    rule, bad = tmp_path / "mine.json", tmp_path / "bad.json"
    rule.write_text('{"window": 6, "threshold": 0.7, "none": "star"}')
    bad.write_text('{"window": 6, "threshold": 0.7, "none": "stra"}')
    convert = (
        "convert",
        "tsm_mobilenet_v2",
        "--width",
        "0.35",
        "--size",
        "64",
        "--target",
        "onnx",
        "--precision",
        "fp32",
    )
    for given, message in ((tmp_path / "absent.json", "absent.json: cannot be read"), (bad, "did you mean 'star'")):
        status, out, err = run(*convert, "--rule", given, "--out", tmp_path / "a.onnx")
        assert (status, out) == (2, "") and message in err and not (tmp_path / "a.onnx").exists()
    status, out, _ = run(*convert, "--rule", rule, "--out", tmp_path / "a.onnx")
    assert status == 0 and "the file mine.json" in out
    written = json.loads(run("inspect", tmp_path / "a.onnx", "--json").out)["rule"]
    assert (written["window"], written["threshold"], written["origin"]) == (6, 0.7, "the file mine.json")
    status, out, _ = run("demo", tmp_path / "a.onnx", "--headless")
    assert status == 0 and "event rule  the file mine.json" in out


@pytest.mark.slow
@pytest.mark.filterwarnings("always::edgeshift.errors.ArtifactWarning")
def test_force_writes_an_artifact_that_fails_and_every_output_says_so(run, tmp_path, monkeypatch):
    import msgspec

    from edgeshift.artifact.file import read_artifact
    from edgeshift.converters import pipeline
    from edgeshift.errors import ArtifactWarning

    monkeypatch.setattr(pipeline, "failures", lambda *_, **__: ["a state was made to differ"])
    path = tmp_path / "failed.onnx"
    command = ("convert", "--target", "onnx", "--precision", "fp32", "--size", "64", "--out", path)
    status, _, err = run(*command)
    assert status == 1 and "was not written: a state was made to differ; --force writes it" in err and not path.exists()
    status, out, err = run(*command, "--force")
    assert status == 1 and "FAILED" in out and "a state was made to differ" in err
    with pytest.warns(ArtifactWarning, match="FAILED its comparison with the original"):
        assert read_artifact(path).spec.problems == ("a state was made to differ",)
    monkeypatch.undo()
    for command in (("inspect", path), ("demo", path, "--headless"), ("verify", path)):
        _, out, err = run(*command)
        assert "FAILED" in out + err, command
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # other tests measure at the same time: own locks
    report = tmp_path / "report.json"
    _, out, err = run("bench", path, "--mode", "rapid", "--repeats", "1", "--no-memory", "--out", report)
    assert "FAILED" in out
    assert msgspec.json.decode(report.read_bytes())["subjects"][0]["problems"] == ["a state was made to differ"]
    assert "FAILED" in run("report", report)[1]
