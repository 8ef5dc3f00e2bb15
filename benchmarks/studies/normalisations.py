"""Other ways to normalise a frame inside the graph: what was tried, kept to be measured again.

The shipped one (``edgeshift.models.deploy.RawStem``) folds the arithmetic into the first convolution and pads the frame
with the mean. The others put it before that convolution. Torch is imported when a step is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeshift.benchmarks.studies.forms import Form, shipped

if TYPE_CHECKING:
    from torch import nn

    from edgeshift.checkpoints.source import Source
    from edgeshift.models.network import Step


def subtracted(source: Source) -> Step:
    """Normalisation: subtract and multiply every pixel, then the first convolution as it was trained."""
    import torch
    from torch import Tensor, nn

    class Subtracted(nn.Module):
        mean: Tensor
        scale: Tensor

        def __init__(self) -> None:
            super().__init__()
            config = source.network.config
            self.register_buffer("mean", torch.tensor(config.mean).reshape(1, 1, 1, 3))
            self.register_buffer("scale", 1 / torch.tensor(config.std).reshape(1, 1, 1, 3))

        def forward(self, x: Tensor) -> Tensor:
            return (x - self.mean.permute(0, 3, 1, 2)) * self.scale.permute(0, 3, 1, 2)

    return _with_normalisation(source, Subtracted())


def depthwise(source: Source) -> Step:
    """Normalisation: a 1x1 depthwise convolution with scale and bias, then the first convolution as it was trained."""
    import torch
    from torch import nn

    config = source.network.config
    std, mean = torch.tensor(config.std), torch.tensor(config.mean)
    conv = nn.Conv2d(3, 3, 1, groups=3)
    conv.weight.data = (1 / std).reshape(3, 1, 1, 1)
    conv.bias = nn.Parameter(-mean / std)
    return _with_normalisation(source, conv)


def _with_normalisation(source: Source, normalise: nn.Module) -> Step:
    """The shipped step with the normalisation taken out of its first convolution again, and put before it."""
    import torch
    from torch import nn

    from edgeshift.models.deploy import RawStem

    step = shipped(source)
    path = str(step.network.backbone.STEM)
    stem = step.network.backbone.get_submodule(path)
    assert isinstance(stem, RawStem) and stem.conv.bias is not None
    std = torch.tensor(source.network.config.std).reshape(1, 3, 1, 1)
    mean = torch.tensor(source.network.config.mean).reshape(1, 3, 1, 1)
    raw = stem.conv
    padding = raw.kernel_size[0] // 2
    conv = nn.Conv2d(3, raw.out_channels, raw.kernel_size[0], raw.stride[0], padding)
    conv.weight.data = raw.weight.detach() * std
    conv.bias = nn.Parameter(stem.conv.bias.detach() + (raw.weight.detach() * mean).sum((1, 2, 3)))
    step.network.backbone.set_submodule(path, conv)
    step.network.normalise = normalise
    return step.eval()


#: By what they do. The first is what is shipped.
NORMALISATIONS: dict[str, Form] = {
    "mean border, folded": shipped,
    "subtract and multiply": subtracted,
    "1x1 depthwise": depthwise,
}
