"""``Checkpoint``: a network with its weights and what is known about them. It is what is trained on and converted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from edgeshift.artifact.description import ModelDescription
    from edgeshift.artifact.spec import StreamSpec
    from edgeshift.models import ModelConfig
    from edgeshift.models.network import ShiftNetwork, Step
    from edgeshift.targets import Precision


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A network with its weights and what is known about them.

    Attributes:
        network: the network in evaluation mode. ``config.bidirectional`` records the slots the weights were trained
            with, ``config.streamed_bidirectional`` whether the slots of the future are filled instead.
        description: labels, frames, frame spacing, event rule and origin of the weights.
        layout: the layout that the weights file was recognised as.
        notes: what a user should know before trusting the network, one line each.
        training: how the weights were trained, {topic: words}: data and their hash, seed, versions. Empty: not known.
    """

    network: ShiftNetwork
    description: ModelDescription
    layout: str
    notes: tuple[str, ...] = ()
    training: Mapping[str, str] = field(default_factory=dict)

    @property
    def config(self) -> ModelConfig:
        """What defines the network apart from its weights."""
        return self.network.config

    def describe(self, target: str, precision: Precision = "fp32", step: Step | None = None) -> StreamSpec:
        """Return the description of the float step function, with frames and states in NHWC.

        Args:
            target: name of the target.
            precision: precision of the artifact. A converter replaces the tensors that it quantizes.
            step: the step function that is converted; None: the network's own.
        """
        from msgspec.structs import asdict

        from edgeshift.artifact.spec import FRAME, LOGITS, PlaceSpec, RowSpec, StreamSpec, TensorSpec, channels_last
        from edgeshift.models.network import Step

        step = step or Step(self.network)
        size = self.config.size
        shapes = self.network.state_shapes(size)
        return StreamSpec(
            **asdict(self.description),
            target=target,
            precision=precision,
            model=self.config,
            input=TensorSpec(name=FRAME, shape=(1, size, size, 3), dtype="float32"),
            output=TensorSpec(name=LOGITS, shape=(1, self.config.classes), dtype="float32"),
            states=tuple(
                TensorSpec(name=name, shape=channels_last(shapes[name]), dtype="float32") for name in step.state_names
            ),
            shifts=tuple(
                PlaceSpec(
                    place=place, channels=table.channels, rows=tuple(RowSpec(**asdict(row)) for row in table.rows)
                )
                for place, table in self.network.tables.items()
            ),
        )


class LoadOptions(TypedDict, total=False):
    """Options of ``edgeshift.checkpoints.load``. One that is left out, or None, is taken from the file.

    Attributes:
        model: a registry name such as ``tsm_mobilenet_v2``. Weights that were trained with a shift load only as that
            shift; weights that were trained without one load as any.
        size: height and width of the frames the network is to run on, pixels; 224 if the file does not say.
        labels: one label per output.
        new_head: number of outputs of an untrained head that replaces the file's head.
        bidirectional: whether the weights were trained with bi-directional slots. MIT's and mmaction2's tensor names
            are the same for both; they are taken as bi-directional. Weights without a shift: past-only.
        stream_bidirectional: make bi-directional weights streamable: the past stays at its own slot, and the slot of
            the future holds the fill (zeros for TSM). Past-only weights are not changed.
        fit: how frames are fitted; "crop", which public models are tested with, if the file does not say.
        order: channel order of the frames the weights were trained on; "rgb" if the file does not say.
        frame_spacing: seconds between the frames of a training clip.
    """

    model: str | None
    size: int | None
    labels: Sequence[str] | None
    new_head: int | None
    bidirectional: bool | None
    stream_bidirectional: bool
    fit: Literal["squash", "crop"] | None
    order: Literal["rgb", "bgr"] | None
    frame_spacing: float | None
