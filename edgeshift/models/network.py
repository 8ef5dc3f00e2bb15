"""A backbone, its shift tables and its normalisation, run over clips or frame by frame.

The backbone calls ``shift(place, x)`` at each place; what that does is decided here. Nothing is kept between
calls: the clip form needs no state and the step form returns it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from edgeshift.errors import ModelError
from edgeshift.models.config import SMALLEST_SIZE, ModelConfig, Rgb
from edgeshift.models.shift_layers import StepShift, shift_clip
from edgeshift.shift import ShiftTable

#: ``shift(place, x)`` returns the shifted x; x is [N, C, H, W].
Shift = Callable[[str, Tensor], Tensor]

#: The name of the one extra state of tables that count frames.
SEEN = "state_seen"


class ShiftNetwork(nn.Module):
    """A shift model.

    Args:
        config: what the network is.
        backbone: ``backbone(x, shift)`` from normalised frames to logits.

    Attributes:
        tables: {place: table}, in the order the backbone visits them.
    """

    def __init__(self, config: ModelConfig, backbone: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.normalise: nn.Module = Normalise(config.mean, config.std)
        self.backbone = backbone
        self._visited: dict[int, dict[str, tuple[int, ...]]] = {}
        self.tables: dict[str, ShiftTable] = {
            place: config.shift_table(shape[1]) for place, shape in self._visit(SMALLEST_SIZE).items()
        }

    def forward(self, clip: Tensor) -> Tensor:
        """The clip form.

        Args:
            clip: [N, T, 3, H, W] RGB valued 0 to 255.

        Returns:
            [N, T, classes]: one row of logits per frame.
        """
        batch, frames = clip.shape[:2]

        def shift(place: str, x: Tensor) -> Tensor:
            return shift_clip(x.reshape(batch, frames, *x.shape[1:]), self.tables[place]).flatten(0, 1)

        logits: Tensor = self.backbone(self.normalise(clip.flatten(0, 1)), shift)
        return logits.reshape(batch, frames, -1)

    def state_shapes(self, size: int | None = None, batch: int = 1) -> dict[str, tuple[int, ...]]:
        """{name: [N, C, H, W]} of what the step form carries for frames of this size; empty for TSN."""
        size = self.config.size if size is None else size
        if size < SMALLEST_SIZE:
            raise ModelError(f"frames of {size}x{size} are too small; the smallest is {SMALLEST_SIZE}")
        shapes: dict[str, tuple[int, ...]] = {}
        for place, shape in self._visit(size).items():
            channels = self.tables[place].state_channels
            if channels:
                shapes[f"state_{place}"] = (batch, channels, *shape[2:])
        depth = max((table.depth for table in self.tables.values() if table.counts_frames), default=0)
        if depth:
            shapes[SEEN] = (batch, depth, 1, 1)
        return shapes

    def _visit(self, size: int) -> dict[str, tuple[int, ...]]:
        """{place: shape of its features} for one frame. Kept: every new stream asks."""
        if size not in self._visited:
            self._visited[size] = self._walk(size)
        return self._visited[size]

    def _walk(self, size: int) -> dict[str, tuple[int, ...]]:
        """``_visit``, found by walking the backbone without computing."""
        shapes: dict[str, tuple[int, ...]] = {}

        def record(place: str, x: Tensor) -> Tensor:
            shapes[place] = tuple(x.shape)
            return x

        training = self.backbone.training
        self.backbone.eval()
        with torch.no_grad(), torch.device("meta"):
            tensors = [*self.backbone.named_parameters(), *self.backbone.named_buffers()]
            meta = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors}
            torch.func.functional_call(self.backbone, meta, (torch.empty(1, 3, size, size), record))
        self.backbone.train(training)
        return shapes


class Normalise(nn.Module):
    """``(x - mean) / std`` per channel, in units of 0 to 255."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Rgb, std: Rgb) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, 3, H, W] to the same shape."""
        return (x - self.mean) / self.std


class Step(nn.Module):
    """The step function: ``step(frame, *states) -> (logits, *next_states)``.

    The one thing that every converter exports. It shares the network's weights and holds no state.

    Args:
        network: in evaluation mode.
        fresh: see ``StepShift``.

    Raises:
        ShiftError: a table needs the future.
    """

    def __init__(self, network: ShiftNetwork, *, fresh: bool = False) -> None:
        super().__init__()
        self.network = network
        self.shifts = nn.ModuleDict({place: StepShift(table, fresh=fresh) for place, table in network.tables.items()})
        self.state_names = tuple(network.state_shapes())

    def forward(self, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """One frame.

        Args:
            frame: [N, 3, H, W] RGB valued 0 to 255.
            states: in the order of ``state_names``; zeros at the start of a stream.

        Returns:
            logits [N, classes], then the next states in the same order.
        """
        if len(states) != len(self.state_names):
            raise ModelError(f"the step takes {len(self.state_names)} states, not {len(states)}")
        given = dict(zip(self.state_names, states, strict=True))
        seen = given.get(SEEN)
        following: dict[str, Tensor] = {}

        def shift(place: str, x: Tensor) -> Tensor:
            name = f"state_{place}"
            y: Tensor
            y, state = self.shifts[place](x, given.get(name), seen)
            if state is not None:
                following[name] = state
            return y

        logits = self.network.backbone(self.network.normalise(frame), shift)
        if seen is not None:
            following[SEEN] = torch.cat((torch.ones_like(seen[:, :1]), seen[:, :-1]), 1)
        return (logits, *(following[name] for name in self.state_names))

    def start(self, size: int | None = None, batch: int = 1) -> tuple[Tensor, ...]:
        """The states at the start of a stream: zeros, in the order of ``state_names``."""
        return tuple(torch.zeros(shape) for shape in self.network.state_shapes(size, batch).values())
