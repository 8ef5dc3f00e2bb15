"""``convert``, ``inspect`` and ``verify`` of a network with a sound segment."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgeshift.artifact.description import describe_network
from edgeshift.artifact.file import read_artifact
from edgeshift.checkpoints import save
from edgeshift.checkpoints.source import untrained_variant
from edgeshift.gestures import LABELS
from edgeshift.sound import SoundSettings, write_wav

#: One of the sounds is damaged, and a note says so.
pytestmark = pytest.mark.filterwarnings("ignore::edgeshift.errors.SoundWarning")

RATE = 16_000
SETTINGS = SoundSettings(seconds=0.5, frames=3, bands=32, weight=4.0, every=0.25)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "sound.safetensors"
    network = untrained_variant("tsam_mobilenet_v2", size=64, depth=1, width=0.5, sound=SETTINGS).network
    quiet = (0.0,) * len(LABELS)
    save(path, network, describe_network(network.config, labels=LABELS, frame_spacing=0.25, quiet=quiet))
    return path


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    for index in range(4):
        noise = np.random.default_rng(index).standard_normal(4 * RATE)
        write_wav(folder / f"{index}.wav", (0.1 * noise).clip(-0.9, 0.9), RATE)
    (folder / "damaged.wav").write_bytes(b"RIFF....")
    return folder


@pytest.fixture(scope="module")
def converted(weights: Path, sounds: Path) -> Path:
    from edgeshift.cli import main

    out = weights.with_name("sound.tflite")
    arguments = ["--target", "tflite", "--weights", weights, "--calibration", "drawn", "--sounds", sounds, "--out", out]
    with pytest.raises(SystemExit) as ended:
        main(["convert", *map(str, arguments)])
    assert not ended.value.code
    return out


def test_int8_ranges_come_from_clips_and_from_sounds(converted: Path) -> None:
    calibration = read_artifact(converted).spec.calibration
    assert calibration is not None and calibration.source.endswith(", 28 sounds")


def test_sounds_that_cannot_be_used_are_one_line(weights: Path, tmp_path: Path, run) -> None:
    line = (
        "convert",
        "--target",
        "tflite",
        "--weights",
        weights,
        "--calibration",
        "drawn",
        "--out",
        tmp_path / "a.tflite",
    )
    (tmp_path / "empty").mkdir()
    for folder, message in ((tmp_path / "empty", "no .wav files"), (tmp_path / "none", "there is no such folder")):
        status, out, err = run(*line, "--sounds", folder)
        assert (status, out, err.count("\n")) == (2, "", 1) and message in err
    status, out, err = run(*line)
    assert status == 2 and "add --sounds with a folder of .wav files" in err


def test_inspect_shows_the_sound_segment_and_its_parity(converted: Path, weights: Path, run) -> None:
    command = json.loads(run("inspect", weights, "--json").out)["ways"][0]["command"]
    assert command[-4:] == ["--calibration", "VIDEOS", "--sounds", "SOUNDS"]
    for file in (converted, weights):
        out = " ".join(run("inspect", file).out.split())
        assert "sound the newest 0.5 s beside the newest 3 frames, heard every 0.25 s" in out
        assert "weight 4, where each frame has the weight 1; batch norms of the frames" in out
    sound = read_artifact(converted).spec.parity.sound
    assert f"sounds alone largest error {sound.max_error:.2g} of the logit range" in " ".join(
        run("inspect", converted).out.split()
    )
    document = json.loads(run("inspect", converted, "--json").out)
    assert document["model"]["sound"]["weight"] == 4.0 and document["parity"]["sound"]["sounds"] == 32


def test_separate_batch_norms_are_refused_and_inspect_names_the_command_that_converts(weights, tmp_path, run) -> None:
    settings = msgspec.structs.replace(SETTINGS, norms="separate")
    network = untrained_variant("tsam_mobilenet_v2", size=64, depth=1, width=0.5, sound=settings).network
    path = tmp_path / "separate.safetensors"
    save(path, network, describe_network(network.config, labels=LABELS, frame_spacing=0.25))
    refused = run("convert", "--target", "tflite", "--weights", path)
    assert (refused.status, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert "train again with --sound-norms shared, or leave the sound segment out with --without-sound" in refused.err
    document = json.loads(run("inspect", path, "--json").out)
    (way,) = document["ways"]
    assert way["command"][-3:] == ["--without-sound", "--calibration", "VIDEOS"] and "--sounds" not in way["command"]
    assert way["remark"].startswith("for frames alone, because its sounds have their own batch norms")
    line = (*way["command"][:-2], "--precision", "fp32", "--out", tmp_path / "frames.tflite")
    assert run(*line).status == 0 and read_artifact(tmp_path / "frames.tflite").spec.model.sound is None


@pytest.mark.parametrize("table", ["tsam", "tsn"])
def test_inspect_names_a_training_that_takes_sounds(table: str, tmp_path: Path, run) -> None:
    variant = {"depth": 1, "bidirectional": True} if table == "tsam" else {}
    network = untrained_variant(f"{table}_mobilenet_v2", size=64, width=0.5, sound=SETTINGS, **variant).network
    save(tmp_path / "net.safetensors", network, describe_network(network.config, labels=LABELS))
    command = json.loads(run("inspect", tmp_path / "net.safetensors", "--json").out)["ways"][0]["command"]
    assert command[:3] == ["train", "tsam_mobilenet_v2", "--sound"]


def test_inspect_of_a_clip_artifact_says_what_a_clip_takes(weights: Path, tmp_path: Path, run) -> None:
    out = tmp_path / "clip.tflite"
    line = ("convert", "--target", "tflite", "--weights", weights, "--precision", "fp32", "--mode", "clip")
    status, text, _ = run(*line, "--frames", 4, "--out", out)
    for shown in (text, run("inspect", out).out):
        words = " ".join(shown.split())
        assert status == 0 and "sound the newest 0.5 s beside the 4 frames of a clip (3 in training) weight 4" in words
        assert "of 32 drawn sounds agree" in words and "100% of answers agree" in words and "heard every" not in words


@pytest.mark.slow
def test_the_layers_of_the_sound_alone_have_errors_of_their_size(
    weights: Path, sounds: Path, tmp_path: Path, run
) -> None:
    out = tmp_path / "clip.tflite"
    line = ("convert", "--target", "tflite", "--weights", weights, "--mode", "clip", "--frames", 3, "--out", out)
    assert run(*line, "--calibration", "drawn", "--sounds", sounds).status == 0
    status, text, _ = run("verify", out, "--weights", weights, "--layers", "--json")
    layers = json.loads(text)["layers"]
    assert status == 0 and max(layer["error"] for layer in layers) < 2
    # One of them is the second row of the output, which is the answer to the sound.
    assert any(layer["operator"] == "SLICE" and not layer["layer"] and layer["error"] > 0 for layer in layers)


def test_transcript_says_how_many_sounds_it_has(converted: Path, tmp_path: Path, run) -> None:
    status, text, _ = run("transcript", converted, "--out", tmp_path / "t.json")
    document = json.loads(run("transcript", converted, "--out", tmp_path / "t.json", "--json").out)
    assert status == 0 and 0 < document["heard"] < document["answers"] and document["sounds"] > 20
    words = " ".join(text.split())
    assert f"sounds {document['sounds']} pieces of sound, heard in {document['heard']} of the new answers" in words


def test_verify_compares_sounds_as_the_conversion_does(converted: Path, weights: Path, run) -> None:
    status, out, _ = run("verify", converted, "--weights", weights, "--json")
    document = json.loads(out)
    recorded = read_artifact(converted).spec.parity.sound
    assert status == 0 and document["parity"]["sound"]["max_error"] == pytest.approx(recorded.max_error, abs=0.01)
    assert document["parity"]["sound"]["fused_cosine"] == pytest.approx(recorded.fused_cosine, abs=1e-3)
    out = " ".join(run("verify", converted, "--weights", weights).out.split())
    assert "with sound largest error" in out and "of 32 drawn sounds agree" in out


def test_verify_fails_if_only_the_sounds_differ(converted: Path, weights: Path, run, monkeypatch) -> None:
    from edgeshift.stream import sound_parity

    wrong = read_artifact(converted).spec.parity.sound
    wrong = type(wrong)(**{name: getattr(wrong, name) for name in wrong.__struct_fields__} | {"cosine": 0.5})
    monkeypatch.setattr(sound_parity, "compare_sounds", lambda *_arguments: wrong)
    status, out, err = run("verify", converted, "--weights", weights)
    assert status == 1 and "the cosine of the logits of sounds is 0.500" in err and "FAILED" in out
