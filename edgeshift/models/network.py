"""A backbone with shift tables and normalisation, in two forms: for whole clips and for one frame at a time.

The backbone calls ``shift(place, x)`` at each place, and each form passes its own ``shift`` function. Neither form
stores anything between calls: the clip form needs no states, and the step form takes and returns them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from edgeshift.errors import ModelError, ShiftError
from edgeshift.models.config import SEEN as SEEN
from edgeshift.models.config import SMALLEST_SIZE, ModelConfig, Rgb
from edgeshift.models.shift_layers import StepShift, shift_clip
from edgeshift.models.sound import hearing, pair_norms
from edgeshift.models.temporal_pool import require_even
from edgeshift.shift import ShiftTable


@dataclass(frozen=True)
class ShiftFunction:
    """The function that a backbone calls to shift features: ``shift(place, x)`` returns x, [N, C, H, W], shifted.

    Attributes:
        function: computes the shift.
        clips: number of clips in the batch. N is then clips * T, the frames of each clip in order. Temporal pooling
            and non-local blocks need this number. None: the batch has one frame of each of N streams.
    """

    function: Callable[[str, Tensor], Tensor]
    clips: int | None = None

    def __call__(self, place: str, x: Tensor) -> Tensor:
        """Shift features [N, C, H, W] at a place."""
        return self.function(place, x)


@dataclass(frozen=True)
class Features:
    """A feature map that several layers write and read. To reorder its channels, all of these layers must change.

    Attributes:
        places: the places at which the feature map is shifted.
        writers: the convolutions and batch norms that output it or one of its summands.
        readers: the layers that take it as input.
    """

    places: tuple[str, ...]
    writers: tuple[nn.Module, ...]
    readers: tuple[nn.Module, ...]


class ShiftNetwork(nn.Module):
    """A temporal-shift network.

    Args:
        config: the configuration of the network, including its shift table.
        backbone: ``backbone(x, shift)`` maps normalised frames [N, 3, H, W] to logits [N, classes]. If it has a method
            ``place_shapes(size)``, this method gives the shape [1, C, H, W] of the features at each place.
        tables: {place: shift table}, for a network of the user's own code; None: ``config`` gives the tables.

    Attributes:
        tables: {place: shift table}, in the order in which the backbone reaches the places.
        has_clip_form: whether the network can take all frames of a clip at once.
    """

    has_clip_form = True

    def __init__(
        self, config: ModelConfig, backbone: nn.Module, tables: Mapping[str, ShiftTable] | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.normalise: nn.Module = Normalise(config.mean, config.std)
        self.backbone = backbone
        if config.sound is not None and config.sound.norms == "separate":
            pair_norms(backbone)
        self._shapes: dict[tuple[int, int], dict[str, tuple[int, ...]]] = {}  # results of ``feature_shapes``
        if tables is None:
            shapes = self.feature_shapes(SMALLEST_SIZE)
            tables = {place: config.shift_table(shape[1]) for place, shape in shapes.items()}
        self.tables = dict(tables)

    def forward(self, clip: Tensor) -> Tensor:
        """Compute the clip form.

        Args:
            clip: [N, T, 3, H, W] RGB, values 0 to 255.

        Returns:
            [N, T, classes], the logits of each frame. With temporal pooling [N, T / 2, classes].

        Raises:
            ModelError: the network has temporal pooling, and T is odd.
        """
        batch, frames = clip.shape[:2]
        if self.config.temporal_pool:
            require_even(frames)

        def shift(place: str, x: Tensor) -> Tensor:
            return shift_clip(x.reshape(batch, -1, *x.shape[1:]), self.tables[place]).flatten(0, 1)

        logits: Tensor = self.backbone(self.normalise(clip.flatten(0, 1)), ShiftFunction(shift, clips=batch))
        return logits.reshape(batch, -1, logits.shape[1])

    def hear(self, pictures: Tensor) -> Tensor:
        """Compute the logits of sounds. Nothing is shifted, because a sound is one picture.

        Args:
            pictures: pictures of the sounds (``edgeshift.sound``), [N, 3, H, W], values as those of frames.

        Returns:
            [N, classes].
        """
        with hearing(self.backbone):
            logits: Tensor = self.backbone(self.normalise(pictures), ShiftFunction(lambda _place, x: x))
        return logits

    def watch_and_hear(self, clip: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the clip form, and the logits of sounds.

        If frames and sounds share their batch norms, they run as one batch. In training mode, a batch norm then
        normalises both with the same mean and variance, as it does later with the running ones.

        Args:
            clip: [N, T, 3, H, W] RGB, values 0 to 255.
            pictures: pictures of sounds, [M, 3, H, W].

        Returns:
            The logits of each frame, [N, T, classes], and of each sound, [M, classes].
        """
        if self.config.sound is not None and self.config.sound.norms == "separate":
            return self(clip), self.hear(pictures)
        batch, frames = clip.shape[:2]
        count = batch * frames

        def shift(place: str, x: Tensor) -> Tensor:
            shifted = shift_clip(x[:count].reshape(batch, frames, *x.shape[1:]), self.tables[place])
            return torch.cat((shifted.flatten(0, 1), x[count:]))

        together = torch.cat((clip.flatten(0, 1), pictures))
        logits: Tensor = self.backbone(self.normalise(together), ShiftFunction(shift))
        return logits[:count].reshape(batch, frames, -1), logits[count:]

    def require_streamable(self) -> None:
        """Raise ShiftError if the network has a part that needs whole clips."""
        if part := self.config.clip_only:
            raise ShiftError(
                f"this {self.config.name} cannot stream one frame at a time because of its {part}: convert it with "
                "--mode clip"
            )

    def step(self, *, fresh: bool = False) -> Step:
        """Return the step function; see ``Step``."""
        return Step(self, fresh=fresh)

    def state_shapes(self, size: int | None = None, batch: int = 1) -> dict[str, tuple[int, ...]]:
        """Return {name: shape [N, C, H, W]} of the states for frames of this size; empty for TSN.

        Raises:
            ModelError: the size is below 64.
        """
        size = self.config.size if size is None else size
        if size < SMALLEST_SIZE:
            raise ModelError(f"frames of {size}x{size} are too small; the smallest size is {SMALLEST_SIZE}")
        shapes: dict[str, tuple[int, ...]] = {}
        for place, shape in self.feature_shapes(size).items():
            channels = self.tables[place].state_channels
            if channels:
                shapes[f"state_{place}"] = (batch, channels, *shape[2:])
        depth = max((table.depth for table in self.tables.values() if table.counts_frames), default=0)
        if depth:
            shapes[SEEN] = (batch, depth, 1, 1)
        return shapes

    def feature_shapes(self, size: int, frames: int = 1) -> dict[str, tuple[int, ...]]:
        """Return {place: shape [T, C, H, W] of its features} for a clip of ``frames`` frames of size x size pixels.

        The backbone runs on the meta device, which computes shapes only. The result is cached, because every new stream
        needs it.
        """
        if measure := getattr(self.backbone, "place_shapes", None):
            measured = cast("dict[str, tuple[int, ...]]", measure(size))
            return {place: (frames, *shape[1:]) for place, shape in measured.items()}
        if (size, frames) in self._shapes:
            return self._shapes[size, frames]
        shapes: dict[str, tuple[int, ...]] = {}

        def record(place: str, x: Tensor) -> Tensor:
            shapes[place] = tuple(x.shape)
            return x

        training = self.backbone.training
        self.backbone.eval()
        with torch.no_grad(), torch.device("meta"):
            tensors = [*self.backbone.named_parameters(), *self.backbone.named_buffers()]
            meta = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors}
            clip = torch.empty(frames, 3, size, size)
            torch.func.functional_call(self.backbone, meta, (clip, ShiftFunction(record, clips=1)))
        self.backbone.train(training)
        self._shapes[size, frames] = shapes
        return shapes


