"""What is to be converted: a network with what its weights do not say (frame, labels, spacing, provenance)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgeshift._system.files import sha256
from edgeshift.artifact.description import RuleSpec, WeightsSpec
from edgeshift.artifact.spec import FRAME, LOGITS, PlaceSpec, RowSpec, StreamSpec, TensorSpec
from edgeshift.targets import Precision
from edgeshift.video.fit import FrameSpec

if TYPE_CHECKING:
    from edgeshift.models.network import ShiftNetwork, Step

#: What `edgeshift convert` converts if nothing is named.
DEFAULT_MODEL, DEFAULT_SIZE = "tsm_mobilenet_v2", 112
UNTRAINED_WEIGHTS = "untrained: random weights from a fixed seed"


@dataclass(frozen=True)
class Source:
    """A network ready to convert.

    Attributes:
        network: in evaluation mode.
        frame: what it is shown. labels: one per class.
        weights: where they come from.
        frame_spacing: seconds between the frames of a training clip, if known. clip_frames: how many.
        consensus: how clip predictions are formed from frames. rule: how a stream of answers becomes events.
        notes: what a user should know before trusting the answers, a line each.
    """

    network: ShiftNetwork
    frame: FrameSpec
    labels: tuple[str, ...]
    weights: WeightsSpec
    frame_spacing: float | None = None
    clip_frames: int | None = None
    consensus: Literal["mean", "last"] = "mean"
    rule: RuleSpec | None = None
    notes: tuple[str, ...] = ()

    def describe(self, target: str, precision: Precision = "fp32", step: Step | None = None) -> StreamSpec:
        """The spec of the float step with frames and states in NHWC; converters replace what they change."""
        from edgeshift.models.network import Step

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
            rule=self.rule,
        )


def default_source(
    model: str = DEFAULT_MODEL, *, size: int | None = None, width: float | None = None, depth: int | None = None
) -> Source:
    """What is converted if no checkpoint is given: the weights that ship with edgeshift, else an untrained network.

    Args:
        model: a registry name. size: pixels a side; None: what the weights were trained at.
        width, depth: of an untrained network; given, they rule the shipped weights out.

    Raises:
        ModelError, ShiftError: a name, size or width that does not work.
    """
    from edgeshift.weights import shipped

    path = shipped(model)
    if path is None or width is not None or depth is not None:
        return untrained_source(model, size=size or DEFAULT_SIZE, width=width or 1.0, depth=depth or 2)
    source = checkpoint_source(path)
    trained = source.frame.width
    if size in (None, trained):
        return source
    source = checkpoint_source(path, size=size)
    note = f"the shipped {model} was trained at {trained}x{trained}: nobody has measured its answers at {size}x{size}"
    return replace(source, notes=(*source.notes, note))


def untrained_source(
    model: str = DEFAULT_MODEL, *, size: int = DEFAULT_SIZE, width: float = 1.0, depth: int = 2
) -> Source:
    """A network nobody has trained, with labels of the drawn gestures: everything works, no answer means anything.

    Args:
        model: a registry name. size: pixels a side. width: MobileNetV2's multiplier. depth: TSAM's K.

    Raises:
        ModelError, ShiftError: a name, size or width that does not work.
    """
    import torch

    from edgeshift._system.threads import one_thread
    from edgeshift.gestures import LABELS
    from edgeshift.gestures.fitted_clips import drawn_clips
    from edgeshift.models import ModelConfig, parse_name
    from edgeshift.models.untrained import initial_network

    table, backbone = parse_name(model)
    config = ModelConfig(table, backbone, len(LABELS), size=size, width=width, depth=depth)
    frame = FrameSpec(size, size)
    measured = min(size, 224)  # the statistics hardly depend on the size, the memory does
    clips = np.stack(drawn_clips(FrameSpec(measured, measured), len(LABELS), seed=5).frames)
    with one_thread():
        network = initial_network(config, torch.from_numpy(clips).permute(0, 1, 4, 2, 3).float())
    digest = sha256(b"".join(tensor.numpy().tobytes() for tensor in network.state_dict().values()))
    weights = WeightsSpec(source=UNTRAINED_WEIGHTS, sha256=digest, trained=False)
    return Source(network, frame, LABELS, weights, clip_frames=clips.shape[1])


def checkpoint_source(
    path: Path,
    *,
    model: str | None = None,
    size: int | None = None,
    labels: tuple[str, ...] | None = None,
    fit: Literal["squash", "crop"] | None = None,
    order: Literal["rgb", "bgr"] | None = None,
    frame_spacing: float | None = None,
    past_only: bool = False,
    stream_bidirectional: bool = False,
) -> Source:
    """A checkpoint in any layout that ``edgeshift.checkpoints`` reads; arguments override what the file says.

    Args:
        path: the file. model, size, labels, stream_bidirectional: see ``edgeshift.checkpoints.load``.
        past_only: the weights were trained past-only, which the names of MIT's and mmaction2's tensors cannot show.
        fit: how frames are fitted; None: as the file says, else the centre crop that public models are tested with.
        order: channel order the weights were trained on; None: as the file says, else RGB.
        frame_spacing: seconds between training frames; None: as the file says.

    Raises:
        CheckpointError: damaged, incomplete, unknown, or in need of the future.
    """
    from edgeshift.checkpoints import load_for_streaming

    read = load_for_streaming(
        path,
        model=model,
        size=size,
        labels=labels,
        bidirectional=False if past_only else None,
        stream_bidirectional=stream_bidirectional,
    )
    size = read.config.size
    names = read.labels or tuple(f"class {i}" for i in range(read.config.classes))
    known = read.channel_order if read.channel_order != "unknown" else "rgb"
    return Source(
        read.network,
        FrameSpec(size, size, fit=fit or read.fit or "crop", order=order or known),
        names,
        WeightsSpec(
            source=read.source or f"{_printable(path.name)} ({read.layout})",
            sha256=read.sha256,
            trained=read.trained,
            license=read.license,
        ),
        frame_spacing=frame_spacing or read.frame_spacing,
        clip_frames=read.frames,
        consensus=read.consensus,
        rule=read.rule,
        notes=read.notes,
    )


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def channels_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """[N, C, H, W] to [N, H, W, C]; other ranks as they are."""
    return (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape
