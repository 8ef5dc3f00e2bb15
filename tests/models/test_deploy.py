"""The deployed form computes the same as the trained network except for rounding, also at the borders."""

from __future__ import annotations

import copy

import networks
import pytest
import torch
from torch import Tensor, nn

from edgeshift.errors import ModelError, ShiftError
from edgeshift.models import ModelConfig, build
from edgeshift.models.deploy import RawStem, deploy, round_weights
from edgeshift.models.network import Normalise, ShiftNetwork, Step

#: Largest difference, as a share of the range of the logits.
TOLERANCE = 1e-4


def config(table: str, backbone: str, size: int, **options: object) -> ModelConfig:
    return ModelConfig(table, backbone, 11, size=size, **options)  # type: ignore[arg-type]


def pictures(size: int) -> dict[str, Tensor]:
    """Return frames that make a wrong padding of the border visible."""
    noise = networks.clips(1, 1, size)[:, 0]
    border = torch.full_like(noise, 20.0)
    border[:, :, [0, -1]] = border[:, :, :, [0, -1]] = 255.0
    corner = torch.zeros_like(noise)
    corner[:, :, -1, -1] = 255.0
    return {
        "noise": noise,
        "white": torch.full_like(noise, 255.0),
        "black": torch.zeros_like(noise),
        "border": border,
        "corner": corner,
        "red": torch.tensor([255.0, 0, 0]).reshape(1, 3, 1, 1).expand_as(noise),
    }


def run(step: Step, frames: list[Tensor]) -> list[Tensor]:
    """Return the logits of each frame of a stream, followed by the last states."""
    states, results = step.start(), []
    with torch.inference_mode():
        for frame in frames:
            logits, *states = step(frame, *states)
            results.append(logits)
    return [*results, *states]


def largest(actual: list[Tensor], expected: list[Tensor]) -> float:
    """Return the largest difference, as a share of the range of its tensor."""
    assert [a.shape for a in actual] == [e.shape for e in expected]
    pairs = zip(actual, expected, strict=True)
    return max(float((a - e).abs().max() / max(1e-3, float(e.max() - e.min()))) for a, e in pairs)


@pytest.mark.parametrize(
    ("table", "backbone", "size"),
    [
        *[("tsm", "mobilenet_v2", size) for size in (64, 112, 113, 224)],
        *[("stsm", "mobilenet_v2", size) for size in (65, 114)],
        ("tsam", "mobilenet_v2", 113),
        ("tsn", "mobilenet_v2", 113),
        ("tsm", "resnet50", 64),
        pytest.param("tsm", "resnet50", 113, marks=pytest.mark.slow),
        ("stsm", "resnet50", 65),
    ],
)
def test_equals_the_original(table, backbone, size):
    network = networks.network(config(table, backbone, size))
    frames = list(pictures(size).values())
    expected = run(Step(network), frames)
    assert largest(run(deploy(network), frames), expected) <= TOLERANCE
    assert largest(expected[:1], expected[1:2]) > 0.01, "the frames must give different logits"


@pytest.mark.parametrize(("width", "rounding"), [(0.5, "torchvision"), (1.4, "mit")])
def test_equals_the_original_at_other_widths(width, rounding):
    network = networks.network(config("tsm", "mobilenet_v2", 113, width=width, rounding=rounding))
    frames = list(pictures(113).values())
    assert largest(run(deploy(network), frames), run(Step(network), frames)) <= TOLERANCE


def test_equals_the_original_with_another_normalisation():
    other = config("tsm", "mobilenet_v2", 64, mean=(0.0, 127.5, 250.0), std=(1.0, 127.5, 30.0))
    network = ShiftNetwork(other, networks.network(config("tsm", "mobilenet_v2", 64)).backbone).eval()
    frames = list(pictures(64).values())
    assert largest(run(deploy(network), frames), run(Step(network), frames)) <= TOLERANCE


@pytest.mark.parametrize("fresh", [False, True])
def test_deployed_step_equals_the_clip(fresh):
    network = networks.network(config("stsm", "mobilenet_v2", 113))
    clip = networks.clips(1, 10, 113)
    step = deploy(network, fresh=fresh)
    with torch.inference_mode():
        expected = network(clip)[0]
    assert largest([torch.cat(run(step, list(clip[0][:, None]))[:10])], [expected]) <= TOLERANCE


