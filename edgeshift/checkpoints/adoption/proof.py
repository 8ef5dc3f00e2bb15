"""Compare the two forms of an adopted network, for clips and for streams, with the forward of the user's network."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeshift.checkpoints.adoption.adapter import AdoptedBackbone, ShiftedModule
from edgeshift.checkpoints.adoption.places import INLINE, TOLERANCE, logit_error, relative
from edgeshift.checkpoints.adoption.survey import outputs
from edgeshift.errors import ModelError
from edgeshift.models.network import ShiftNetwork, Step

#: Number of clips.
CLIPS = 2


def moving_clip(frames: int, size: int, seed: int) -> Tensor:
    """Return [frames, 3, size, size], values 0 to 255: one coarse pattern that fades into another, and fine noise."""
    generator = torch.Generator().manual_seed(seed)
    first, last = torch.rand((2, 1, 3, 7, 7), generator=generator)
    moving = torch.cat([first + (last - first) * t / max(1, frames - 1) for t in range(frames)])
    large = F.interpolate(moving, (size, size), mode="bilinear")
    return (large * 235 + torch.rand(large.shape, generator=generator) * 20).round()


def require_equal(own: nn.Module, network: ShiftNetwork, frames: int) -> float:
    """Compare the adopted network with the user's own forward, and return the largest difference.

    Args:
        own: the user's network, which takes the ``frames`` normalised frames of one clip in one call.
        network: the adopted network.
        frames: frames of a clip.

    Returns:
        The largest difference of a logit, as a share of how much a logit varies over the clip.

    Raises:
        ModelError: the logits differ. The message names the first module whose result differs.
    """
    streams = not any(table.future for table in network.tables.values())
    worst = 0.0
    for seed in range(CLIPS):
        clip = moving_clip(frames, network.config.size, seed)
        with torch.no_grad():
            expected = own(network.normalise(clip))
            forms = {"clip form": network(clip[None])[0]}
            if streams:
                forms["stream"] = run_step(network, clip)
            for form, logits in forms.items():
                error = logit_error(logits, expected)
                if not error <= TOLERANCE:
                    raise _difference(own, network, clip, form, error)
                worst = max(worst, error)
    return worst


def run_step(network: ShiftNetwork, clip: Tensor) -> Tensor:
    """Return the logits [T, classes] of a clip [T, 3, H, W], values 0 to 255, computed frame by frame."""
    step = Step(network)
    states, logits = step.start(), []
    for frame in clip:
        row, *rest = step(frame[None], *states)
        states = tuple(rest)
        logits.append(row)
    return torch.cat(logits)


def mark_changed_in_place(backbone: AdoptedBackbone, size: int) -> None:
    """Find the places whose features the network later changes in place, and set ``ShiftedModule.copied`` there."""
    places = {module.name: module for module in backbone.modules() if isinstance(module, ShiftedModule)}
    versions: list[tuple[str, Tensor, int]] = []

    def record(place: str, x: Tensor) -> Tensor:
        versions.append((place, x, x._version))
        return x.clone()

    with torch.no_grad():
        backbone(torch.zeros(1, 3, size, size), record)
    for place, x, version in versions:
        if x._version != version:
            places[place].copied = True


def _difference(own: nn.Module, network: ShiftNetwork, clip: Tensor, form: str, error: float) -> ModelError:
    """Return the error for logits that differ. Its message names the first module whose result differs."""
    backbone = network.backbone
    assert isinstance(backbone, AdoptedBackbone)
    expected = outputs(own, lambda: own(network.normalise(clip)))
    if form == "stream":
        actual = _frame_by_frame(backbone.net, network, clip)
    else:
        actual = outputs(backbone.net, lambda: network(clip[None]))
    where = "the network's own forward"
    for path, value in expected.items():
        other = actual.get(path)
        if other is not None and other.shape == value.shape and not relative(other, value) <= TOLERANCE:
            where = path
            break
    return ModelError(
        f"the {form} differs from the network's own forward over {len(clip)} frames by {error:.2g} of the variation of "
        f"the logits, first in {where}: something there depends on other frames, or on the number of frames in a call, "
        f"besides the shifts that were found. {INLINE}"
    )


def _frame_by_frame(net: nn.Module, network: ShiftNetwork, clip: Tensor) -> dict[str, Tensor]:
    found: dict[str, list[Tensor]] = {}
    step, run = Step(network), None
    states: list[tuple[Tensor, ...]] = [step.start()]

    def one(frame: Tensor) -> Callable[[], None]:
        def go() -> None:
            _, *rest = step(frame[None], *states[-1])
            states.append(tuple(rest))

        return go

    for frame in clip:
        run = one(frame)
        for path, value in outputs(net, run).items():
            found.setdefault(path, []).append(value)
    return {path: torch.cat(values) for path, values in found.items() if len(values) == len(clip)}
