"""Networks that keep their state in attributes: the attributes become inputs and outputs of the step function.

Such a network takes one frame per call. edgeshift calls it a few times. Every tensor or number in its attributes that
changes from call to call is a state, also inside of lists, tuples, deques and dictionaries.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from edgeshift.checkpoints.adoption.adapter import PlainOperators
from edgeshift.errors import ModelError
from edgeshift.models.config import ModelConfig
from edgeshift.models.network import ShiftFunction, ShiftNetwork, Step

#: Number of calls after which the structure of the state must not change any more, such as the length of a deque.
WARM_UP = 16
#: A state may be copied unchanged to another state, such as the last frame to the last frame but one. Without an
#: operator between them, an output of the graph would be one of its inputs, and some runtimes do not write such an
#: output. Therefore the copy is clamped to values from this one up, which changes nothing.
LOWEST = -3e38
#: Attributes of ``nn.Module`` that hold other things than state.
_INTERNAL = frozenset(nn.Module().__dict__) - {"_buffers"}


class Address(NamedTuple):
    """Where a value is: the path of its module, the name of the attribute, and its keys in nested containers."""

    module: str
    attribute: str
    keys: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        """The name of the state."""
        text = "_".join(str(part) for part in (self.module, self.attribute, *self.keys) if part != "")
        return "state_" + "".join(sign if sign.isalnum() and sign.isascii() else "_" for sign in text)

    def __str__(self) -> str:
        keys = "".join(f"[{key!r}]" for key in self.keys)
        return ".".join(part for part in (self.module, self.attribute) if part) + keys


@dataclass(frozen=True)
class Memory:
    """One state.

    Attributes:
        address: where the network keeps the state.
        shape: shape of the tensor; () for a number.
        dtype: type of the tensor. A Python number is stored as float32.
        start: the value of all elements at the start of a stream.
    """

    address: Address
    shape: tuple[int, ...]
    dtype: torch.dtype
    start: float

    @property
    def stored(self) -> tuple[int, ...]:
        """The shape of the state as an input and output of the step function. A number has [1, 1]."""
        return self.shape or (1, 1)


def find_memories(net: nn.Module, frames: Tensor) -> tuple[nn.Module, list[Memory]]:
    """Call a copy of a network on successive frames, and return the copy and the states that it keeps.

    Args:
        net: the network, which has not been called yet. It is not changed.
        frames: normalised frames, [WARM_UP + 2, 3, H, W].

    Raises:
        ModelError: no attribute changes; or the shape or the start value of a state cannot be stored.
    """
    fresh = dict(values(net))
    net = copy.deepcopy(net)
    snapshots = []
    with torch.no_grad():
        for number, frame in enumerate(frames):
            net(frame[None])
            if number >= WARM_UP - 1:
                snapshots.append({address: _kept(value) for address, value in values(net)})
    changed = [
        address
        for address, value in snapshots[-1].items()
        if any(address not in other or not _same(value, other[address]) for other in snapshots[:-1])
    ]
    if not changed:
        raise ModelError(
            'no attribute of the network changes from call to call, so it keeps no state: leave state="attributes" out'
        )
    for address in changed:
        shapes = {_shape(snapshot.get(address)) for snapshot in snapshots}
        if len(shapes) > 1:
            raise ModelError(
                f"the state {address} has another size after each call ({', '.join(map(str, shapes))}): a stream needs "
                "states of one size, so let it keep a fixed number of frames"
            )
    memories = [_memory(address, snapshots[-1][address], fresh.get(address)) for address in changed]
    names = [memory.address.name for memory in memories]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ModelError(f"two states would have the same name, {twice}: rename one of their attributes")
    return net, memories


def values(net: nn.Module) -> Iterator[tuple[Address, Any]]:
    """Yield every tensor and number in the attributes of all modules, except weights, with its address."""
    for path, module in net.named_modules():
        for name, value in {**vars(module), **module._buffers}.items():
            if name not in _INTERNAL and name != "_buffers":
                yield from _inside(Address(path, name), value)


def _inside(address: Address, value: Any) -> Iterator[tuple[Address, Any]]:
    if isinstance(value, Tensor) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        yield address, value
    elif isinstance(value, (list, tuple, deque, dict)) and len(address.keys) < 3:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from _inside(address._replace(keys=(*address.keys, key)), inner)


def _kept(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.equal(a, b)  # False for other shapes
    return type(a) is type(b) and bool(a == b)


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _memory(address: Address, value: Any, fresh: Any) -> Memory:
    """Return the state at an address.

    Args:
        address: where the network keeps the state.
        value: its value after some calls.
        fresh: its value before the first call; None: the attribute does not exist then.

    Raises:
        ModelError: the state has too many dimensions, or does not start with the same value in all elements.
    """
    if not isinstance(value, Tensor):
        return Memory(address, (), torch.float32, float(fresh) if isinstance(fresh, (int, float)) else 0.0)
    if value.ndim > 5:
        raise ModelError(f"the state {address} has {value.ndim} dimensions; edgeshift stores states of up to 5")
    start = 0.0
    if isinstance(fresh, Tensor) and fresh.numel():
        start = float(fresh.flatten()[0])
        if not bool((fresh == fresh.flatten()[0]).all()):
            raise ModelError(
                f"the state {address} starts with values that differ from each other: pass a network that was not "
                "called yet, and let its states start with zeros or with one number"
            )
    return Memory(address, tuple(value.shape), value.dtype, start)


class MemoryBackbone(nn.Module):
    """The user's network as a pure function: its states are written before each call and read after the call.

    Args:
        net: the network after some calls, so that all its attributes exist.
        memories: its states.
    """

    def __init__(self, net: nn.Module, memories: list[Memory]) -> None:
        super().__init__()
        self.net, self.memories = net, memories

    def forward(self, x: Tensor, _shift: ShiftFunction) -> Tensor:
        """Return the logits of a first frame, [1, 3, H, W]."""
        return self.run(x, [torch.full(memory.stored, memory.start) for memory in self.memories])[0]

    def run(self, x: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Return the logits [1, classes] of a normalised frame [1, 3, H, W], and the next states.

        The states have the shapes ``Memory.stored``. The attributes of the network are restored after the call.
        """
        before = [_read(self.net, memory.address) for memory in self.memories]
        # Copies, because the network may change a state in place.
        written = [state.reshape(m.shape).clone().to(m.dtype) for m, state in zip(self.memories, states, strict=True)]
        try:
            for memory, value in zip(self.memories, written, strict=True):
                _write(self.net, memory.address, value)
            with PlainOperators():
                logits: Tensor = self.net(x)
            following = []
            for memory in self.memories:
                value = torch.as_tensor(_read(self.net, memory.address))
                moved = any(value is other for other in written)
                value = value.float().reshape(memory.stored).clone()
                following.append(value.clamp(min=LOWEST) if moved else value)
        finally:  # an export must not leave its own tensors in the network
            for memory, value in zip(self.memories, before, strict=True):
                _write(self.net, memory.address, value)
        return logits, following


