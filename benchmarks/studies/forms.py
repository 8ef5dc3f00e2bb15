"""Other ways to write the same shift: what was tried, kept to be measured again.

Each function takes a source and returns a step that computes what the shipped one computes, in other operators.
Torch is imported when a step is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from edgeshift.checkpoints.source import Source
    from edgeshift.models.network import Step

Form = Callable[["Source"], "Step"]
#: Most channels of a map that ``previous`` carries whole: in MobileNetV2 those of 56 and 28 pixels a side.
NARROW = 32


def shipped(source: Source) -> Step:
    """What ``edgeshift convert`` exports."""
    from edgeshift.models.deploy import deploy

    return deploy(source.network)


def moved_only(source: Source) -> Step:
    """STSM: the one-hot depthwise convolution takes the moved channels; the rest is one more slice."""
    from edgeshift.models.shift_layers import StepShift

    step = shipped(source)
    for shift in step.shifts.values():
        assert isinstance(shift, StepShift)
        start, stop = shift.table.space[0].start, shift.table.space[-1].stop
        assert start in shift.moves, "the shipped convolution begins with the moved channels"
        shift.moves = {start: stop}
        name = f"kernel_{start}"
        setattr(shift, name, shift.get_buffer(name)[: stop - start].clone())
    return step


def pads(source: Source) -> Step:
    """STSM: each group is padded on one side and cut on the other, as one writes it in torch."""
    import torch
    from torch import nn
    from torch.nn import functional

    from edgeshift.shift import ShiftTable

    class Pads(nn.Module):
        def __init__(self, table: ShiftTable) -> None:
            super().__init__()
            self.table = table

        def forward(self, x: Tensor, state: Tensor, seen: Tensor | None = None) -> tuple[Tensor, Tensor]:
            height, width = x.shape[2:]
            parts: list[Tensor] = []
            for start, stop, row in self.table.pieces():
                group = x[:, start:stop]
                if row is None:
                    parts.append(group)
                elif row.dt:
                    parts.append(state)
                else:
                    up, down, left, right = max(-row.dh, 0), max(row.dh, 0), max(-row.dw, 0), max(row.dw, 0)
                    padded = functional.pad(group, (right, left, down, up))
                    parts.append(padded[:, :, up : up + height, left : left + width])
            (past,) = self.table.past
            return torch.cat(parts, 1), x[:, past.start : past.stop]

    step = shipped(source)
    for place, table in step.network.tables.items():
        step.shifts[place] = Pads(table)
    return step


def wider(source: Source) -> Step:
    """TSM: no slice of the unmoved channels; state and frame side by side into a 1x1 convolution with zero weights."""
    import torch
    from torch import nn

    from edgeshift.models.mobilenet_v2 import InvertedResidual

    class Beside(nn.Module):
        def forward(self, x: Tensor, state: Tensor, seen: Tensor | None = None) -> tuple[Tensor, Tensor]:
            return torch.cat((state, x), 1), x[:, : state.shape[1]]

    step = shipped(source)
    start = step.start()
    for block in step.network.backbone.modules():
        if isinstance(block, InvertedResidual) and block.place:
            fold = step.network.tables[block.place].state_channels
            expand = block.conv.get_submodule("0.0")
            assert isinstance(expand, nn.Conv2d) and expand.bias is not None
            weight = expand.weight.detach()
            wide = nn.Conv2d(weight.shape[1] + fold, weight.shape[0], 1)
            wide.weight.data = torch.cat((weight[:, :fold], torch.zeros_like(weight[:, :fold]), weight[:, fold:]), 1)
            wide.bias = expand.bias
            block.conv.set_submodule("0.0", wide)
            step.shifts[block.place] = Beside()
    return _starting(step, start)


def selected(source: Source) -> Step:
    """TSM: the slices are 1x1 convolutions with one-hot weights."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Selected(nn.Module):
        first: Tensor
        rest: Tensor

        def __init__(self, channels: int, fold: int) -> None:
            super().__init__()
            one_hot = torch.eye(channels)[:, :, None, None]
            self.register_buffer("first", one_hot[:fold].clone())
            self.register_buffer("rest", one_hot[fold:].clone())

        def forward(self, x: Tensor, state: Tensor, seen: Tensor | None = None) -> tuple[Tensor, Tensor]:
            return torch.cat((state, functional.conv2d(x, self.rest)), 1), functional.conv2d(x, self.first)

    step = shipped(source)
    for place, table in step.network.tables.items():
        step.shifts[place] = Selected(table.channels, table.state_channels)
    return step


