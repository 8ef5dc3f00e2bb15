"""Non-local blocks (Wang et al., "Non-local Neural Networks", CVPR 2018), as in MIT's TSM and in mmaction2.

A non-local block is attention over all frames of a clip: every pixel of every frame is a query, and the keys and values
are the pixels of all frames, pooled to half height and width. So the network needs the whole clip. The kinds of blocks
differ in how the weights are computed from the features x:

    embedded_gaussian          softmax(theta(x) . phi(x))                                  MIT's and mmaction2's
    scaled_embedded_gaussian   softmax(theta(x) . phi(x) / sqrt(channels of theta))        mmcv with use_scale
    dot_product                theta(x) . phi(x) / number of keys                          mmaction2's
    gaussian                   softmax(x . x)                                              mmaction2's
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeshift.errors import ShiftError
from edgeshift.models.config import NonLocalKind


class NonLocal(nn.Module):
    """``x + norm(out(attention(x)))`` over all frames of a clip.

    Args:
        channels: number of channels of x. The attention has half as many.
        kind: how the weights are computed; see the table at the top of this module.

    Attributes:
        readers: the layers that read x.
        writers: the layers whose output is added to x.
    """

    def __init__(self, channels: int, kind: NonLocalKind) -> None:
        super().__init__()
        inner = channels // 2
        self.scores = Scores()
        self.attention = Attention(kind, inner)
        embedded = kind != "gaussian"
        self.theta = nn.Conv2d(channels, inner, 1) if embedded else None
        self.phi = nn.Conv2d(channels, inner, 1) if embedded else None
        self.g = nn.Conv2d(channels, inner, 1)
        self.out = nn.Conv2d(inner, channels, 1)
        self.norm = nn.BatchNorm2d(channels)
        # In mmaction2 this layer has no bias, so its files do not set this one, which must then be zero.
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]
        # A new block returns its input unchanged, so it can be added to a trained network.
        nn.init.zeros_(self.norm.weight)

    @property
    def last_norm(self) -> nn.Module:
        """The batch norm before the addition, as in a residual block."""
        return self.norm

    @property
    def readers(self) -> list[nn.Module]:
        """The layers that read the feature map."""
        return [layer for layer in (self.theta, self.phi, self.g) if layer is not None]

    @property
    def writers(self) -> list[nn.Module]:
        """The layers whose output is added to the feature map."""
        return [self.out, self.norm]

    def forward(self, x: Tensor, clips: int | None) -> Tensor:
        """Compute the block.

        Args:
            x: [clips * T, C, H, W], the frames of each clip in order.
            clips: number of clips; None, for a network that runs frame by frame, is an error.

        Returns:
            [clips * T, C, H, W].

        Raises:
            ShiftError: ``clips`` is None.
        """
        if clips is None:
            raise ShiftError("non-local blocks read all frames of a clip: convert the network with --mode clip")
        queries = _rows(x if self.theta is None else self.theta(x), clips)
        keys = _rows(_half(x if self.phi is None else self.phi(x)), clips)
        values = _rows(_half(self.g(x)), clips)
        read = self.attention(self.scores(queries, keys), values)
        frames, _, height, width = x.shape
        read = read.reshape(frames, height, width, -1).permute(0, 3, 1, 2)
        y: Tensor = x + self.norm(self.out(read))
        return y


class Scores(nn.Module):
    """The product of each query with each key: ``(queries [N, Q, C], keys [N, K, C]) -> scores [N, Q, K]``."""

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return the scores."""
        return torch.matmul(queries, keys.transpose(1, 2))


class Attention(nn.Module):
    """Weights from scores, and weighted sums of the values: ``(scores [N, Q, K], values [N, K, C]) -> [N, Q, C]``.

    It is a separate module so that int8 graphs can keep it in float. An int8 softmax has steps of 1/256. With hundreds
    of keys, most weights are smaller than one step.
    """

    def __init__(self, kind: NonLocalKind, inner: int) -> None:
        super().__init__()
        self.kind = kind
        self.scale = inner**-0.5 if kind == "scaled_embedded_gaussian" else None

    def forward(self, scores: Tensor, values: Tensor) -> Tensor:
        """Return the weighted sums of the values."""
        if self.kind == "dot_product":
            weights = scores * (1 / scores.shape[-1])
        else:
            weights = torch.softmax(scores if self.scale is None else scores * self.scale, -1)
        return torch.matmul(weights, values)


def _half(x: Tensor) -> Tensor:
    """Pool to half height and width. Core ML needs the stride to be given."""
    return F.max_pool2d(x, (2, 2), (2, 2))


def _rows(x: Tensor, clips: int) -> Tensor:
    """Return [clips * T, C, H, W] as [clips, T * H * W, C]. Channels-last tensors are not copied."""
    return x.permute(0, 2, 3, 1).reshape(clips, -1, x.shape[1])