class MemoryNetwork(ShiftNetwork):
    """A network whose states are attributes of the user's modules. It has no shift tables.

    Args:
        config: the configuration.
        backbone: the user's network.
        growing: names of the states whose values grow as long as a stream runs.
    """

    has_clip_form = False

    def __init__(self, config: ModelConfig, backbone: MemoryBackbone, growing: tuple[str, ...] = ()) -> None:
        super().__init__(config, backbone, {})
        self.growing = growing

    def forward(self, clip: Tensor) -> Tensor:
        """Map one clip [1, T, 3, H, W], values 0 to 255, to the logits of each frame, [1, T, classes]."""
        step = self.step()
        states, logits = step.start(), []
        for frame in clip[0]:
            row, *rest = step(frame[None], *states)
            states = tuple(rest)
            logits.append(row)
        return torch.cat(logits)[None]

    def step(self, *, fresh: bool = False) -> Step:
        """Return the step function; see ``Step``."""
        return MemoryStep(self, fresh=fresh)

    def state_shapes(self, size: int | None = None, batch: int = 1) -> dict[str, tuple[int, ...]]:
        """Return {name: shape} of the states.

        Raises:
            ModelError: ``size`` is not the size of the configuration, or ``batch`` is not 1. The states were found for
                one stream of frames of that size.
        """
        if size not in (None, self.config.size) or batch != 1:
            raise ModelError(
                f"{self.config.name} has states for one stream of {self.config.size}x{self.config.size} pixels only"
            )
        return {memory.address.name: memory.stored for memory in self._memories}

    @property
    def _memories(self) -> list[Memory]:
        assert isinstance(self.backbone, MemoryBackbone)
        return self.backbone.memories


class MemoryStep(Step):
    """The step function of a ``MemoryNetwork``."""

    def __init__(self, network: MemoryNetwork, *, fresh: bool = False) -> None:
        super().__init__(network, fresh=fresh)
        self.starts = {memory.address.name: memory.start for memory in network._memories if memory.start}
        self.growing = network.growing

    def forward(self, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Compute one frame; see ``Step``."""
        backbone = self.network.backbone
        assert isinstance(backbone, MemoryBackbone)
        logits, following = backbone.run(self.network.normalise(frame), list(states))
        return (logits, *following)


def _read(net: nn.Module, address: Address) -> Any:
    value = getattr(net.get_submodule(address.module), address.attribute)
    for key in address.keys:
        value = value[key]
    return value


def _write(net: nn.Module, address: Address, value: Any) -> None:
    module = net.get_submodule(address.module)
    if not address.keys:
        setattr(module, address.attribute, value)
        return
    setattr(module, address.attribute, _changed(getattr(module, address.attribute), address.keys, value))


def _changed(container: Any, keys: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of a container with another value at nested keys."""
    inner = value if len(keys) == 1 else _changed(container[keys[0]], keys[1:], value)
    if isinstance(container, Mapping):
        return {**container, keys[0]: inner}
    entries = list(container)
    entries[keys[0]] = inner
    if isinstance(container, deque):
        return deque(entries, container.maxlen)
    return type(container)(entries)
