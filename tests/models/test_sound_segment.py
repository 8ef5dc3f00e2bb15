"""The sound segment of a network: clip form, step form, shared and separate batch norms."""

from __future__ import annotations

import msgspec
import pytest
import torch
from torch import Tensor, nn

from edgeshift.errors import ModelError
from edgeshift.models import ModelConfig, build
from edgeshift.models.deploy import deploy
from edgeshift.models.network import ShiftFunction, ShiftNetwork
from edgeshift.models.sound import PairedNorm, add_sound, fuse, single_norms
from edgeshift.sound import SoundSettings

FRAMES, SIZE, CLASSES = 8, 64, 5
SHARED = SoundSettings(seconds=2.0, frames=FRAMES, weight=4.0)
SEPARATE = msgspec.structs.replace(SHARED, norms="separate")


def network(settings: SoundSettings, backbone: str = "mobilenet_v2", depth: int = 1) -> ShiftNetwork:
    """Return a network whose batch norms all have other values, as after training."""
    config = ModelConfig("tsam", backbone, CLASSES, size=SIZE, depth=depth, sound=settings)
    result = build(config, seed=0)
    generator = torch.Generator().manual_seed(1)
    for norm in result.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean = 0.1 * torch.randn(norm.num_features, generator=generator)
            norm.running_var = 0.5 + torch.rand(norm.num_features, generator=generator)
            norm.weight.data = 0.5 + torch.rand(norm.num_features, generator=generator)
    return result


@pytest.fixture
def clip() -> Tensor:
    return 255 * torch.rand(1, 40, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def picture() -> Tensor:
    return 255 * torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("settings", [SHARED, SEPARATE], ids=["shared", "separate"])
@pytest.mark.parametrize(
    ("backbone", "depth"), [("mobilenet_v2", 1), ("mobilenet_v2", 2), ("resnet50", 1), ("resnet50", 2)]
)
def test_a_stream_answers_as_the_clip_form(settings, backbone, depth, clip, picture):
    """Fused logits of each frame, from the deployed step and from one clip forward over all 40 frames."""
    net = network(settings, backbone, depth)
    with torch.no_grad():
        frames, sound = net.watch_and_hear(clip, picture)
        expected = torch.stack(
            [fuse(frames[0, max(0, t - FRAMES + 1) : t + 1], sound[0], settings.weight) for t in range(clip.shape[1])]
        )
        step = deploy(net)
        states, newest, answers = step.start(), [], []
        heard = hear(net, step, picture)
        for t in range(clip.shape[1]):
            logits, *states = step(clip[:, t], *states)
            newest = [*newest, logits[0]][-FRAMES:]
            answers.append(fuse(torch.stack(newest), heard[0], settings.weight))
    span = expected.max() - expected.min()
    assert (torch.stack(answers) - expected).abs().max() < 1e-5 * span


def hear(net: ShiftNetwork, step: nn.Module, picture: Tensor) -> Tensor:
    """Return the logits of a sound as a stream computes them: with shared norms, by the step function at its start."""
    assert net.config.sound is not None
    if net.config.sound.norms == "shared":
        return step(picture, *step.start())[0]
    body = single_norms(net.backbone, sound=True)
    return body(net.normalise(picture), ShiftFunction(lambda _place, x: x))


def test_separate_norms_change_the_sound_only(clip, picture):
    net = network(SEPARATE)
    with torch.no_grad():
        frames, sound = net.watch_and_hear(clip, picture)
        for norm in net.modules():
            if isinstance(norm, PairedNorm):
                norm.sound.weight.mul_(1.5)
        changed_frames, changed_sound = net.watch_and_hear(clip, picture)
    assert torch.equal(frames, changed_frames)
    assert not torch.allclose(sound, changed_sound)
    assert torch.equal(net.hear(picture), changed_sound)


def test_shared_norms_have_one_mean_for_frames_and_sounds(clip, picture):
    """In training mode, the running mean is that of frames and sounds together."""
    net = network(SHARED)
    norm = next(m for m in net.modules() if isinstance(m, nn.BatchNorm2d))
    seen: list[Tensor] = []
    norm.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    norm.reset_running_stats()
    norm.momentum = 1.0
    net.train()
    net.watch_and_hear(clip[:, :FRAMES], picture)
    (together,) = seen
    assert len(together) == FRAMES + 1
    assert torch.allclose(norm.running_mean, together.mean((0, 2, 3)), atol=1e-5)


@pytest.mark.parametrize("settings", [SHARED, SEPARATE], ids=["shared", "separate"])
def test_a_sound_segment_is_added_to_trained_weights(settings, clip):
    plain = build(ModelConfig("tsam", "mobilenet_v2", CLASSES, size=SIZE, depth=1), seed=4)
    net = add_sound(plain, settings)
    assert net.config.sound == settings
    with torch.no_grad():
        assert torch.equal(net(clip[:, :4]), plain(clip[:, :4]))
    with pytest.raises(ModelError, match="already has a sound segment"):
        add_sound(net, settings)


def test_one_norm_of_each_pair_is_kept():
    net = network(SEPARATE)
    frames, sounds = (single_norms(net.backbone, sound=sound) for sound in (False, True))
    assert not any(isinstance(m, PairedNorm) for m in [*frames.modules(), *sounds.modules()])
    norms = [m for m in net.backbone.modules() if isinstance(m, PairedNorm)]
    kept = [m for m in sounds.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(torch.equal(a.sound.running_var, b.running_var) for a, b in zip(norms, kept, strict=True))
    assert {name.replace(".sound", "") for name in net.backbone.state_dict()} == set(frames.state_dict())


@pytest.mark.parametrize("fields", [{"table": "tsm"}, {"table": "stsm"}, {"table": "tsam", "fill": "zero"}])
def test_a_shift_that_fills_with_zeros_cannot_hear(fields):
    with pytest.raises(ModelError, match="cannot have a sound segment"):
        ModelConfig(backbone="mobilenet_v2", classes=CLASSES, sound=SHARED, **fields)


def test_temporal_pooling_and_sound_are_refused():
    with pytest.raises(ModelError, match="temporal pooling and a sound segment"):
        ModelConfig("tsam", "resnet50", CLASSES, sound=SHARED, temporal_pool=True)
