"""Networks of users' own code are adopted with proof against their own forward, or refused with the module's name."""

from __future__ import annotations

import copy

import own_networks as nets
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import edgeshift
from edgeshift.artifact.description import WeightsSpec
from edgeshift.checkpoints.adoption import proof
from edgeshift.checkpoints.adoption.adapter import AdoptedBackbone, ShiftedModule
from edgeshift.errors import ModelError
from edgeshift.models.deploy import RawStem, ScaleAndOffset, deploy
from edgeshift.models.network import ShiftNetwork
from edgeshift.shift import Row, tsam, tsm

SIZE = 64
#: Largest difference to the user's own forward, as a share of the range of the logits.
TOLERANCE = 1e-4


def adopt(net: nn.Module, **options: object) -> ShiftNetwork:
    return edgeshift.adopt(net, size=SIZE, **options).network  # type: ignore[arg-type]


def clip(frames: int = nets.FRAMES, seed: int = 5) -> Tensor:
    return proof.moving_clip(frames, SIZE, seed)


def relative(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).abs().max() / (expected.max() - expected.min()))


@torch.no_grad()
def streamed(network: ShiftNetwork, frames: Tensor, *, deployed: bool = False) -> Tensor:
    step = deploy(network) if deployed else network.step()
    states, rows = step.start(), []
    for frame in frames:
        row, *states = step(frame[None], *states)
        rows.append(row)
    return torch.cat(rows)


def rows(network: ShiftNetwork) -> list[tuple[Row, ...]]:
    return [table.rows for table in network.tables.values()]


