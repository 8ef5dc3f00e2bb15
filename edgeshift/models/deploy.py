"""The step or clip function in the form that converters export: batch norms and normalisation are folded.

A batch norm is folded into the convolution before it if no other layer reads the output of the convolution. The
normalisation is folded into the first convolution. The results are those of the trained network, except for rounding.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.parametrize import is_parametrized
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from edgeshift.errors import ModelError
from edgeshift.models.clip_step import ClipStep
from edgeshift.models.network import Exportable, Normalise, ShiftFunction, ShiftNetwork, Step
from edgeshift.models.sound import single_norms

#: Operators whose results have no negative values.
NOT_NEGATIVE = ("relu", "relu_", "sigmoid", "sigmoid_", "hardsigmoid", "hardsigmoid_")


def deploy(network: ShiftNetwork, *, fresh: bool = False, batch: int = 1) -> Step:
    """Return the step function of a folded copy of a network, ready to export. The network is not changed.

    Args:
        network: any shift model. The copy is in evaluation mode.
        fresh: let converters compute every next state anew; see ``Exportable``.
        batch: number of cameras whose frames one call takes, each with its own states.

    Raises:
        ShiftError: the network needs future frames or whole clips.
    """
    step = _folded(network, batch).step(fresh=fresh).eval()
    step.batch = batch
    return step


def deploy_clip(network: ShiftNetwork, frames: int) -> ClipStep:
    """Return the clip function of a folded copy of a network, ready to export. The network is not changed.

    Args:
        network: any shift model. The copy is in evaluation mode.
        frames: number of frames of a clip.

    Raises:
        ModelError: a clip has fewer than 2 frames, temporal pooling cannot halve their number, or the network has no
            clip form.
    """
    sounds = 0 if network.config.sound is None else 1
    return ClipStep(_folded(network, frames + sounds), frames).eval()


def _folded(network: ShiftNetwork, frames: int) -> ShiftNetwork:
    """Return a folded copy in evaluation mode. Each of its calls takes ``frames`` frames and sounds together."""
    deployed = copy.deepcopy(network).eval()
    deployed.backbone = single_norms(deployed.backbone, sound=False)
    assert isinstance(deployed.normalise, Normalise)
    flow = DataFlow.of(deployed)
    for conv, norm in flow.followed_by_norm():
        _set(deployed.backbone, conv, fuse_conv_bn_eval(conv, norm))
        _set(deployed.backbone, norm, nn.Identity())
    flow = DataFlow.of(deployed)
    for pool in flow.padded_pools():
        _set(deployed.backbone, pool, PaddedPool(pool))
    stem = flow.stem()
    if stem is None:
        deployed.normalise = ScaleAndOffset(deployed.normalise)
    else:
        _set(deployed.backbone, stem, RawStem(stem, deployed.normalise, network.config.size, frames))
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

    The weights of the new convolution contain ``1 / std``, and its bias contains the mean. Only the border needs care:
    the original convolution pads with zeros after the normalisation, so this one must pad with the mean. Therefore
    constant rows and columns of the mean are concatenated to the frame. This copies the frame twice, which is cheaper
    than arithmetic on every pixel (``docs/lab/step-cost.md`` has the measurements).

    Args:
        conv: the first convolution of the network.
        normalise: the normalisation before it.
        size: height and width of the frames, pixels.
        frames: number of frames in each call. The border is stored once per frame, because some runtimes refuse the
            operator that would repeat it.
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


class ScaleAndOffset(nn.Module):
    """The normalisation as ``x * scale + offset``, for networks whose first convolution ``RawStem`` cannot replace.

    Int8 has operators for multiplication and addition, and none for division.
    """

    def __init__(self, normalise: Normalise) -> None:
        super().__init__()
        self.register_buffer("scale", 1 / normalise.std, persistent=False)
        self.register_buffer("offset", -normalise.mean / normalise.std, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise [N, 3, H, W], values 0 to 255."""
        return x * self.get_buffer("scale") + self.get_buffer("offset")


