"""The layout of the public TSAM, and weights of ImageNet-21k, which TSAM's authors start from."""

from __future__ import annotations

from pathlib import Path

import foreign
import foreign_resnets
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgeshift import checkpoints
from edgeshift.checkpoints.without_sound import NOTE, without_sound
from edgeshift.errors import CheckpointError
from edgeshift.models.sound import fuse
from edgeshift.sound import picture_of
from edgeshift.sound.settings import PUBLISHED
from edgeshift.training import Recipe
from edgeshift.training.start import recipe_defaults, starting_network


def share(actual: Tensor, expected: Tensor) -> float:
    assert expected.std(0).min() > 0.01
    return float((actual - expected).abs().max() / (expected.max() - expected.min()))


def logits(checkpoint: checkpoints.Checkpoint, frames: Tensor) -> Tensor:
    with torch.no_grad():
        return checkpoint.network(frames[None])[0]


@pytest.fixture(scope="module")
def network() -> foreign_resnets.Tsam:
    made = foreign.sensitive(foreign_resnets.Tsam(depth=2))
    assert isinstance(made, foreign_resnets.Tsam)
    return made


def video_logits(network: nn.Module, frames: Tensor) -> Tensor:
    """The network takes values 0 to 1 without mean and standard deviation."""
    with torch.no_grad():
        return network(frames / 255)


@pytest.mark.parametrize("data_parallel", [False, True])
def test_the_video_part_is_read(tmp_path: Path, network: foreign_resnets.Tsam, data_parallel: bool) -> None:
    torch.save(network.file(data_parallel=data_parallel), tmp_path / "tsam.pt")
    checkpoint = checkpoints.load(tmp_path / "tsam.pt", depth=2)
    config = checkpoint.config
    assert (checkpoint.layout, config.name, config.classes) == ("tsam", "tsam_resnet50", 8)
    assert config.bidirectional and config.every == 2 and config.depth == 2
    assert (config.mean, config.std) == ((0, 0, 0), (255, 255, 255))
    assert checkpoint.description.clip_frames == 12
    assert len(checkpoint.network.tables) == 2 + 2 + 3 + 2
    frames = foreign.clip(12)
    assert share(logits(checkpoint, frames), video_logits(network, frames)) <= 1e-5
    assert sum(t.double().sum() for t in checkpoint.network.backbone.state_dict().values()) == pytest.approx(
        float(sum(t.double().sum() for t in network.state_dict().values()))
    )


def test_the_depth_is_not_guessed_silently(tmp_path: Path, network: foreign_resnets.Tsam) -> None:
    torch.save(network.file(), tmp_path / "tsam.pt")
    assumed = checkpoints.load(tmp_path / "tsam.pt")
    assert assumed.config.depth == 1
    assert any("does not record the depth K: 1 is assumed" in note and "--depth" in note for note in assumed.notes)
    frames = foreign.clip(12)
    assert share(logits(assumed, frames), video_logits(network, frames)) > 0.02
    with pytest.raises(CheckpointError, match="channels are too few"):
        checkpoints.load(tmp_path / "tsam.pt", depth=9)


def test_the_sound_segment_is_read(tmp_path: Path, network: foreign_resnets.Tsam) -> None:
    """The answer to frames and a sound is that of the invented network, which has the mean over all features."""
    torch.save(network.file(), tmp_path / "tsam.pt")
    checkpoint = checkpoints.load(tmp_path / "tsam.pt", depth=2, size=64)
    assert checkpoint.config.sound == PUBLISHED and checkpoint.description.notes == ()
    samples = np.random.default_rng(0).standard_normal(6 * 48_000).astype(np.float32) * 0.1
    logarithms = torch.from_numpy(np.asarray(picture_of(samples, 48_000, PUBLISHED, 64))).permute(2, 0, 1) / 255
    assert -14 < float(logarithms.min()) < float(logarithms.max()) < 10
    frames = foreign.clip(12)
    with torch.no_grad():
        expected = network.answer(frames / 255, logarithms)
        of_frames, of_sound = checkpoint.network.watch_and_hear(frames[None], 255 * logarithms[None])
    answer = fuse(of_frames, of_sound, PUBLISHED.weight)[0]
    assert float((answer - expected).abs().max()) <= 1e-5 * float(expected.max() - expected.min())


