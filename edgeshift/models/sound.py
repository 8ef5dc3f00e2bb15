"""The sound segment of a network: the same layers answer to a picture of a sound, without a shift.

    v_t = logits of frame t      s = logits of the sound      answer = (v_1 + ... + v_T + w s) / (T + w)

In TSAM (Antonov et al.), the answer is a linear layer over the mean of the features of T frames and one sound. As the
layer is linear, this is the mean of their logits, so a stream can compute the logits of each frame when it comes.

A network whose sounds have their own batch norms holds two batch norms at each place (``PairedNorm``), which is the
auxiliary batch norm of AdvProp (Xie et al., CVPR 2020). All other weights are shared.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import msgspec
from torch import Tensor, nn

from edgeshift.errors import ModelError
from edgeshift.sound import SoundSettings

if TYPE_CHECKING:
    from edgeshift.models.network import ShiftNetwork

Module = TypeVar("Module", bound=nn.Module)


def fuse(frames: Tensor, sound: Tensor, weight: float) -> Tensor:
    """Return the answer to T frames and one sound.

    Args:
        frames: logits of the frames, [..., T, classes].
        sound: logits of the sound, [..., classes]. The leading dimensions of both are broadcast.
        weight: weight w of the sound, where each frame has the weight 1.

    Returns:
        [..., classes].
    """
    return (frames.sum(-2) + weight * sound) / (frames.shape[-2] + weight)


def gesture_logits(logits: Tensor, sounds: int) -> Tensor:
    """Return logits [N, gestures] that leave the sound open, from those of all pairs.

    Args:
        logits: [N, gestures * sounds]: for each gesture, its pairs with each sound.
        sounds: number of sounds.
    """
    return logits.reshape(len(logits), -1, sounds).logsumexp(2)


def sound_logits(logits: Tensor, sounds: int) -> Tensor:
    """Return logits [N, sounds] that leave the gesture open, from those of all pairs; see ``gesture_logits``."""
    return logits.reshape(len(logits), -1, sounds).logsumexp(1)


class PairedNorm(nn.BatchNorm2d):
    """A batch norm for frames that holds a second one for sounds.

    Attributes:
        sound: the batch norm for sounds.
        hears: whether the input is a sound, so that ``sound`` computes the result; set by ``hearing``.
    """

    def __init__(self, frames: nn.BatchNorm2d) -> None:
        super().__init__(frames.num_features, frames.eps, frames.momentum, frames.affine, frames.track_running_stats)
        self.load_state_dict(frames.state_dict(), assign=True)
        self.train(frames.training)
        self.sound = copy.deepcopy(frames)
        self.hears = False

    def forward(self, x: Tensor) -> Tensor:
        """Normalise features [N, C, H, W] of frames or of sounds."""
        y: Tensor = self.sound(x) if self.hears else super().forward(x)
        return y


def pair_norms(module: nn.Module) -> None:
    """Replace each batch norm in a module by a ``PairedNorm``. Both batch norms of a pair start with its values."""
    for path, norm in list(module.named_modules()):
        if type(norm) is nn.BatchNorm2d:
            module.set_submodule(path, PairedNorm(norm))


@contextmanager
def hearing(module: nn.Module) -> Iterator[None]:
    """Within this context, the paired batch norms of a module normalise sounds."""
    norms = [norm for norm in module.modules() if isinstance(norm, PairedNorm)]
    for norm in norms:
        norm.hears = True
    try:
        yield
    finally:
        for norm in norms:
            norm.hears = False


def single_norms(module: Module, *, sound: bool) -> Module:
    """Return a copy of a module with one batch norm of each pair.

    Args:
        module: a module that may hold paired batch norms.
        sound: keep the batch norms for sounds instead of those for frames.
    """
    result = copy.deepcopy(module)
    for path, pair in list(result.named_modules()):
        if isinstance(pair, PairedNorm):
            kept: nn.BatchNorm2d = pair.sound
            if not sound:
                kept = nn.BatchNorm2d(pair.num_features, pair.eps, pair.momentum, pair.affine, pair.track_running_stats)
                own = {name: value for name, value in pair.state_dict().items() if not name.startswith("sound.")}
                kept.load_state_dict(own)
            kept.train(pair.training)
            result.set_submodule(path, kept)
    return result


def add_sound(network: ShiftNetwork, settings: SoundSettings) -> ShiftNetwork:
    """Return a network with a sound segment and the weights of a network without one.

    Args:
        network: a network without a sound segment. It is not changed.
        settings: the settings of the sound segment. Separate batch norms start with the values of those for frames.

    Raises:
        ModelError: the network has a sound segment already, or cannot have one.
    """
    from edgeshift.models import build

    if network.config.sound is not None:
        raise ModelError(f"this {network.config.name} already has a sound segment")
    plain = build(network.config)
    plain.load_state_dict(network.state_dict())
    if settings.norms == "separate":
        pair_norms(plain.backbone)
    result = build(msgspec.structs.replace(network.config, sound=settings))
    result.load_state_dict(plain.state_dict())
    return result


def remove_sound(network: ShiftNetwork) -> ShiftNetwork:
    """Return a network without the sound segment of a network that has one. Its answers to frames are the same."""
    from edgeshift.models import build

    result = build(msgspec.structs.replace(network.config, sound=None))
    result.backbone.load_state_dict(single_norms(network.backbone, sound=False).state_dict())
    return result.train(network.training)
