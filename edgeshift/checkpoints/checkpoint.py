"""``Checkpoint``: a network with its weights and what is known about them. Training and conversion start from one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from edgeshift.artifact.description import ModelDescription
    from edgeshift.artifact.spec import StreamSpec
    from edgeshift.models import ModelConfig
    from edgeshift.models.config import NonLocalKind
    from edgeshift.models.network import Exportable, ShiftNetwork
    from edgeshift.targets import Precision


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A network with its weights and what is known about them.

    Attributes:
        network: the network in evaluation mode. ``config.bidirectional`` tells whether the weights were trained with
            slots for the future, and ``config.streamed_bidirectional`` whether these slots now hold the fill.
        description: labels, frames, frame spacing, event rule and origin of the weights.
        layout: name of the layout of the weights file.
        notes: warnings about the network, one line each.
        training: how the weights were trained, {topic: text}, such as data, their hash and the seed; empty: not known.
        left_out: names of tensors and of sets of weights in the file that are not a part of the network.
        unused: {option of ``edgeshift.checkpoints.load`` that was given and changed nothing: why}.
    """

    network: ShiftNetwork
    description: ModelDescription
    layout: str
    notes: tuple[str, ...] = ()
    training: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    unused: Mapping[str, str] = field(default_factory=dict)

    @property
    def config(self) -> ModelConfig:
        """What defines the network apart from its weights."""
        return self.network.config

    @property
    def drawn(self) -> bool:
        """Whether the weights were trained on drawn gestures, so that int8 can be calibrated on drawn clips."""
        return self.training.get("data", "").startswith("drawn gesture")

    @property
    def clip_mode_frames(self) -> int:
        """Number of frames that clip mode takes by default: as in training, or 8 if clip mode cannot take those.

        Temporal pooling needs an even number, so an odd number is reduced by one.
        """
        from edgeshift.artifact.description import CLIP_FRAMES, CLIP_RANGE

        recorded = self.description.clip_frames or CLIP_FRAMES
        frames = recorded if CLIP_RANGE[0] <= recorded <= CLIP_RANGE[1] else CLIP_FRAMES
        return frames - frames % 2 if self.config.temporal_pool else frames

    def describe(self, target: str, precision: Precision = "fp32", step: Exportable | None = None) -> StreamSpec:
        """Return the description of the float step or clip function, with frames and states in NHWC.

        Args:
            target: name of the target.
            precision: precision of the artifact. All tensors are float32; a converter replaces those that it quantizes.
            step: the function that is converted; None: the step function of the network.
        """
        from msgspec.structs import asdict

        from edgeshift.artifact.spec import LOGITS, PlaceSpec, StreamSpec, TensorSpec, channels_last, input_name

        step = step or self.network.step()
        size, clip = self.config.size, step.frames > 1
        shapes = self.network.state_shapes(size, step.batch)
        return StreamSpec(
            **asdict(self.description),
            target=target,
            precision=precision,
            model=self.config,
            input=TensorSpec(name=input_name(step.frames), shape=(step.pictures, size, size, 3), dtype="float32"),
            output=TensorSpec(name=LOGITS, shape=(step.batch + step.sounds, self.config.classes), dtype="float32"),
            states=tuple(
                TensorSpec(
                    name=name, shape=channels_last(shapes[name]), dtype="float32", start=step.starts.get(name, 0.0)
                )
                for name in step.state_names
            ),
            mode="clip" if clip else "stream",
            hop=max(1, step.frames // 2) if clip else None,
            shifts=tuple(PlaceSpec.of(place, table) for place, table in self.network.tables.items()),
        )


class LoadOptions(TypedDict, total=False):
    """Options of ``edgeshift.checkpoints.load``. If an option is left out or None, its value is taken from the file.

    Attributes:
        model: a registry name such as ``tsm_mobilenet_v2``. Weights that were trained with a shift load only with this
            shift; weights that were trained without a shift load with any.
        size: height and width of the frames that the network will take, pixels; 224 if the file does not say.
        labels: one label per output.
        new_head: number of outputs of an untrained head that replaces the file's head.
        bidirectional: whether the weights were trained with slots for the future. The tensor names of MIT and mmaction2
            do not show this: True is assumed for their shifted networks, and False for weights without a shift.
        stream_bidirectional: whether bi-directional weights are changed so that they can stream: the past stays in its
            slot, and the slot of the future holds the fill (zeros for TSM). Past-only weights are not changed.
        fit: how frames are fitted. If the file does not say, "crop", with which public models are tested.
        order: channel order of the frames that the weights were trained on; "rgb" if the file does not say.
        frame_spacing: seconds between the frames of a training clip.
        shift_div: TSM's shift divisor, the N in "1/N of the channels"; 8 if the file does not say.
        depth: TSAM's K. Files of TSAM do not say it: the published 1 is assumed. For weights without a shift: 2.
        non_local: the kind of non-local blocks, a value of ``NonLocalKind``. Files of mmaction2 need it if they do not
            hold the configuration of their training.
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
    shift_div: int | None
    depth: int | None
    non_local: NonLocalKind | None
