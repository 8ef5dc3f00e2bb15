"""The network in training: with an auxiliary head that is thrown away, and the loss of one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeshift.artifact.description import NONE
from edgeshift.models.network import ShiftNetwork
from edgeshift.training.recipe import Recipe
from edgeshift.training.sequences import Sequence

#: The auxiliary target's unit: displacements between frames are about ten times smaller than places.
UNITS = (1.0, 1.0, 0.1, 0.1)


@dataclass(frozen=True, eq=False)
class Batch:
    """N sequences as tensors; the fields are those of ``Sequence`` and ``Targets``, spans numbered through.

    Attributes:
        clips: [N, T, 3, H, W], valued 0 to 255, in channels-last memory.
        span_of: [E], which sequence a span is of.
    """

    clips: Tensor
    labels: Tensor
    weights: Tensor
    spans: Tensor
    span_of: Tensor
    span_labels: Tensor
    motion: Tensor
    motion_weights: Tensor

    @staticmethod
    def of(sequences: list[Sequence]) -> Batch:
        """Put sequences of one length together."""
        clips = torch.from_numpy(np.stack([s.frames for s in sequences])).permute(0, 1, 4, 2, 3)

        def stack(arrays: list[npt.NDArray[Any]]) -> Tensor:
            return torch.from_numpy(np.stack(arrays))

        counts = [len(s.targets.span_labels) for s in sequences]
        return Batch(
            clips,
            stack([s.targets.labels for s in sequences]),
            stack([s.targets.weights for s in sequences]),
            torch.from_numpy(np.concatenate([s.targets.spans for s in sequences])),
            torch.from_numpy(np.repeat(np.arange(len(sequences)), counts)),
            torch.from_numpy(np.concatenate([s.targets.span_labels for s in sequences])),
            stack([s.motion for s in sequences]),
            stack([s.motion_weights for s in sequences]),
        )

    def to(self, device: torch.device) -> Batch:
        """On a device; the frames become float32 there."""
        moved = {name: value.to(device) for name, value in vars(self).items()}
        return Batch(**{**moved, "clips": moved["clips"].float()})


@dataclass(frozen=True, eq=False)
class Losses:
    """Of one batch: ``total`` is what is minimised; the others are those of ``history.Sums``."""

    total: Tensor
    frame: Tensor
    span: Tensor
    motion: Tensor
    correct: Tensor
    counted: Tensor
    right: Tensor
    gestures: int

    def values(self) -> dict[str, float]:
        """As numbers."""
        return {name: float(v.detach() if isinstance(v, Tensor) else v) for name, v in vars(self).items()}


class Trainee(nn.Module):
    """A network and, beside its own head, one that says where the fingertip is and how it moves.

    That the shared features must know the motion of every frame is worth thirteen points of accuracy on real hands
    after equal time; the labels cost nothing where the clips are drawn.
    """

    def __init__(self, network: ShiftNetwork, recipe: Recipe, labels: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network
        self.gestures = len(labels) - (NONE in labels)  # ``none`` comes last
        self.recipe = recipe
        head = [m for m in network.modules() if isinstance(m, nn.Linear)][-1]
        self.motion = nn.Linear(head.in_features, 4)
        self._features: Tensor | None = None
        self._hook = head.register_forward_pre_hook(self._keep)
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = recipe.dropout
        self.frozen: list[nn.Module] = network.backbone.stages()[: recipe.frozen]  # type: ignore[operator]
        for stage in self.frozen:
            stage.requires_grad_(False)

    def prepare(self, settled: bool) -> None:
        """Into training mode; batch norms of frozen stages keep their statistics, and all do once ``settled``."""
        self.train()
        for stage in [self.network] if settled else self.frozen:
            for module in stage.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def close(self) -> None:
        """Leave the network as it would be without this."""
        self._hook.remove()

    def losses(self, batch: Batch) -> Losses:
        """Frame by frame, gesture by gesture (the mean of its logits), and the auxiliary loss."""
        logits: Tensor = self.network(batch.clips)
        assert self._features is not None, "the head has run"
        smoothing = self.recipe.smoothing
        flat = F.cross_entropy(
            logits.flatten(0, 1), batch.labels.flatten(), reduction="none", label_smoothing=smoothing
        )
        counted = batch.weights.sum()
        frame = (flat * batch.weights.flatten()).sum() / counted.clamp(min=1)
        if len(batch.spans):
            # Among the gestures alone: most frames of a stroke rightly answer ``none``, and each still says which
            # gestures it speaks for.
            means = (logits[batch.span_of] * batch.spans[..., None]).sum(1)[:, : self.gestures]
            span = F.cross_entropy(means, batch.span_labels, label_smoothing=smoothing)
            right = (means.argmax(1) == batch.span_labels).sum()
        else:
            span, right = frame * 0, frame * 0
        motion = self._motion_loss(batch) if self.recipe.motion else frame * 0
        correct = ((logits.argmax(2) == batch.labels) * batch.weights).sum()
        self._features = None
        total = frame + span + self.recipe.motion * motion
        return Losses(total, frame, span, motion, correct, counted, right, len(batch.spans))

    def _motion_loss(self, batch: Batch) -> Tensor:
        units = torch.tensor(UNITS, device=batch.motion.device)
        guess = self.motion(self._features).reshape(batch.motion.shape)
        loss = F.smooth_l1_loss(guess, batch.motion / units, reduction="none", beta=0.1)
        return (loss * batch.motion_weights).sum() / batch.motion_weights.sum().clamp(min=1)

    def _keep(self, _head: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._features = inputs[0]
