"""Accuracy of networks with a sound segment: on frames and sounds, and on one of the two alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeshift.artifact.description import describe_network
from edgeshift.benchmarks.accuracy.candidate import Candidate, open_candidate
from edgeshift.benchmarks.accuracy.clip_sound import label_of_pair, stream_clip_with_sound
from edgeshift.checkpoints import save
from edgeshift.cli import main
from edgeshift.models import ModelConfig, build
from edgeshift.models.sound import fuse
from edgeshift.sound import SoundSettings
from edgeshift.video.dataset import LabelledClip, read_dataset
from edgeshift.video.sound_window import picture_of_window

SETTINGS = SoundSettings(seconds=0.5, frames=4, bands=32, weight=3.0)
LABELS = ("left+clap", "left", "right+clap", "right")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "clips"
    names = ["--labels", "left,right", "--sounds", "clap", "--count", "4", "--frames", "4", "--size", "64"]
    with pytest.raises(SystemExit) as ended:
        main(["clips", "--out", str(folder), *names])
    assert not ended.value.code
    return folder / "clips.csv"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = ModelConfig("tsam", "mobilenet_v2", 4, size=64, depth=1, width=0.5, sound=SETTINGS)
    path = tmp_path_factory.mktemp("weights") / "sound.safetensors"
    save(path, build(config, seed=1), describe_network(config, labels=LABELS, frame_spacing=0.25, quiet=(0.0,) * 4))
    return path


@pytest.fixture(scope="module")
def candidate(weights: Path) -> Candidate:
    return open_candidate(weights)


def test_the_mean_over_a_clip_is_the_answer_of_the_clip_form(candidate: Candidate, data: Path, weights: Path) -> None:
    from edgeshift.checkpoints import load
    from edgeshift.video.clips import read_video

    network, clip = load(weights).network, read_dataset(data).clips[0]
    picture = picture_of_window(clip.wav, SETTINGS, 64, np.random.default_rng(0), augment=False)
    frames = np.stack([timed.frame for timed in read_video(clip.path)])
    with torch.inference_mode():
        of_frames = network(torch.from_numpy(frames).permute(0, 3, 1, 2)[None].float())[0]
        of_sound = network.hear(torch.from_numpy(picture).permute(2, 0, 1)[None].float())[0]
    stream = candidate.model.stream()
    fused, frames_alone, sound_alone = (stream_clip_with_sound(stream, clip, x) for x in (None, "sound", "video"))
    assert np.allclose(fused.logits.mean(0), fuse(of_frames, of_sound, SETTINGS.weight), atol=1e-4)
    assert np.allclose(frames_alone.logits, of_frames, atol=1e-4) and len(frames_alone.times) == 4
    assert np.allclose(sound_alone.logits, of_sound[None], atol=1e-4)


def test_labels_name_gesture_and_sound(data: Path) -> None:
    assert {label_of_pair(clip) for clip in read_dataset(data).clips} == set(LABELS)
    path = Path("a.mp4")
    assert label_of_pair(LabelledClip(path, "a", "left+clap")) == "left+clap"
    assert label_of_pair(LabelledClip(path, "a", "none", sound="clap")) == "clap"
    assert label_of_pair(LabelledClip(path, "a", "none")) == "none"


def test_results_without_sound_are_not_those_with_sound(weights: Path) -> None:
    keys = {open_candidate(weights, without).key for without in (None, "sound", "video")}
    assert len(keys) == 3


def evaluate(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["eval", *map(str, arguments)])
    return int(ended.value.code or 0), *capsys.readouterr()


def test_eval_leaves_out_the_sound_or_the_video(weights: Path, data: Path, tmp_path: Path, capsys) -> None:
    results = {}
    for without in (None, "sound", "video"):
        options = () if without is None else ("--without", without)
        status, out, err = evaluate(capsys, weights, "--data", data, "--json", *options)
        assert status == 0, err
        (subject,) = json.loads(out)["subjects"]
        assert subject["without"] == without
        assert {row["label"] for row in subject["rows"] if row["clips"]} == set(LABELS)
        results[without] = subject["clips"]
    assert {clip["frames"] for clip in results["video"]} == {1} and {clip["frames"] for clip in results["sound"]} == {4}
    processes = evaluate(capsys, weights, "--data", data, "--json", "--without", "sound", "--jobs", 2)
    assert json.loads(processes[1])["subjects"][0]["clips"] == results["sound"]
    assert "without the sound of the clips" in " ".join(
        evaluate(capsys, weights, "--data", data, "--without", "sound")[1].split()
    )


def test_a_clip_without_sound_is_unreadable_unless_sound_is_left_out(weights: Path, data: Path, capsys) -> None:
    wav = read_dataset(data).clips[0].wav
    content = wav.read_bytes()
    wav.unlink()
    try:
        status, out, _ = evaluate(capsys, weights, "--data", data, "--json")
        (unreadable,) = json.loads(out)["subjects"][0]["unreadable"]
        assert status == 0 and "sound" in unreadable["reason"]
        status, out, _ = evaluate(capsys, weights, "--data", data, "--json", "--without", "sound")
        assert status == 0 and not json.loads(out)["subjects"][0]["unreadable"]
    finally:
        wav.write_bytes(content)


def test_bad_uses_are_one_line(weights: Path, data: Path, capsys) -> None:
    status, out, err = evaluate(capsys, weights, "--data", data, "--agent", "native")
    assert status == 2 and not out
    shipped = Path("edgeshift/weights/tsm_mobilenet_v2.safetensors")
    shipped = Path(__file__).parents[2] / shipped
    status, out, err = evaluate(capsys, weights, shipped, "--data", data)
    assert (status, out) == (2, "") and "sound.safetensors has a sound segment and tsm_mobilenet_v2" in err