class Normalise(nn.Module):
    """``(x - mean) / std`` per channel, for values 0 to 255."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Rgb, std: Rgb) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise [N, 3, H, W]."""
        return (x - self.mean) / self.std


class Exportable(nn.Module):
    """A network as a pure function of tensors, which converters export.

    The subclasses are ``Step`` for one frame, and ``edgeshift.models.clip_step.ClipStep`` for a clip.

    Attributes:
        network: the network, whose weights are shared.
        frames: number of frames that one call takes.
        sounds: number of pictures of sounds that one call takes after the frames.
        batch: number of cameras whose frames one call takes.
        state_names: names of the states, in the order of the arguments and results; empty for a clip.
        starts: {name of a state: its value at the start of a stream}, for states that do not start with zeros.
        growing: names of states whose values grow as long as a stream runs, so that no int8 range can hold them.
        fresh: whether converters compute every next state anew before it is returned (``edgeshift.converters.fresh``).
            The step function itself is the same.
    """

    network: ShiftNetwork
    frames: int
    sounds: int = 0
    batch: int = 1
    state_names: tuple[str, ...]
    starts: Mapping[str, float]
    growing: tuple[str, ...]
    fresh: bool

    def __init__(self) -> None:
        super().__init__()
        self.starts, self.growing, self.fresh = {}, (), False

    @property
    def pictures(self) -> int:
        """Number of pictures that one call takes: frames of all cameras, and sounds after them."""
        return self.frames * self.batch + self.sounds

    def start(self, size: int | None = None, batch: int | None = None) -> tuple[Tensor, ...]:
        """Return the states at the start of a stream, usually zeros, in the order of ``state_names``.

        ``batch`` is the number of cameras; None: that of this function.
        """
        shapes = self.network.state_shapes(size, batch or self.batch) if self.state_names else {}
        return tuple(torch.full(shapes[name], self.starts.get(name, 0.0)) for name in self.state_names)


