"""The clip function: one call takes a whole clip and returns the mean of the logits of its frames.

If the network has a sound segment, the call also takes the picture of a sound, and returns its logits as a second row.
The answer to both is computed from the two rows (``edgeshift.models.sound.fuse``), so that a stream can answer to its
frames alone while there is no usable sound.

Converters export it in clip mode. Weights that were trained with a bi-directional shift need the next frame as well as
the previous one. A frame-by-frame stream does not have the next frame yet, but a whole clip does.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from edgeshift.errors import ModelError
from edgeshift.models.network import Exportable, ShiftFunction, ShiftNetwork
from edgeshift.models.shift_layers import ClipShift
from edgeshift.models.temporal_pool import require_even


class ClipStep(Exportable):
    """``clip_step(clip) -> (logits,)``: ``ShiftNetwork.forward`` for one clip, followed by the mean over its frames.

    With a sound segment, the clip has one more picture, which is that of a sound (``ShiftNetwork.watch_and_hear``).

    Three things differ from ``ShiftNetwork.forward``: the number of frames is fixed, the frames are the batch
    dimension, and the zeros that a shift fills in are stored constants. Converters make faster graphs of this form.

    Args:
        network: a network in evaluation mode. Its shift tables may read later frames.
        frames: number of frames of a clip, at least 2.
        pool_frames: compute the mean over frames as an average pooling, for runtimes that have no int8 operator for a
            mean over the batch dimension.

    Raises:
        ModelError: a clip has fewer than 2 frames, temporal pooling cannot halve their number, or the network has no
            clip form.
    """

    def __init__(self, network: ShiftNetwork, frames: int, *, pool_frames: bool = False) -> None:
        super().__init__()
        if not network.has_clip_form:
            raise ModelError("this network takes one frame at a time and has no clip form: leave out --mode clip")
        if frames < 2:
            raise ModelError(f"a clip of {frames} frames is too short: give 2 or more")
        self.network, self.frames, self.state_names = network, frames, ()
        self.sounds = 0 if network.config.sound is None else 1
        self.pool_frames = pool_frames
        if network.config.temporal_pool:
            require_even(frames)
        shapes = network.feature_shapes(network.config.size, frames)
        self.shifts = nn.ModuleDict(
            {
                place: ClipShift(table, shapes[place][0], cast("tuple[int, int]", shapes[place][2:]), self.sounds)
                for place, table in network.tables.items()
            }
        )

    def forward(self, clip: Tensor) -> tuple[Tensor]:
        """Compute one clip.

        Args:
            clip: [T, 3, H, W] RGB, values 0 to 255, the oldest frame first; with a sound segment [T + 1, 3, H, W].

        Returns:
            The mean of the logits of all frames, [1, classes]. With a sound segment [2, classes]: the logits of the
            sound are the second row.
        """

        def shift(place: str, x: Tensor) -> Tensor:
            y: Tensor = self.shifts[place](x)
            return y

        logits: Tensor = self.network.backbone(self.network.normalise(clip), ShiftFunction(shift, clips=1))
        if not self.sounds:
            return (self._mean(logits),)
        # Temporal pooling, which halves the number of rows, does not work together with a sound segment.
        return (torch.cat((self._mean(logits[: self.frames]), logits[self.frames :])),)

    def _mean(self, logits: Tensor) -> Tensor:
        if not self.pool_frames:
            return logits.mean(0, keepdim=True)
        stacked = logits.reshape(1, -1, 1, logits.shape[1]).permute(0, 3, 1, 2)  # one feature map [1, classes, T, 1]
        return stacked.mean((2, 3), keepdim=True).flatten(1)


def with_pooled_frames(function: Exportable) -> Exportable:
    """Return a clip function with ``pool_frames``, which shares the weights. A step function is returned as it is."""
    if function.frames == 1:
        return function
    return ClipStep(function.network, function.frames, pool_frames=True).eval()
