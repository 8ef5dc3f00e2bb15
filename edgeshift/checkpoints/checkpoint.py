"""What a weights file becomes when it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeshift.artifact.description import RuleSpec
    from edgeshift.models import ModelConfig
    from edgeshift.models.network import ShiftNetwork

Consensus = Literal["mean", "last"]
ChannelOrder = Literal["rgb", "bgr", "unknown"]
Fit = Literal["squash", "crop"]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A network with its weights, and all that the file says about them.

    Attributes:
        network: in evaluation mode. ``config.bidirectional`` records the slots the weights were trained with,
            ``config.streamed_bidirectional`` whether the future's are now filled instead.
        layout: the layout the file was recognised as.
        sha256: of the file, 64 hexadecimal digits.
        labels: one name per output; None: not known.
        frame_spacing: seconds between the frames of a training clip; None: not known.
        frames: frames of a training clip; None: not known.
        consensus: how the logits of a clip's frames become one answer.
        channel_order: of the frames the weights were trained on. The network takes RGB; "unknown" means that BGR is
            worth a try where accuracy disappoints.
        trained: False if the head is new, or if the weights have never been trained with this shift.
        fit: how training frames were fitted (``edgeshift.video.fit``); None: not known.
        source, license: where the weights come from, in words, and on what terms; None: not known.
        rule: how a stream of its answers becomes events; None: not chosen.
        training: how the weights were trained, {what: in words}: data and their hash, seed, versions; None: not known.
        notes: one line each, what a user should know before trusting the answers.
    """

    network: ShiftNetwork
    layout: str
    sha256: str
    labels: tuple[str, ...] | None
    frame_spacing: float | None
    frames: int | None
    consensus: Consensus
    channel_order: ChannelOrder
    trained: bool
    notes: tuple[str, ...]
    fit: Fit | None = None
    source: str | None = None
    license: str | None = None
    rule: RuleSpec | None = None
    training: Mapping[str, str] | None = None

    @property
    def config(self) -> ModelConfig:
        """What defines the network, apart from its weights."""
        return self.network.config