NETWORKS = {
    "resnet18, MIT's module": lambda: nets.ResNet18(nets.past_mit),
    "resnet18, any clip length": lambda: nets.ResNet18(nets.WholeBatchShift),
    "mobilenet v3": nets.mobilenet_v3_like,
    "efficientnet, depth 2, keep": nets.efficientnet_like,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_stream_equals_the_users_own_forward(name):
    net = nets.settled(NETWORKS[name](), SIZE)
    network = adopt(net)
    frames = clip()
    with torch.no_grad():
        expected = net(network.normalise(frames))
        alone = torch.cat([net(network.normalise(frame[None].expand(8, -1, -1, -1)))[:1] for frame in frames])
    assert relative(streamed(network, frames), expected) <= TOLERANCE
    assert relative(streamed(network, frames, deployed=True), expected) <= TOLERANCE
    assert relative(alone, expected) > 0.01, "the shift must matter"
    assert not any(isinstance(module, nn.BatchNorm2d) for module in deploy(network).modules())


def test_tables_are_found_by_what_the_modules_do():
    network = adopt(nets.settled(nets.ResNet18(nets.past_mit)))
    assert list(network.tables)[:3] == ["layer1_0_conv1", "layer1_1_conv1", "layer2_0_conv1"]
    assert rows(network) == [tsm(c).rows for c in (16, 16, 16, 32, 32, 64, 64, 128)]
    network = adopt(nets.settled(nets.ResNet18(lambda layer: nets.MitShift(layer, n_div=4, past_only=True))))
    assert rows(network) == [tsm(c, div=4).rows for c in (16, 16, 16, 32, 32, 64, 64, 128)]
    network = adopt(nets.settled(nets.efficientnet_like()))
    assert [row.dt for row in rows(network)[1]] == [1, 2] and {row.fill for row in rows(network)[1]} == {"keep"}
    assert rows(network) == [tsam(c, depth=2).rows for c in (16, 24, 40, 40)]


@pytest.mark.parametrize("module", [nets.MitShift, nets.MmactionShift], ids=["MIT", "mmaction2"])
def test_public_bidirectional_modules(module):
    net = nets.settled(nets.ResNet18(module))
    source = edgeshift.adopt(net, size=SIZE)
    assert source.config.bidirectional and source.description.clip_frames == nets.FRAMES
    assert rows(source.network) == [tsm(c, bidirectional=True).rows for c in (16, 16, 16, 32, 32, 64, 64, 128)]
    with torch.no_grad():
        frames = clip()
        assert relative(source.network(frames[None])[0], net(source.network.normalise(frames))) <= TOLERANCE
    streams = edgeshift.adopt(net, size=SIZE, stream_bidirectional=True)
    assert streams.config.streamed_bidirectional and not any(t.future for t in streams.network.tables.values())
    assert streamed(streams.network, frames).shape == (8, 5)


def test_places_are_named_by_a_pattern():
    plain = nets.settled(nets.ResNet18(lambda layer: layer))
    network = adopt(plain, place="layer*.*.conv1", table="tsm", shift_div=8)
    wrapped = nets.ResNet18(nets.past_mit)
    names = [
        name.replace("conv1.weight", "conv1.net.weight") if "layer" in name else name for name in plain.state_dict()
    ]
    wrapped.load_state_dict(dict(zip(names, plain.state_dict().values(), strict=True)))
    frames = clip()
    with torch.no_grad():
        expected = wrapped.eval()(network.normalise(frames))
    assert relative(streamed(network, frames), expected) <= TOLERANCE
    assert rows(adopt(plain, place="layer4.*.conv1", table=lambda c: tsam(c, depth=3)))[0] == tsam(64, depth=3).rows
    named = adopt(plain, place="layer4.*.conv1", table="tsam", depth=3, shift_div=4)
    assert rows(named)[0] == tsam(64, depth=3, div=4).rows
    with pytest.raises(ModelError, match="tsam has several depths K: give depth"):
        adopt(plain, place="layer4.*.conv1", table="tsam")
    with pytest.raises(ModelError, match="the shift table stsm has no depth; leave depth out"):
        adopt(plain, place="layer4.*.conv1", table="stsm", depth=3)


def test_the_users_network_is_not_changed():
    net = nets.ResNet18().train()
    before = copy.deepcopy(net.state_dict())
    source = edgeshift.adopt(net, size=SIZE, labels=list("abcde"), name="My Net-2", mean=(0, 0, 0), std=(1, 1, 1))
    assert net.training and isinstance(net.layer1[0].conv1, nets.MitShift)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert source.notes == ("the network was in training mode, and is taken in evaluation mode",)
    assert source.config.name == "adopted_my_net_2" and source.config.std == (255.0, 255.0, 255.0)
    assert source.description.labels == tuple("abcde")


@pytest.mark.parametrize(
    ("mean", "std", "expected"), [((0.5, 0.4, 0.3), (0.2, 0.2, 0.2), 127.5), ((120, 110, 100), (1, 1, 1), 120)]
)
def test_units_of_mean_and_std(mean, std, expected):
    assert adopt(nets.ResNet18(), mean=mean, std=std).config.mean[0] == expected


class Block(nn.Module):
    """Replaces a block of a network in the tests of what is refused."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block


class InlineShift(Block):
    def forward(self, x: Tensor) -> Tensor:
        past = torch.cat((torch.zeros_like(x[:1]), x[:-1]))
        return self.block(x + past)


class Twice(Block):
    def forward(self, x: Tensor) -> Tensor:
        return self.block(self.block(x))


class InPlace(Block):
    """Adds to its input in place after its layers have read it."""

    def forward(self, x: Tensor) -> Tensor:
        x += self.block(x)
        return x


class Average(Block):
    def forward(self, x: Tensor) -> Tensor:
        return self.block(x).view(-1, nets.FRAMES, 5).mean(1)


class StuckInTraining(nn.Dropout):
    def train(self, mode: bool = True) -> nn.Module:
        return super().train(True)


class Careless(Block):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.block(x))


def changed(path: str, wrap: type[Block], wrapper=nets.past_mit) -> nn.Module:
    net = nets.ResNet18(wrapper)
    net.set_submodule(path, wrap(net.get_submodule(path)))
    return net


def unwrapped(layer: nn.Module) -> nn.Module:
    return layer


def shared() -> nn.Module:
    net = nets.ResNet18(nets.WholeBatchShift)
    net.layer2[1] = Twice(net.layer2[1])
    return net


def inline_in_the_network() -> nn.Module:
    class Inline(nets.ResNet18):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(torch.cat((x[:1], x[:-1])))

    return Inline(lambda layer: layer)


def circular() -> nn.Module:
    class Circular(Block):
        def forward(self, x: Tensor) -> Tensor:
            return self.block(torch.cat((torch.roll(x[:, :4], 1, 0), x[:, 4:]), 1))

    return nets.ResNet18(Circular)


def crashing() -> nn.Module:
    class Crashing(Block):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("no such thing")

    return changed("layer3.0", Crashing)


def plain() -> nn.Module:
    return nets.ResNet18(lambda layer: layer)


#: {what is wrong: (network, options, parts of the message)}.
REFUSED = {
    "inline": (
        lambda: changed("layer2", InlineShift, lambda layer: layer),
        {},
        ["layer2 (InlineShift) mixes frames", "of its own"],
    ),
    "inline beside shifts": (lambda: changed("layer2.0.conv1", InlineShift), {}, ["layer2.0.conv1"]),
    "inline in a wrapper": (lambda: changed("layer2.0", InlineShift), {}, ["first in layer2.0", "inline"]),
    "inline in the network": (inline_in_the_network, {}, ["the forward of Inline mixes frames"]),
    "twice": (shared, {}, ["layer2.1.block.conv1 shifts and is called 2 times", "a module of its own"]),
    "named twice": (
        lambda: changed("layer1.0", Twice, lambda layer: layer),
        {"place": "layer1.*.block.conv1"},
        ["called"],
    ),
    "consensus": (lambda: changed("fc", Average), {}, ["consensus", "inside, in fc", "Take it out"]),
    "training": (
        lambda: changed("fc", lambda fc: nn.Sequential(StuckInTraining(), fc)),
        {},
        ["fc.0 (StuckInTraining) stays in training"],
    ),
    "random": (lambda: changed("layer3.1", Careless), {}, ["other logits for the same frames", "layer3.1", "dropout"]),
    "circular": (circular, {}, ["layer1.0.conv1 (Circular)", "circular"]),
    "error": (crashing, {}, ["test_adopt.py:", "ValueError: no such thing"]),
    "no shift": (plain, {}, ["no shift", "place="]),
    "no match": (plain, {"place": "blocks.*"}, ["no module", "layer1.0.conv1"]),
    "both": (nets.ResNet18, {"place": "layer*.*.conv1"}, ["shifts already, in layer1.0.conv1", "leave place out"]),
    "classes": (nets.ResNet18, {"classes": 7}, ["returns 5 logits, not 7"]),
    "labels": (nets.ResNet18, {"labels": ["a", "b"]}, ["2 labels for 5 outputs"]),
    "table": (plain, {"place": "layer*.*.conv1", "table": "tms"}, ["tms", "tsm"]),
    "divisor": (
        plain,
        {"place": "layer*.*.conv1", "table": "stsm", "shift_div": 4},
        ["no divisor"],
    ),
    "mean alone": (nets.ResNet18, {"mean": (0, 0, 0)}, ["mean and std together"]),
    "not a module": (lambda: 3, {}, ["torch.nn.Module"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_adopted_is_refused_by_name(name):
    make, options, parts = REFUSED[name]
    net = make()
    if isinstance(net, nn.Module) and name not in ("consensus", "error", "random", "training"):
        net = nets.settled(net)
    with pytest.raises(ModelError) as caught:
        edgeshift.adopt(net, size=SIZE, **options)
    message = str(caught.value)
    assert "\n" not in message and all(part in message for part in parts), message


def test_features_that_are_changed_in_place_are_copied_first(monkeypatch):
    net = nets.settled(changed("layer1.1", InPlace))
    network = adopt(net)
    assert [m.name for m in network.backbone.modules() if isinstance(m, ShiftedModule) and m.copied] == [
        "layer1_1_block_conv1"
    ]
    frames = clip()
    with torch.no_grad():
        expected = net(network.normalise(frames))
    assert relative(streamed(network, frames, deployed=True), expected) <= TOLERANCE
    # Without the copy, the next state changes with the features, and the proof says where.
    monkeypatch.setattr("edgeshift.checkpoints.adoption.adopted.mark_changed_in_place", lambda *_: None)
    with pytest.raises(ModelError, match=r"the stream differs .* first in layer1\.1"):
        adopt(net)


class OddOrder(nn.Module):
    """Registers all convolutions before all batch norms, uses one batch norm after an addition, and one conv twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(16, 16, 3, 1, 1)
        self.conv2 = nn.Conv2d(16, 16, 1)
        self.conv3 = nn.Conv2d(16, 16, 1)
        self.twice = nn.Conv2d(16, 16, 1)
        self.bn1, self.bn2, self.bn3, self.bn4, self.bn5 = (nn.BatchNorm2d(16) for _ in range(5))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x)).relu()
        z = self.conv2(y)
        y = self.bn2(z) + 0.5 * z  # the output of conv2 is read twice
        y = self.bn3(self.conv3(y) + x).relu()
        return self.bn5(self.twice(self.bn4(self.twice(y)).relu())).relu()


