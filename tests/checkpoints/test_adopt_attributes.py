"""Networks that keep their state in attributes: every attribute that changes from call to call becomes a state."""

from __future__ import annotations

from collections import deque

import causal_network
import pytest
import torch
from torch import Tensor, nn

import edgeshift
from edgeshift.checkpoints.adoption.proof import moving_clip
from edgeshift.errors import ModelError

SIZE = 64
TOLERANCE = 1e-4


def network() -> causal_network.CausalNetwork:
    torch.manual_seed(0)
    net = causal_network.CausalNetwork()
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
    with torch.no_grad():
        net.clip((moving_clip(20, SIZE, seed=9) - 120) / 60)
        net.head.weight.mul_(20)
    return net.eval()


def adopt(net: nn.Module, **options: object) -> edgeshift.checkpoints.Checkpoint:  # type: ignore[name-defined]
    return edgeshift.adopt(net, size=SIZE, state="attributes", **options)  # type: ignore[arg-type]


def test_the_stream_equals_the_clip():
    net = network()
    source = adopt(net, clip=net.clip)
    step = source.network.step()
    assert len(step.state_names) == 3 * (2 + 2)  # two past frames, a sum and a counter in each block
    assert step.state_names[:4] == (
        *("state_blocks_0_temporal_past_0", "state_blocks_0_temporal_past_1"),
        *("state_blocks_0_gate_count", "state_blocks_0_gate_total"),
    )
    frames = moving_clip(40, SIZE, seed=1)
    with torch.no_grad():
        expected = net.clip(source.network.normalise(frames))
        actual = source.network(frames[None])[0]
    assert float((actual - expected).abs().max()) <= TOLERANCE * float(expected.max() - expected.min())
    assert float((expected - expected[:1]).abs().max()) > 0.01 * float(expected.abs().max()), "frames must matter"


def test_the_users_network_is_not_changed():
    net = network()
    adopt(net)
    assert all(block.temporal.past is None and block.gate.count == 0 for block in net.blocks)


def test_sums_and_counters_grow_and_other_states_do_not():
    step = adopt(network()).network.step()
    assert {name.rpartition("_")[2] for name in step.growing} == {"count", "total"}
    assert not any("past" in name for name in step.growing)


class Wrapped(nn.Module):
    """A convolution that keeps state in another form, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3, 4, 1), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.mix(torch.relu(self.conv(x))).mean((2, 3)))

    def mix(self, x: Tensor) -> Tensor:
        raise NotImplementedError


class Deque(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.past: deque[Tensor] = deque(maxlen=4)

    def mix(self, x: Tensor) -> Tensor:
        self.past.append(x)
        return sum(self.past) / 4  # type: ignore[return-value]


class Dictionary(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Tensor] = {}

    def mix(self, x: Tensor) -> Tensor:
        y = x + 0.5 * self.kept.get("last", torch.zeros_like(x))
        self.kept["last"] = y
        return y


class InPlace(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((1, 8, 16, 16), 2.0))

    def mix(self, x: Tensor) -> Tensor:
        self.mean.mul_(0.9).add_(0.1 * x)
        return self.mean


class Ring(Wrapped):
    """Keeps three frames in one tensor, stacked as rows."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ring", torch.zeros(3, 8, 16, 16))

    def mix(self, x: Tensor) -> Tensor:
        self.ring = torch.cat((self.ring[1:], x))
        return x + self.ring[:1]


@pytest.mark.parametrize(
    ("make", "states"),
    [
        (Deque, [f"state_past_{i}" for i in range(4)]),
        (Dictionary, ["state_kept_last"]),
        (InPlace, ["state_mean"]),
        (Ring, ["state_ring"]),
    ],
)
def test_other_forms_of_state(make, states):
    torch.manual_seed(0)
    source = adopt(make().eval())
    step = source.network.step()
    assert list(step.state_names) == states
    assert step.starts == ({"state_mean": 2.0} if make is InPlace else {})
    assert [state.start for state in source.describe("tflite").states] == [2.0 if make is InPlace else 0.0] * len(
        states
    )


class NoState(Wrapped):
    def mix(self, x: Tensor) -> Tensor:
        return x


class Growing(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.all: Tensor | None = None

    def mix(self, x: Tensor) -> Tensor:
        self.all = x if self.all is None else torch.cat((self.all, x))
        return self.all.mean(0, keepdim=True)


class FirstFrame(Wrapped):
    """Starts with the first frame in place of zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.last: Tensor | None = None

    def mix(self, x: Tensor) -> Tensor:
        y = x + (x if self.last is None else self.last)
        self.last = x
        return y


class StrangeStart(InPlace):
    def __init__(self) -> None:
        super().__init__()
        self.mean[:, 0] = 0


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (NoState, ["no attribute of the network changes"]),
        (Growing, ["the state all has another size after each call", "fixed number"]),
        (FirstFrame, ["differs from the network's own calls", "at frame 1", "starts with"]),
        (StrangeStart, ["the state mean starts with values that differ"]),
    ],
)
def test_what_cannot_stream_is_refused(make, parts):
    torch.manual_seed(0)
    with pytest.raises(ModelError) as caught:
        adopt(make().eval())
    message = str(caught.value)
    assert all(part in message for part in parts) and "\n" not in message, message


def test_a_clip_form_that_looks_ahead_is_refused():
    net = network()

    def ahead(frames: Tensor) -> Tensor:
        logits = net.clip(frames)
        return logits + 0.05 * torch.cat((logits[1:], logits[-1:]))

    with pytest.raises(ModelError, match="looks ahead: later frames change"):
        adopt(net, clip=ahead)


@pytest.mark.parametrize("last", [False, True])
def test_a_clip_form_that_computes_something_else_is_refused(last):
    net = network()
    pick = (lambda logits: logits[-1:]) if last else (lambda logits: logits)
    assert adopt(net, clip=lambda frames: pick(net.clip(frames))).config.classes == 5
    with pytest.raises(ModelError, match="the stream differs from clip by"):
        adopt(net, clip=lambda frames: pick(net.clip(frames[:, :, :, :-4])))
    with pytest.raises(ModelError, match=r"must return the logits of each frame \[40, 5\], or of the last one"):
        adopt(net, clip=lambda frames: net.clip(frames)[:3])
