"""Wrappers of the step with frames and states channels last. Converters export these; most runtimes compute so."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from edgeshift.artifact.spec import FRAME, LOGITS
from edgeshift.converters.job import Job
from edgeshift.models.network import Step


class ChannelsLast(nn.Module):
    """The step as a function of tensors [1, H, W, C].

    Args:
        step: the step.
        states: the states are channels last. False: only the frame is.
    """

    def __init__(self, step: Step, *, states: bool = True) -> None:
        super().__init__()
        self.step, self.states_last = step, states

    def forward(self, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return the logits, then the next states."""
        if not self.states_last:
            return cast("tuple[Tensor, ...]", self.step(_to_channels_first(frame), *states))
        logits, *following = self.step(*(_to_channels_first(tensor) for tensor in (frame, *states)))
        return (logits, *(_to_channels_last(tensor) for tensor in following))


class NamedChannelsLast(ChannelsLast):
    """The same with states as keyword arguments, for a converter that makes a signature of the names."""

    def forward(self, frame: Tensor, **states: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        """Return {"logits": logits, name of a state: its next state}."""
        return dict(zip((LOGITS, *states), super().forward(frame, *states.values()), strict=True))


class ChannelsLastMemory(ChannelsLast):
    """The step as a function of tensors [1, C, H, W], channels last in memory, for a converter that reads strides."""

    def forward(self, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return the logits, then the next states."""
        logits, *following = self.step(frame, *states)
        return (logits, *(_copy_channels_last(tensor) for tensor in following))


def memory_example(job: Job) -> dict[str, Tensor]:
    """Return the inputs of ``example`` in the form that ``ChannelsLastMemory`` takes."""
    return {name: in_memory(tensor) for name, tensor in example(job).items()}


def in_memory(tensor: Tensor) -> Tensor:
    """Return a tensor [1, H, W, C] as [1, C, H, W] over the same memory."""
    if tensor.ndim == 4 and tensor.shape[1:3] == (1, 1):
        return tensor.reshape(1, -1, 1, 1)  # a single pixel has both orders; ordinary strides keep exporters simple
    return _to_channels_first(tensor)


def example(job: Job) -> dict[str, Tensor]:
    """Return {name: tensor} of a black frame and the states at the start of a stream, channels last."""
    size = job.source.network.config.size
    states = zip(job.step.state_names, job.step.start(), strict=True)
    return {
        FRAME: torch.zeros(1, size, size, 3),
        **{name: _to_channels_last(state).contiguous() for name, state in states},
    }


def _to_channels_first(tensor: Tensor) -> Tensor:
    return tensor.permute(0, 3, 1, 2) if tensor.ndim == 4 else tensor


def _to_channels_last(tensor: Tensor) -> Tensor:
    return tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor


def _copy_channels_last(tensor: Tensor) -> Tensor:
    """Return a copy with channels last in memory. Without an explicit copy, a slice is exported with other strides."""
    if tensor.ndim != 4 or tensor.shape[2:] == (1, 1):
        return tensor
    copied: Tensor = torch.ops.aten._to_copy.default(tensor, memory_format=torch.channels_last)
    return copied
