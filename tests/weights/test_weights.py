"""The shipped weights are complete, small, of documented origin, and accurate on drawn gestures."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgeshift.weights import FOLDER, all_shipped, shipped

pytest.importorskip("torch", reason="the converters are not installed")

import torch
from safetensors import safe_open

from edgeshift.artifact.pair_label import pair_label
from edgeshift.benchmarks.studies.drawn_clips import drawn_gestures
from edgeshift.benchmarks.studies.sound_labels import measure as measure_labels
from edgeshift.checkpoints import Checkpoint, load_for_streaming
from edgeshift.checkpoints.source import default_source
from edgeshift.gestures import LABELS
from edgeshift.training import Recipe

NAMES = ("stsm_mobilenet_v2", "tsm_mobilenet_v2")
SOUND = "tsam_mobilenet_v2_sound"


@pytest.fixture(scope="module", params=NAMES)
def weights(request: pytest.FixtureRequest) -> tuple[Path, Checkpoint]:
    path = shipped(request.param)
    assert path is not None
    return path, load_for_streaming(path)


def test_the_list_of_shipped_weights() -> None:
    assert set(all_shipped()) == {*NAMES, SOUND}
    assert shipped("tsm_resnet50") is None


def test_a_file_is_small_and_describes_its_origin(weights: tuple[Path, Checkpoint]) -> None:
    path, checkpoint = weights
    assert path.stat().st_size < 5_000_000
    assert checkpoint.config.name == path.stem
    assert not checkpoint.config.bidirectional
    facts = checkpoint.description
    assert facts.labels == (*LABELS, "none")
    assert facts.weights.trained and facts.weights.license is not None and "MIT" in facts.weights.license
    assert facts.rule is not None and facts.rule.memory is not None
    assert checkpoint.training["data"].startswith("drawn gesture streams")
    # There are no paths of the machine on which the file was made.
    assert "/" not in " ".join((facts.weights.source, *checkpoint.training.values()))
    recipe = msgspec.json.decode(checkpoint.training["recipe"], type=Recipe)
    assert (recipe.model, recipe.size, recipe.spacing) == (path.stem, checkpoint.config.size, facts.frame_spacing)


def test_the_network_that_hears_describes_its_origin() -> None:
    path = shipped(SOUND)
    assert path is not None and path.stat().st_size < 5_000_000
    checkpoint = load_for_streaming(path)
    config, facts = checkpoint.config, checkpoint.description
    assert config.sound is not None and config.sound.norms == "shared" and config.name == "tsam_mobilenet_v2"
    gestures, sounds = ("none", "left", "right", "circle"), ("clap", "whistle-up", "quiet")
    assert facts.labels == tuple(pair_label(gesture, sound) for gesture in gestures for sound in sounds)
    assert facts.weights.trained and facts.weights.license is not None and "MIT" in facts.weights.license
    assert facts.rule is not None and facts.rule.memory is None and facts.rule.origin.startswith("tuned on")
    assert facts.quiet is not None and len(facts.quiet) == len(facts.labels)
    assert "/" not in " ".join((facts.weights.source, *checkpoint.training.values()))
    assert default_source(SOUND).description.labels == facts.labels


def test_the_network_that_hears_names_drawn_gestures_and_sounds() -> None:
    """Frames alone or sounds alone would be right in a third or a quarter of the pairs at most."""
    path = shipped(SOUND)
    assert path is not None
    (row,) = measure_labels([path], 24)
    assert row.fused.value is not None and row.fused.value >= 0.9
    assert row.frames_alone.value is not None and row.frames_alone.value < 0.6


def test_convolutions_are_stored_as_float16(weights: tuple[Path, Checkpoint]) -> None:
    with safe_open(weights[0], "pt") as file:
        kinds = {(len(tensor.shape) > 1, tensor.dtype) for tensor in map(file.get_tensor, file.keys()) if tensor.ndim}
    assert kinds == {(True, torch.float16), (False, torch.float32)}


def test_accuracy_on_drawn_gestures(weights: tuple[Path, Checkpoint]) -> None:
    """The network was not trained on these drawings. If it ignored directions, it would reach half of this at most."""
    checkpoint = weights[1]
    spacing = checkpoint.description.frame_spacing
    assert spacing is not None
    correct = []
    for label, drawn in drawn_gestures(20, spacing, checkpoint.config.size):
        clip = torch.from_numpy(drawn.frames).permute(0, 3, 1, 2)[None].float()
        with torch.inference_mode():
            logits = checkpoint.network(clip)[0].numpy()
        correct.append(LABELS[int(logits[:, : len(LABELS)].mean(0).argmax())] == label)
    assert np.mean(correct) >= 0.85


def test_shipped_weights_are_converted_by_default() -> None:
    source = default_source()
    assert source.description.weights.trained and source.description.rule is not None
    assert source.notes == ()
    other = default_source(size=96)
    assert any("trained at" in note for note in other.notes)
    assert other.description.frame.width == 96
    assert not default_source(width=0.5).description.weights.trained
    assert not default_source("tsn_mobilenet_v2", size=64).description.weights.trained


def test_the_licence_of_the_imagenet_weights_is_included() -> None:
    notice = (FOLDER / "LICENSE-imagenet-backbone.txt").read_text()
    assert "MIT License" in notice and "Ling Evan" in notice
    assert "LICENSE-imagenet-backbone.txt" in (FOLDER / "MODEL_CARD.md").read_text()