def test_without_sound_every_output_says_so(tmp_path: Path, network: foreign_resnets.Tsam) -> None:
    torch.save(network.file(), tmp_path / "tsam.pt")
    checkpoint = without_sound(checkpoints.load(tmp_path / "tsam.pt"))
    assert checkpoint.notes[-1] == checkpoint.description.notes[0] == NOTE and checkpoint.config.sound is None
    streamed = without_sound(checkpoints.load_for_streaming(tmp_path / "tsam.pt", stream_bidirectional=True))
    assert streamed.describe("tflite").notes == (NOTE,)
    checkpoints.save(tmp_path / "own.safetensors", checkpoint.network, checkpoint.description)
    own = checkpoints.load(tmp_path / "own.safetensors")
    assert own.description.notes == (NOTE,) and own.notes == own.description.notes


def test_the_shift_in_every_block(tmp_path: Path) -> None:
    made = foreign.sensitive(foreign_resnets.Tsam(depth=1, every=1))
    assert isinstance(made, foreign_resnets.Tsam)
    torch.save(made.file(), tmp_path / "tsam.pt")
    checkpoint = checkpoints.load(tmp_path / "tsam.pt")
    assert checkpoint.config.every == 1 and len(checkpoint.network.tables) == 16
    frames = foreign.clip(12)
    assert share(logits(checkpoint, frames), video_logits(made, frames)) <= 1e-5


def test_training_starts_from_it(tmp_path: Path, network: foreign_resnets.Tsam) -> None:
    torch.save(network.file(), tmp_path / "tsam.pt")
    assert recipe_defaults(tmp_path / "tsam.pt") == {}
    assumed = starting_network(Recipe(model="tsam_resnet50", size=64), ("a", "b"), tmp_path / "tsam.pt")
    assert assumed.config.depth == 1, "the published depth"
    assert any("depth K: 1 is assumed" in note for note in assumed.notes), assumed.notes
    assert not any("as requested" in note for note in assumed.notes)
    start = starting_network(Recipe(model="tsam_resnet50", size=64, depth=2), ("a", "b"), tmp_path / "tsam.pt")
    assert start.config.depth == 2 and start.config.every == 2 and not start.config.bidirectional
    assert start.config.std == (255, 255, 255)
    assert any("depth K is taken as 2" in note for note in start.notes)


@pytest.mark.parametrize("wrapped", [False, True])
def test_imagenet_21k(tmp_path: Path, wrapped: bool) -> None:
    network = foreign.sensitive(foreign.ResNet(foreign.TvBottleneck, False, 11_221))
    state = network.state_dict()
    torch.save({"state_dict": state} if wrapped else state, tmp_path / "resnet50_21k.pth")
    checkpoint = checkpoints.load(tmp_path / "resnet50_21k.pth")
    assert (checkpoint.layout, checkpoint.config.name) == ("imagenet-21k", "tsn_resnet50")
    assert (checkpoint.config.mean, checkpoint.config.std) == ((0, 0, 0), (255, 255, 255))
    frames = foreign.clip(4)
    assert share(logits(checkpoint, frames), video_logits(network, frames)) <= 1e-5
    for model in ("tsm_resnet50", "tsam_resnet50"):
        start = starting_network(Recipe(model=model, size=64), ("a", "b", "c"), tmp_path / "resnet50_21k.pth")
        assert start.config.name == model and start.config.classes == 3 and start.config.std == (255, 255, 255)
        weights = start.network.backbone.state_dict()
        assert all(torch.equal(weights[name], state[name]) for name in state if not name.startswith("fc."))


def test_a_damaged_tsam_file_is_one_line(tmp_path: Path, network: foreign_resnets.Tsam) -> None:
    for change, reason in (
        (lambda parts: parts.pop("last_fc"), "last_fc.weight' is missing|the head is new"),
        (lambda parts: parts["nn_backbone"].update({7: torch.zeros(1)}), "is not named by a string"),
        (lambda parts: parts.update(nn_backbone={}), "no known layout|holds no tensors"),
        (lambda parts: parts["nn_backbone"].update(extra=torch.zeros(1)), "'nn_backbone.extra' is unexpected"),
    ):
        file = network.file()
        change(file["model_state"])  # type: ignore[no-untyped-call]
        torch.save(file, tmp_path / "tsam.pt")
        with pytest.raises(CheckpointError, match=reason) as caught:
            checkpoints.load(tmp_path / "tsam.pt")
        assert "\n" not in str(caught.value)
