"""One run of the user's network over a clip: which modules are called, how often, and with which features."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from edgeshift.checkpoints.adoption.failure import explain, users_code
from edgeshift.errors import ModelError

#: Largest clip that is tried, frames.
MAX_FRAMES = 64
#: Number of frames of the clip for a network that accepts any number of frames.
ANY_FRAMES = 16


@dataclass
class Call:
    """What is known about a module that was called.

    Attributes:
        module: the module.
        shape: shape of its only tensor argument; None: it has none, or several.
        result: shape of its result; None: the result is not one tensor.
        calls: number of calls during one run of the network.
        order: number of modules whose first call ended before that of this module.
    """

    module: nn.Module
    shape: tuple[int, ...] | None
    result: tuple[int, ...] | None
    calls: int = 1
    order: int = 0


@dataclass
class Survey:
    """The run of a network over one clip.

    Attributes:
        frames: number of frames of the clip.
        classes: number of logits.
        calls: {path of a module: what is known about it}. The network itself is left out.
        any_length: whether the network takes any number of frames, so that ``frames`` is our choice.
    """

    frames: int
    classes: int
    calls: dict[str, Call] = field(default_factory=dict)
    any_length: bool = False

    @property
    def clip_frames(self) -> int | None:
        """Number of frames of a clip that the network needs; None: any number."""
        return None if self.any_length else self.frames


def examine(net: nn.Module, size: int) -> Survey:
    """Run the network over a clip, with a number of frames that it accepts.

    Raises:
        ModelError: the network fails, does not return logits for each frame, or gives other logits in a second run.
    """
    _require_evaluation(net)
    shortest = _clip_length(net, size)
    frames = ANY_FRAMES if shortest == 1 else shortest
    x = torch.randn(frames, 3, size, size, generator=torch.Generator().manual_seed(1))
    survey = Survey(frames, 0, any_length=shortest == 1)
    with _recorded(net, survey.calls), users_code(f"the network fails on frames {list(x.shape)}"), torch.no_grad():
        logits = net(x.clone())
    if not isinstance(logits, Tensor):
        kind = type(logits).__name__
        raise ModelError(
            f"the network returns a {kind}, not a tensor: let it return the logits [N, classes] and no more"
        )
    _require_one_row_per_frame(logits, frames, survey)
    survey.classes = logits.shape[1]
    with torch.no_grad():
        if not torch.allclose(net(x.clone()), logits, rtol=1e-4, atol=1e-5 * float(logits.abs().max() + 1e-9)):
            raise ModelError(
                f"the network gives other logits for the same frames in a second run, first in {_unstable(net, x)}: "
                "call dropout with training=self.training, or keep no state between calls (a network whose state is in "
                'attributes is adopted with state="attributes")'
            )
    return survey


def _require_evaluation(net: nn.Module) -> None:
    for path, module in net.named_modules():
        if module.training:
            raise ModelError(
                f"{path or 'the network'} ({type(module).__name__}) stays in training mode after eval(): let its "
                "method train(mode) set the mode, because batch norms and dropout differ in training"
            )


def _clip_length(net: nn.Module, size: int) -> int:
    """Return the smallest number of frames for which the network runs."""
    reached: list[nn.Module] = []
    handles = [module.register_forward_pre_hook(lambda m, _inputs: reached.append(m)) for module in net.modules()]
    furthest: tuple[int, BaseException | None] = (-1, None)  # the error after most modules is the clearest
    texts = set()
    try:
        for frames in range(1, MAX_FRAMES + 1):
            reached.clear()
            try:
                with torch.no_grad(), users_code(""):
                    net(torch.zeros(frames, 3, size, size))
            except Exception as error:
                cause = error.__cause__ or error
                texts.add(str(cause))
                if len(reached) > furthest[0]:
                    furthest = len(reached), cause
                if frames == ANY_FRAMES and len(texts) == 1:
                    break  # the number of frames is not the reason
                continue
            return frames
    finally:
        for handle in handles:
            handle.remove()
    assert furthest[1] is not None
    raise ModelError(
        f"the network fails on normalised frames [N, 3, {size}, {size}], with any number N of frames: "
        f"{explain(furthest[1])}"
    ) from furthest[1]


def _require_one_row_per_frame(logits: Tensor, frames: int, survey: Survey) -> None:
    if logits.ndim == 2 and logits.shape[0] == frames:
        return
    fewer = [
        (call.order, path)
        for path, call in survey.calls.items()
        if call.shape and call.result and call.shape[0] == frames and call.result[0] < frames
    ]
    where = min(fewer)[1] if fewer else "the network's own forward"
    raise ModelError(
        f"the network returns {list(logits.shape)} for {frames} frames, not one row of logits per frame: the consensus "
        f"over a clip is inside, in {where}. Take it out, so that logits [N, classes] are returned; edgeshift averages "
        "over frames itself"
    )


@contextmanager
def _recorded(net: nn.Module, calls: dict[str, Call]) -> Iterator[None]:
    handles = []

    def record(path: str, module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        shape = tuple(tensors[0].shape) if len(tensors) == 1 else None
        if path in calls:
            calls[path].calls += 1
        else:
            out = tuple(result.shape) if isinstance(result, Tensor) else None
            calls[path] = Call(module, shape, out, order=len(calls))

    for path, module in net.named_modules():
        if path:
            handles.append(
                module.register_forward_hook(
                    lambda m, args, kwargs, result, path=path: record(path, m, args, kwargs, result), with_kwargs=True
                )
            )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _unstable(net: nn.Module, x: Tensor) -> str:
    """Return the path of the first module whose result differs between two runs."""
    runs = [outputs(net, lambda: net(x.clone())) for _ in range(2)]
    for path, result in runs[0].items():
        if path in runs[1] and not torch.equal(result, runs[1][path]):
            return path
    return "the network's own forward"


def outputs(net: nn.Module, run: Any) -> dict[str, Tensor]:
    """Call ``run()``, which runs the network, and return {path of a module: its first result} in the order of calls."""
    found: dict[str, Tensor] = {}

    def keep(path: str, result: Any) -> None:
        if isinstance(result, Tensor) and path not in found:
            found[path] = result.detach().clone()

    handles = [
        module.register_forward_hook(lambda _m, _i, result, path=path: keep(path, result))
        for path, module in net.named_modules()
        if path
    ]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    return found
