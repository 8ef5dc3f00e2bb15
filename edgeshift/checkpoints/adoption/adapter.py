"""The user's network as a backbone: each of its shifts calls the function ``shift`` that the backbone is given."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from edgeshift.models.network import ShiftFunction


class CurrentShift:
    """The function ``shift`` of the backbone's current run. The shifted modules of a network share one instance.

    The user's network takes frames only, so ``shift`` cannot be passed to the modules as an argument.
    """

    def __init__(self) -> None:
        self.shift: ShiftFunction | None = None  # None: the backbone does not run


class ShiftedModule(nn.Module):
    """A module whose input, or output, is shifted. It replaces a module of the user's network.

    Args:
        name: name of the place: the path of the module with ``_`` for each dot.
        inner: the module without the shift.
        current: the current shift of the network.
        after: shift the output of ``inner`` instead of its input.

    Attributes:
        copied: True if the features are copied before they are shifted, because the network later changes them in
            place. The next state is a view of the features, so without a copy it would change as well.
    """

    def __init__(self, name: str, inner: nn.Module, current: CurrentShift, *, after: bool = False) -> None:
        super().__init__()
        self.name, self.inner, self.current, self.after = name, inner, current, after
        self.copied = False

    def forward(self, x: Tensor) -> Tensor:
        """Shift [N, C, H, W] and run the inner module."""
        y: Tensor = self._shifted(self.inner(x)) if self.after else self.inner(self._shifted(x))
        return y

    def _shifted(self, x: Tensor) -> Tensor:
        assert self.current.shift is not None, "a shifted module runs only inside of AdoptedBackbone"
        return self.current.shift(self.name, x.clone() if self.copied else x)


class PlainOperators(TorchFunctionMode):
    """In the ``with`` block, h-swish is ``x / 6 * relu6(x + 3)`` and hard sigmoid is ``relu6(x + 3) / 6``.

    This applies to modules and to function calls. XNNPACK has no int8 operators for these activations, so each of them
    would split an int8 graph into more partitions.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a function of torch."""
        if func is F.hardswish:
            return (args[0] * (1 / 6)) * F.relu6(args[0] + 3)
        if func is F.hardsigmoid:
            return F.relu6(args[0] + 3) * (1 / 6)
        return func(*args, **(kwargs or {}))


class AdoptedBackbone(nn.Module):
    """``forward(x, shift)`` maps normalised frames [N, 3, H, W] to logits [N, classes].

    Args:
        net: the user's network, in which ``ShiftedModule`` stands at each place.
        current: the current shift, which these modules share.
    """

    def __init__(self, net: nn.Module, current: CurrentShift) -> None:
        super().__init__()
        self.net, self.current = net, current
        self._shapes: dict[int, dict[str, tuple[int, ...]]] = {}

    def forward(self, x: Tensor, shift: ShiftFunction) -> Tensor:
        """Map [N, 3, H, W] to [N, classes]."""
        self.current.shift = shift
        try:
            with PlainOperators():
                logits: Tensor = self.net(x)
        finally:
            self.current.shift = None
        return logits

    def place_shapes(self, size: int) -> dict[str, tuple[int, ...]]:
        """Return {place: shape [1, C, H, W] of its features} for one frame of size x size pixels.

        The network runs on a black frame and not on the meta device, which a network of the user's may not support.
        """
        if size not in self._shapes:
            shapes: dict[str, tuple[int, ...]] = {}

            def record(place: str, x: Tensor) -> Tensor:
                shapes[place] = tuple(x.shape)
                return x

            with torch.no_grad():
                self(torch.zeros(1, 3, size, size), ShiftFunction(record))
            self._shapes[size] = shapes
        return self._shapes[size]