@pytest.mark.parametrize("size", [64, 65, 80, 96, 112, 113, 114, 144, 224])
@pytest.mark.parametrize(("kernel", "stride", "pad"), [(3, 2, 1), (7, 2, 3), (3, 1, 1)], ids=["3/2", "7/2", "3/1"])
def test_raw_stem(kernel, stride, pad, size):
    """This tests the first convolution alone, because later layers would hide an error at the border."""
    torch.manual_seed(size)
    conv = nn.Conv2d(3, 5, kernel, stride, pad)
    normalise = Normalise((120.0, 115.0, 100.0), (58.0, 57.0, 20.0))
    raw = RawStem(conv, normalise, size)
    for name, picture in pictures(size).items():
        for x in (picture, torch.cat((picture, picture.flip(3)))):
            with torch.inference_mode():
                expected, actual = conv(normalise(x)), raw(x)
            assert actual.shape == expected.shape
            assert float((actual - expected).abs().max()) <= 1e-4 * float(expected.abs().max()), name


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "resnet50"])
def test_folding_leaves_no_batch_norm_and_no_arithmetic_on_pixels(backbone):
    network = networks.network(config("tsm", backbone, 64))
    step = deploy(network)
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert not any(isinstance(module, (nn.BatchNorm2d, Normalise)) for module in step.modules())
    assert not step.training and not step.network.training
    convolutions = [m for m in step.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == {"mobilenet_v2": 52, "resnet50": 53}[backbone]
    assert all(conv.bias is not None for conv in convolutions)


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "resnet50"])
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_the_original_is_not_changed(backbone, training):
    network = copy.deepcopy(networks.network(config("tsm", backbone, 64)))
    network.train(training)
    modules = [type(module) for module in network.modules()]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    step = deploy(network)
    with torch.no_grad():
        for parameter in step.parameters():
            parameter.zero_()  # the copy must not share memory
    assert [type(module) for module in network.modules()] == modules
    assert network.training == training == network.backbone.training
    after = network.state_dict()
    assert list(after) == list(before) and all(torch.equal(before[name], after[name]) for name in before)


def test_a_network_in_training_mode_is_deployed_in_evaluation_mode():
    network = copy.deepcopy(networks.network(config("tsm", "mobilenet_v2", 64)))
    frames = list(pictures(64).values())
    expected = run(deploy(network), frames)
    network.train()
    assert all(torch.equal(a, b) for a, b in zip(run(deploy(network), frames), expected, strict=True))


def test_the_step_tells_converters_whether_states_must_be_fresh():
    network = networks.network(config("tsm", "mobilenet_v2", 64))
    assert deploy(network, fresh=True).fresh and not deploy(network).fresh


def test_a_network_that_needs_future_frames_is_refused():
    with pytest.raises(ShiftError, match="cannot stream"):
        deploy(networks.network(config("tsm", "mobilenet_v2", 64, bidirectional=True)))


def test_rounded_weights_are_those_of_float16_and_the_original_is_unchanged():
    step = deploy(build(ModelConfig("tsm", "mobilenet_v2", 5, size=64, width=0.35), seed=0))
    before = {name: parameter.clone() for name, parameter in step.named_parameters()}
    for biases in (False, True):
        rounded = dict(round_weights(step, biases=biases).named_parameters())
        for name, parameter in before.items():
            expected = parameter.half().float() if parameter.ndim > 1 or biases else parameter
            assert torch.equal(rounded[name], expected), name
    assert all(torch.equal(parameter, before[name]) for name, parameter in step.named_parameters())


def test_weights_beyond_float16_are_refused_by_name():
    step = deploy(build(ModelConfig("tsm", "mobilenet_v2", 5, size=64, width=0.35), seed=0))
    with torch.no_grad():
        name, parameter = next((n, p) for n, p in step.named_parameters() if p.ndim > 1)
        parameter.view(-1)[0] = 1e5
    with pytest.raises(ModelError, match="larger than fp16 can hold") as caught:
        round_weights(step, biases=False)
    assert name in str(caught.value)
