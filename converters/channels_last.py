"""Wrappers with which a step takes and returns tensors channels last, the order in which most runtimes compute."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgeshift.artifact.spec import LOGITS
from edgeshift.converters.fresh import fresh_states
from edgeshift.converters.job import Job
from edgeshift.models.network import Exportable


class ChannelsLast(nn.Module):
    """The step as a function of tensors [1, H, W, C].

    Args:
        step: the step.
        states: whether the states are channels last, too. False: they are channels first, [1, C, H, W].
    """

    def __init__(self, step: Exportable, *, states: bool = True) -> None:
        super().__init__()
        self.step, self.states_last = step, states

    def forward(self, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return the logits, then the next states."""
        if self.states_last:
            logits, *following = self.step(*(_to_channels_first(tensor) for tensor in (frame, *states)))
            following = [_to_channels_last(tensor) for tensor in following]
        else:
            logits, *following = self.step(_to_channels_first(frame), *states)
        return (logits, *self._finished(frame, following))

    def _finished(self, frame: Tensor, following: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the next states as the graph returns them. The order of the dimensions is that of the graph."""
        return fresh_states(frame, following) if self.step.fresh else following


class NamedChannelsLast(ChannelsLast):
    """``ChannelsLast`` with keyword arguments, for a converter that names the graph's inputs after them.

    The first one is the frame or clip, and the states follow.
    """

    def forward(self, **tensors: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        """Return {"logits": logits, name of a state: its next state}."""
        names = (LOGITS, *list(tensors)[1:])
        return dict(zip(names, super().forward(*tensors.values()), strict=True))


class ChannelsLastMemory(ChannelsLast):
    """The step as a function of tensors [1, C, H, W] stored channels last, for a converter that reads strides."""

    def forward(self, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return the logits, then the next states."""
        logits, *following = self.step(frame, *states)
        return (logits, *(_copy_channels_last(tensor) for tensor in self._finished(frame, following)))


def memory_example(job: Job) -> dict[str, Tensor]:
    """Return the inputs of ``example`` in the form that ``ChannelsLastMemory`` takes."""
    return {name: channels_first_view(tensor) for name, tensor in example(job).items()}


def channels_first_view(tensor: Tensor) -> Tensor:
    """Return a view [1, C, H, W] of a tensor [1, H, W, C]. Tensors of other ranks are returned as they are."""
    if tensor.ndim == 4 and tensor.shape[1:3] == (1, 1):
        return tensor.reshape(1, -1, 1, 1)  # the order does not matter; exporters handle contiguous strides best
    return _to_channels_first(tensor)


def example(job: Job) -> dict[str, Tensor]:
    """Return {name: tensor} of the inputs at the start of a stream, channels last. Frames are black."""
    states = zip(job.step.state_names, job.step.start(), strict=True)
    return {
        job.input_name: torch.zeros(job.input_shape),
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