def test_batch_norms_are_folded_where_they_run_after_a_convolution():
    net = nets.ResNet18()
    net.layer1[0] = nn.Sequential(nets.past_mit(nn.Identity()), OddOrder())
    net = nets.settled(net)
    network = adopt(net)
    frames = clip()
    with torch.no_grad():
        expected = net(network.normalise(frames))
    assert relative(streamed(network, frames, deployed=True), expected) <= TOLERANCE
    left = [path for path, module in deploy(network).named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert [path.rpartition(".")[2] for path in left] == ["bn2", "bn3", "bn4", "bn5"]


@pytest.mark.parametrize(
    ("stem", "kept"),
    [
        (nn.Conv2d(3, 16, 7, 2, 3), False),
        (nn.Conv2d(3, 16, 4, 4), False),
        (nn.Conv2d(3, 16, (3, 5), 2, (1, 2)), True),
        (nn.Conv2d(3, 16, 3, 2, 1, padding_mode="replicate"), True),
        (nn.Conv2d(3, 15, 3, 2, 1, groups=3), True),
        (nn.Conv2d(3, 16, 3, 1, "same"), True),
        (nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 16, 3, 2)), True),
    ],
    ids=["7x7", "patches", "not square", "replicate", "grouped", "same", "padded before"],
)
def test_the_normalisation_is_folded_only_into_a_stem_that_can_hold_it(stem, kept):
    net = nets.ResNet18()
    net.conv1 = stem
    if isinstance(stem, nn.Conv2d) and stem.out_channels == 15:
        net.conv1 = nn.Sequential(stem, nn.Conv2d(15, 16, 1))
    net = nets.settled(net)
    network = adopt(net)
    frames = clip()
    with torch.no_grad():
        expected = net(network.normalise(frames))
    deployed = deploy(network)
    assert relative(streamed(network, frames, deployed=True), expected) <= TOLERANCE
    assert any(isinstance(module, ScaleAndOffset) for module in deployed.modules()) == kept
    assert any(isinstance(module, RawStem) for module in deployed.modules()) != kept


def test_the_backbone_runs_only_with_a_shift():
    backbone = adopt(nets.ResNet18()).backbone
    assert isinstance(backbone, AdoptedBackbone)
    with pytest.raises(AssertionError, match="AdoptedBackbone"), torch.no_grad():
        backbone.net(torch.zeros(1, 3, SIZE, SIZE))


def test_the_origin_of_the_weights_is_recorded():
    first, second = (edgeshift.adopt(nets.settled(nets.ResNet18(), seed=seed), size=SIZE) for seed in (0, 1))
    assert first.description.weights.sha256 != second.description.weights.sha256
    origin = WeightsSpec(source="mine", license="MIT")
    assert edgeshift.adopt(nets.ResNet18(), size=SIZE, weights=origin).description.weights == origin