def masked(source: Source) -> Step:
    """TSM: states of all channels, zero where nothing is carried, added; masks instead of slices."""
    import torch
    from torch import nn

    class Masked(nn.Module):
        keep: Tensor
        take: Tensor

        def __init__(self, channels: int, fold: int) -> None:
            super().__init__()
            # Kept channels last, as mobile runtimes compute.
            take = (torch.arange(channels) < fold).float().reshape(1, 1, 1, channels)
            self.register_buffer("take", take)
            self.register_buffer("keep", 1 - take)

        def forward(self, x: Tensor, state: Tensor, seen: Tensor | None = None) -> tuple[Tensor, Tensor]:
            keep, take = self.keep.permute(0, 3, 1, 2), self.take.permute(0, 3, 1, 2)
            return x * keep + state, x * take

    step = shipped(source)
    tables = step.network.tables
    start = tuple(
        torch.zeros(shape[0], tables[name.removeprefix("state_")].channels, *shape[2:])
        for name, shape in step.network.state_shapes().items()
    )
    for place, table in tables.items():
        step.shifts[place] = Masked(table.channels, table.state_channels)
    return _starting(step, start)


def previous(source: Source) -> Step:
    """TSM: at the widest maps the state is the whole frame before, unsliced, beside the frame as in ``wider``.

    The next state is the block's own input, so that nothing is cut out of it; it is eight times as large.
    """
    import torch
    from torch import nn

    from edgeshift.models.mobilenet_v2 import InvertedResidual

    class Beside(nn.Module):
        def forward(self, x: Tensor, state: Tensor, seen: Tensor | None = None) -> tuple[Tensor, Tensor]:
            return torch.cat((state, x), 1), x

    step = shipped(source)
    start = dict(zip(step.state_names, step.start(), strict=True))
    for block in step.network.backbone.modules():
        if isinstance(block, InvertedResidual) and block.place:
            table = step.network.tables[block.place]
            if table.channels > NARROW:
                continue
            expand = block.conv.get_submodule("0.0")
            assert isinstance(expand, nn.Conv2d) and expand.bias is not None
            weight, fold = expand.weight.detach(), table.state_channels
            wide = nn.Conv2d(2 * table.channels, weight.shape[0], 1)
            past, now = weight.clone(), weight.clone()
            past[:, fold:], now[:, :fold] = 0, 0
            wide.weight.data = torch.cat((past, now), 1)
            wide.bias = expand.bias
            block.conv.set_submodule("0.0", wide)
            step.shifts[block.place] = Beside()
            name = f"state_{block.place}"
            start[name] = torch.zeros(1, table.channels, *start[name].shape[2:])
    return _starting(step, tuple(start.values()))


def _starting(step: Step, start: tuple[Tensor, ...]) -> Step:
    """The step with these states at the start: found by walking the backbone otherwise, which no longer fits."""
    step.start = lambda size=None, batch=1: start  # type: ignore[method-assign]
    return step.eval()


#: STSM's moves in height and width, and TSM's exchange with the state. The first of each is what is shipped.
MOVES: dict[str, Form] = {
    "one-hot depthwise over all but the time group": shipped,
    "one-hot depthwise over the moved channels": moved_only,
    "pads and slices": pads,
}
SLOTS: dict[str, Form] = {
    "slices and a concatenation": shipped,
    "state beside the frame, zero weights": wider,
    "one-hot 1x1 convolutions for the slices": selected,
    "states of full width, masks": masked,
    "the whole frame before as the state, at wide maps": previous,
}