def _one_more(seen: Tensor) -> Tensor:
    """Return the state ``seen``, [N, depth, 1, 1], after one more frame."""
    if seen.shape[1] == 1:
        # Not a constant, because runtimes warn about constant outputs, and Core ML cannot cut off the whole state.
        return seen.clamp(min=1)
    return torch.cat((torch.ones_like(seen[:, :1]), seen[:, :-1]), 1)


class Step(Exportable):
    """The step function: ``step(frame, *states) -> (logits, *next_states)``.

    It shares the weights of the network and stores no states.

    Args:
        network: a network in evaluation mode.
        fresh: see ``Exportable``.

    Raises:
        ShiftError: a shift table needs future frames, or the network has a part that needs whole clips.
    """

    frames = 1

    def __init__(self, network: ShiftNetwork, *, fresh: bool = False) -> None:
        super().__init__()
        network.require_streamable()
        self.network, self.fresh = network, fresh
        shapes = network.state_shapes()
        sizes = {place: shape[2:4] for place in network.tables if (shape := shapes.get(f"state_{place}"))}
        self.shifts = nn.ModuleDict(
            {
                place: StepShift(table, size=cast("tuple[int, int] | None", sizes.get(place)))
                for place, table in network.tables.items()
            }
        )
        self.state_names = tuple(shapes)

    def forward(self, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Compute one frame.

        Args:
            frame: [N, 3, H, W] RGB, values 0 to 255.
            states: the states in the order of ``state_names``; zeros at the start of a stream.

        Returns:
            The logits [N, classes], then the next states in the same order.

        Raises:
            ModelError: the number of states is wrong.
        """
        if len(states) != len(self.state_names):
            raise ModelError(f"the step function takes {len(self.state_names)} states, not {len(states)}")
        current = dict(zip(self.state_names, states, strict=True))
        seen = current.get(SEEN)
        next_states: dict[str, Tensor] = {}

        def shift(place: str, x: Tensor) -> Tensor:
            name = f"state_{place}"
            y: Tensor
            y, state = self.shifts[place](x, current.get(name), seen)
            if state is not None:
                next_states[name] = state
            return y

        logits = self.network.backbone(self.network.normalise(frame), ShiftFunction(shift))
        if seen is not None:
            next_states[SEEN] = _one_more(seen)
        return (logits, *(next_states[name] for name in self.state_names))
