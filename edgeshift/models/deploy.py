"""The step or clip function as it is deployed: batch norms and normalisation are folded into convolutions.

Every converter exports this form. It computes the same as the trained network, except for rounding.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edgeshift.errors import ModelError
from edgeshift.models.clip_step import ClipStep
from edgeshift.models.network import Exportable, Normalise, ShiftNetwork, Step


def deploy(network: ShiftNetwork, *, fresh: bool = False) -> Step:
    """Return the step function of a folded copy of a network, ready to export. The network is not changed.

    Args:
        network: any shift model. The copy is in evaluation mode.
        fresh: compute every next state with an operator of its own; ``StepShift`` says why.

    Raises:
        ShiftError: the network needs future frames.
    """
    return Step(_folded(network, 1), fresh=fresh).eval()


def deploy_clip(network: ShiftNetwork, frames: int) -> ClipStep:
    """Return the clip function of a folded copy of a network, ready to export. The network is not changed.

    Args:
        network: any shift model. The copy is in evaluation mode.
        frames: number of frames of a clip.

    Raises:
        ModelError: a clip has fewer than 2 frames.
    """
    return ClipStep(_folded(network, frames), frames).eval()


def _folded(network: ShiftNetwork, frames: int) -> ShiftNetwork:
    """Return a copy in evaluation mode, with batch norms and normalisation folded, that takes ``frames`` at once."""
    deployed = copy.deepcopy(network).eval()
    _fold_batch_norms(deployed.backbone)
    assert isinstance(deployed.normalise, Normalise)
    path = str(deployed.backbone.STEM)
    conv = deployed.backbone.get_submodule(path)
    assert isinstance(conv, nn.Conv2d)
    deployed.backbone.set_submodule(path, RawStem(conv, deployed.normalise, network.config.size, frames))
    deployed.normalise = nn.Identity()
    return deployed


def round_weights(step: Exportable, *, biases: bool) -> Exportable:
    """Return a copy of a step or clip function whose weights are rounded to float16. It still computes in float32.

    Args:
        step: the function.
        biases: round the biases as well.

    Raises:
        ModelError: a weight is too large for float16.
    """
    rounded = copy.deepcopy(step)
    for name, parameter in rounded.named_parameters():
        if parameter.ndim > 1 or biases:
            parameter.data = parameter.data.half().float()
        if not torch.isfinite(parameter).all():
            raise ModelError(f"the weights {name} are larger than fp16 can hold, 65504: convert to fp32 or int8")
    return rounded


class RawStem(nn.Module):
    """The first convolution with the normalisation folded in. It takes frames with values 0 to 255.

    ``conv((x - mean) / std)`` equals ``conv'(x)``, which has the scale in its weights and the mean in its bias, except
    at the border: the original pads with zeros after the normalisation, so here the padding must be the mean. Constant
    rows and columns of the mean are therefore concatenated to the frame. This copies the frame twice, which is cheaper
    than arithmetic on every pixel (``docs/lab/step-cost.md`` has the measurements).

    Args:
        conv: the first convolution of the network.
        normalise: the normalisation before it.
        size: height and width of the frames, pixels.
        frames: number of frames at once. The borders are stored once for each, because some runtimes refuse the
            operator that would repeat them.
    """

    def __init__(self, conv: nn.Conv2d, normalise: Normalise, size: int, frames: int = 1) -> None:
        super().__init__()
        weight, bias = conv.weight.detach(), conv.bias.detach() if conv.bias is not None else torch.zeros(1)
        stride, pad, kernel = conv.stride[0], int(conv.padding[0]), conv.kernel_size[0]
        self.conv = nn.Conv2d(3, conv.out_channels, kernel, stride)
        self.conv.weight.data = weight / normalise.std
        self.conv.bias = nn.Parameter(bias - (weight * (normalise.mean / normalise.std)).sum((1, 2, 3)))
        steps = (size + 2 * pad - kernel) // stride
        after = max(0, steps * stride + kernel - pad - size)  # less than `pad` if the stride skips the last rows
        total = pad + size + after
        mean = normalise.mean.detach().clone()
        for name, height, width in (
            ("top", pad, size),
            ("bottom", after, size),
            ("left", total, pad),
            ("right", total, after),
        ):
            if height and width:
                # Mobile runtimes compute channels last; in this order the constant is exported without a transpose.
                border = mean.permute(0, 2, 3, 1).expand(frames, height, width, 3).contiguous()
                self.register_buffer(name, border, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map frames [N, 3, size, size], values 0 to 255, to features [N, out, H, W]."""
        for first, last, dim in (("top", "bottom", 2), ("left", "right", 3)):
            parts = [self._border(first, x), x, self._border(last, x)]
            x = torch.cat([part for part in parts if part is not None], dim)
        y: Tensor = self.conv(x)
        return y

    def _border(self, name: str, x: Tensor) -> Tensor | None:
        if not hasattr(self, name):
            return None
        border = self.get_buffer(name).permute(0, 3, 1, 2)
        return border if border.shape[0] == x.shape[0] else border[:1].expand(x.shape[0], -1, -1, -1)


def _fold_batch_norms(module: nn.Module) -> None:
    """Fold every batch norm that directly follows a convolution into that convolution."""
    previous: tuple[str, nn.Module] | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and previous and isinstance(previous[1], nn.Conv2d):
            setattr(module, previous[0], fuse_conv_bn_eval(previous[1], child))
            setattr(module, name, nn.Identity())
        else:
            _fold_batch_norms(child)
        previous = (name, child)