class PaddedPool(nn.Module):
    """A max pool whose padding is zeros. The padding of a max pool is minus infinity, which int8 cannot hold."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        vertical, horizontal = _pair(pool.padding)
        self.padding = (horizontal, horizontal, vertical, vertical)
        self.pool = nn.MaxPool2d(pool.kernel_size, pool.stride)

    def forward(self, x: Tensor) -> Tensor:
        """Pool features [N, C, H, W] without negative values."""
        y: Tensor = self.pool(F.pad(x, self.padding))
        return y


class DataFlow(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records, during one run of a network, which tensors each layer reads and writes.

    The order in which a module registers its children does not show this, because it may run them in another order.

    Attributes:
        frame: the normalised frame, which the first layers read.
        readers: {id of a tensor: number of operators that read it}.
        makers: {id of a tensor: name of the operator that wrote it last}.
        inputs: {convolution, batch norm or max pool: the tensors that it reads, one per call}.
        outputs: {convolution, batch norm or max pool: the tensors that it returns, one per call}.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.frame: Tensor | None = None
        self.readers: Counter[int] = Counter()
        self.makers: dict[int, str] = {}
        self.inputs: dict[nn.Module, list[Tensor]] = {}
        self.outputs: dict[nn.Module, list[Tensor]] = {}
        self._kept: list[object] = []  # a new tensor could get the id of a deleted one

    @classmethod
    def of(cls, network: ShiftNetwork) -> DataFlow:
        """Run a network in evaluation mode on one black frame, in which each shift only copies its input."""
        flow = cls()
        layers = [m for m in network.backbone.modules() if type(m) in (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d)]
        handles = [layer.register_forward_hook(flow._record) for layer in layers]
        try:
            with torch.no_grad():
                size = network.config.size
                flow.frame = network.normalise(torch.zeros(1, 3, size, size))
                with flow:
                    network.backbone(flow.frame, ShiftFunction(lambda _place, x: x.clone(), clips=1))
        finally:
            for handle in handles:
                handle.remove()
        return flow

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count the tensors that an operator reads."""
        result = func(*args, **(kwargs or {}))
        read = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        self.readers.update(id(tensor) for tensor in read)
        self.makers[id(result)] = func.overloadpacket.__name__
        self._kept.append((read, result))
        return result

    def _record(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.inputs.setdefault(layer, []).append(inputs[0])
        self.outputs.setdefault(layer, []).append(output)
        self._kept.append((inputs, output))

    def followed_by_norm(self) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d]]:
        """Yield each convolution whose only reader is a batch norm, with this batch norm, if each is called once."""
        makers = {id(made[0]): layer for layer, made in self.outputs.items() if isinstance(layer, nn.Conv2d)}
        for norm, read in self.inputs.items():
            conv = makers.get(id(read[0]))
            if isinstance(norm, nn.BatchNorm2d) and isinstance(conv, nn.Conv2d) and norm.running_mean is not None:
                alone = self.readers[id(read[0])] == 1 and len(self.outputs[conv]) == len(read) == 1
                if alone and _is_plain(conv):
                    yield conv, norm

    def padded_pools(self) -> list[nn.MaxPool2d]:
        """Return the padded max pools whose inputs are never negative, so that zero padding gives the same result."""
        pools = {layer: read for layer, read in self.inputs.items() if isinstance(layer, nn.MaxPool2d)}
        return [
            pool
            for pool, read in pools.items()
            if pool.padding not in (0, (0, 0))
            and all(self.makers.get(id(tensor)) in NOT_NEGATIVE for tensor in read)
            and not pool.ceil_mode
            and not pool.return_indices
            and _pair(pool.dilation) == (1, 1)
        ]

    def stem(self) -> nn.Conv2d | None:
        """Return the first convolution if ``RawStem`` can replace it; None: it cannot.

        It must be the only operator that reads the normalised frame. It must run once, have one group and no dilation,
        have the same kernel size, stride and padding in height and width, and pad with zeros.
        """
        if self.frame is None or self.readers[id(self.frame)] != 1:
            return None
        for layer, read in self.inputs.items():
            if isinstance(layer, nn.Conv2d) and len(read) == 1 and read[0] is self.frame:
                square = all(len(set(pair)) == 1 for pair in (layer.kernel_size, layer.stride, layer.dilation))
                plain = layer.groups == 1 and layer.dilation[0] == 1 and layer.padding_mode == "zeros"
                padding = layer.padding
                symmetric = not isinstance(padding, str) and len(set(padding)) == 1
                return layer if square and plain and symmetric and _is_plain(layer) else None
        return None


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else value


def _is_plain(layer: nn.Module) -> bool:
    """Return False for a layer whose weight is computed from other values in each call."""
    return not is_parametrized(layer) and not layer._forward_pre_hooks


def _set(network: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Replace a module of a network, under every name that it has."""
    for path in [path for path, module in network.named_modules(remove_duplicate=False) if module is old]:
        network.set_submodule(path, new)
