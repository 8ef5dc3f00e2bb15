"""What is to be converted: a network with what its weights do not say (frame, labels, spacing, provenance)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgeshift.frames import FrameSpec
from edgeshift.models.network import ShiftNetwork, Step
from edgeshift.spec import PlaceSpec, Precision, RowSpec, StreamSpec, TensorSpec, WeightsSpec

FRAME, LOGITS = "frame", "logits"


@dataclass(frozen=True)
class Source:
    """A network ready to convert.

    Attributes:
        network: in evaluation mode.
        frame: what it is shown. labels: one per class.
        weights: where they come from.
        frame_spacing: seconds between the frames of a training clip, if known. clip_frames: how many.
        consensus: how clip predictions are formed from frames.
    """

    network: ShiftNetwork
    frame: FrameSpec
    labels: tuple[str, ...]
    weights: WeightsSpec
    frame_spacing: float | None = None
    clip_frames: int | None = None
    consensus: Literal["mean", "last"] = "mean"

    def describe(self, target: str, precision: Precision = "fp32", step: Step | None = None) -> StreamSpec:
        """The spec of the float step with frames and states in NHWC; converters replace what they change."""
        step = step or Step(self.network)
        size = self.network.config.size
        shapes = self.network.state_shapes(size)
        return StreamSpec(
            target=target,
            precision=precision,
            model=self.network.config,
            frame=self.frame,
            input=TensorSpec(name=FRAME, shape=(1, size, size, 3), dtype="float32"),
            output=TensorSpec(name=LOGITS, shape=(1, self.network.config.classes), dtype="float32"),
            states=tuple(
                TensorSpec(name=name, shape=channels_last(shapes[name]), dtype="float32") for name in step.state_names
            ),
            labels=self.labels,
            shifts=tuple(
                PlaceSpec(
                    place=place,
                    channels=table.channels,
                    rows=tuple(
                        RowSpec(dt=r.dt, dh=r.dh, dw=r.dw, start=r.start, stop=r.stop, fill=r.fill) for r in table.rows
                    ),
                )
                for place, table in self.network.tables.items()
            ),
            weights=self.weights,
            frame_spacing=self.frame_spacing,
            clip_frames=self.clip_frames,
            consensus=self.consensus,
        )


def channels_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """[N, C, H, W] to [N, H, W, C]; other ranks as they are."""
    return (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape
