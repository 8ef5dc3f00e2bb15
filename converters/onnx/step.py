"""The step as it is exported to ONNX: the frame channels last, as every artifact has it, the states channels first."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeshift.artifact.spec import FRAME
from edgeshift.converters.job import Job
from edgeshift.models.network import Step


class FrameLast(nn.Module):
    """Takes a frame [1, H, W, 3] and the states [1, C, H, W]; gives the logits and the next states."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step

    def forward(self, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Logits, then the next states."""
        answer: tuple[Tensor, ...] = self.step(frame.permute(0, 3, 1, 2), *states)
        return answer


def example(job: Job) -> dict[str, Tensor]:
    """A black frame and the states at a stream's beginning, by name, as ``FrameLast`` takes them."""
    size = job.source.network.config.size
    return {FRAME: torch.zeros(1, size, size, 3), **dict(zip(job.step.state_names, job.step.start(), strict=True))}
