"""The step with frames and states channels last, as every artifact has them: what a converter exports."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeshift.artifact.spec import FRAME, LOGITS
from edgeshift.converters.job import Job
from edgeshift.models.network import Step


class ChannelsLast(nn.Module):
    """Takes a frame [1, H, W, 3] and the states; gives the logits and the next states."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step

    def forward(self, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Logits, then the next states."""
        logits, *following = self.step(*(_first(tensor) for tensor in (frame, *states)))
        return (logits, *(_last(tensor) for tensor in following))


class NamedChannelsLast(ChannelsLast):
    """The same by keyword, for a converter that makes a signature of the names."""

    def forward(self, frame: Tensor, **states: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        """{"logits": ..., state name: next state}."""
        return dict(zip((LOGITS, *states), super().forward(frame, *states.values()), strict=True))


class ChannelsLastMemory(ChannelsLast):
    """The same bytes for a converter that knows strides: [1, C, H, W] in shape, channels last in memory."""

    def forward(self, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Logits, then the next states."""
        logits, *following = self.step(frame, *states)
        return (logits, *(_packed(tensor) for tensor in following))


def memory_example(job: Job) -> dict[str, Tensor]:
    """``example`` as ``ChannelsLastMemory`` takes it."""
    return {name: in_memory(tensor) for name, tensor in example(job).items()}


def in_memory(tensor: Tensor) -> Tensor:
    """[1, H, W, C] as [1, C, H, W] of the same memory."""
    if tensor.ndim == 4 and tensor.shape[1:3] == (1, 1):
        return tensor.reshape(1, -1, 1, 1)  # one pixel is in either order: strides that say so would mislead
    return _first(tensor)


def example(job: Job) -> dict[str, Tensor]:
    """A black frame and the states at a stream's beginning, by name, channels last."""
    size = job.source.network.config.size
    states = zip(job.step.state_names, job.step.start(), strict=True)
    return {FRAME: torch.zeros(1, size, size, 3), **{name: _last(state).contiguous() for name, state in states}}


def _first(tensor: Tensor) -> Tensor:
    return tensor.permute(0, 3, 1, 2) if tensor.ndim == 4 else tensor


def _last(tensor: Tensor) -> Tensor:
    return tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor


def _packed(tensor: Tensor) -> Tensor:
    """A copy in that order, spelled out: a slice that is in it already would be exported as one that is not."""
    if tensor.ndim != 4 or tensor.shape[2:] == (1, 1):
        return tensor
    copied: Tensor = torch.ops.aten._to_copy.default(tensor, memory_format=torch.channels_last)
    return copied
