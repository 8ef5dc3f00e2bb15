"""The description of an artifact (StreamSpec): everything that is needed to run the artifact and to judge it.

Every artifact contains its description, so that there is one file to copy. A description that is read is untrusted
input: ``decode`` checks types, sizes and consistency, and never executes anything.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edgeshift._system.npus import compiled_for
from edgeshift._system.text import printable
from edgeshift.artifact.description import ModelDescription, Name, Sha256, Struct, Text
from edgeshift.errors import EdgeshiftError, SpecError, one_line
from edgeshift.models.config import ModelConfig
from edgeshift.shift import Fill, Row, ShiftTable
from edgeshift.targets import Precision, StateForm

#: Version of the format. It is increased when older versions of edgeshift could not read a new description.
VERSION = 2
#: Versions that can be read. Version 1 has another self-check; all other fields of version 2 have default values.
READABLE = (1, 2)
#: Largest description in bytes. Real descriptions are far smaller.
MAX_BYTES = 4 << 20
#: Largest number of values in all tensors of a description together. A stream allocates them: 512 MiB as float32.
MAX_VALUES = 1 << 27
#: Names of the graph's input and output tensors. The input of a clip's graph is called ``CLIP``.
FRAME, CLIP, LOGITS = "frame", "clip", "logits"
PICTURES = (FRAME, CLIP)
#: Prefix of the names of next states, in graphs whose inputs and outputs must have different names.
NEXT = "next_"

Dtype = Literal["float32", "float16", "int8", "uint8"]
Mode = Literal["stream", "clip"]
#: Bytes of one value of each type.
BYTES = {"float32": 4, "float16": 2, "int8": 1, "uint8": 1}
Count = Annotated[int, Meta(ge=0, le=1 << 31)]
#: Real values of one state.
Values = Annotated[tuple[float, ...], Meta(min_length=1, max_length=256)]
Shape = Annotated[tuple[Annotated[int, Meta(ge=1, le=1 << 20)], ...], Meta(min_length=1, max_length=6)]


class GridSpec(Struct, frozen=True, kw_only=True):
    """The int8 grid that float values lie on: each value is ``scale * (n - zero_point)`` with n from -128 to 127."""

    scale: Annotated[float, Meta(gt=0)]
    zero_point: Annotated[int, Meta(ge=-128, le=127)]


class TensorSpec(Struct, frozen=True, kw_only=True):
    """One input, output or state of the graph.

    Attributes:
        name: name of the tensor.
        shape: shape with the batch dimension, which is 1, or for a clip the number of its frames.
        dtype: type of the stored values. uint8 is only used for the frame, and means that pixels are passed unchanged.
        scale: for int8, ``real = scale * (stored - zero_point)``; 1 for other types.
        zero_point: see ``scale``.
        start: real value that fills a state at the start of a stream.
        grid: int8 grid of a float state, if the graph computes in int8 but the runtime has no int8 inputs and outputs.
        channels: position of the channels in a tensor of four dimensions: the last dimension, or the second ("first").
    """

    name: Name
    shape: Shape
    dtype: Dtype
    scale: Annotated[float, Meta(gt=0)] = 1.0
    zero_point: Annotated[int, Meta(ge=-128, le=127)] = 0
    start: float = 0.0
    grid: GridSpec | None = None
    channels: Literal["last", "first"] = "last"

    def __post_init__(self) -> None:
        if self.grid is not None and self.dtype in ("int8", "uint8"):
            raise ValueError(f"{self.name} is {self.dtype} and has a grid as well as its own scale and zero point")
        if self.dtype == "int8" and not -128.5 < self.start / self.scale + self.zero_point < 127.5:
            raise ValueError(f"{self.name} starts at {self.start:g}, which is outside of its int8 range")

    @property
    def values(self) -> int:
        """Number of values in the tensor."""
        return math.prod(self.shape)


class RowSpec(Struct, frozen=True, kw_only=True):
    """One row of a shift table (``edgeshift.shift.Row``)."""

    dt: Annotated[int, Meta(ge=-64, le=64)] | None
    dh: Annotated[int, Meta(ge=-64, le=64)]
    dw: Annotated[int, Meta(ge=-64, le=64)]
    start: Count
    stop: Count
    fill: Fill


class PlaceSpec(Struct, frozen=True, kw_only=True):
    """The shift table of one place in the network. Channels that no row contains are not shifted."""

    place: Name
    channels: Count
    rows: Annotated[tuple[RowSpec, ...], Meta(max_length=1024)]

    @classmethod
    def of(cls, place: str, table: ShiftTable) -> PlaceSpec:
        """Return the description of a shift table at a place."""
        rows = tuple(RowSpec(**msgspec.structs.asdict(row)) for row in table.rows)
        return cls(place=place, channels=table.channels, rows=rows)

    def table(self) -> ShiftTable:
        """Return the shift table that is described.

        Raises:
            ShiftError: the rows do not fit the channels.
        """
        return ShiftTable(self.place, self.channels, tuple(Row(**msgspec.structs.asdict(row)) for row in self.rows))


class CalibrationSpec(Struct, frozen=True, kw_only=True):
    """The clips that an int8 artifact was calibrated with, and the hash of their frames.

    ``samples`` is the number of frames, with their states, that the quantizer has seen. ``total`` is the number of
    clips in the folder from which ``clips`` were chosen; None: not recorded, or not chosen from a folder.
    """

    source: Text
    clips: Count
    samples: Count
    sha256: Sha256
    total: Count | None = None


class GraphSpec(Struct, frozen=True, kw_only=True):
    """The converted graph, which the runtime executes.

    Attributes:
        operators: {operator: how many times it occurs}.
        partitions: number of partitions that the delegate executes; None: not known.
        delegated: share of the operators that the delegate executes, 0 to 1; None: not known.
        backend: name of the delegate; None: not known.
        outside: {operator: how many times it occurs} of the operators that the delegate does not execute, if known.
    """

    operators: Annotated[dict[Name, Count], Meta(max_length=256)]
    partitions: Count | None = None
    delegated: Annotated[float, Meta(ge=0, le=1)] | None = None
    backend: Name | None = None
    outside: Annotated[dict[Name, Count], Meta(max_length=256)] = msgspec.field(default_factory=dict)


class SoundParitySpec(Struct, frozen=True, kw_only=True):
    """Comparison of the answers to sounds with those of the original network (``edgeshift.stream.sound_parity``).

    Attributes:
        sounds: number of sounds that were compared.
        max_error, cosine: of the logits of sounds alone; see ``ParitySpec``.
        top1: share of the sounds with the same top label, where labels that are tied in the original count as the same.
        fused_error, fused_cosine, fused_top1: the same for the answers to frames and sound together.
    """

    sounds: Count
    max_error: float
    cosine: float
    top1: float
    fused_error: float
    fused_cosine: float
    fused_top1: float


class ParitySpec(Struct, frozen=True, kw_only=True):
    """Parity: comparison of the artifact with the original network over many frames (``edgeshift.stream.parity``).

    Attributes:
        reference: runtime of the original network.
        frames: number of frames that were compared; of a clip, number of windows.
        logit_range: largest minus smallest logit of the original.
        max_error: largest absolute difference of a logit, as a share of ``logit_range``.
        cosine: cosine between the two sequences of logits, each as one vector, after each frame is centred.
        top1: share of the frames with the same top label.
        top1_clear: the same share, with agreement on frames whose top labels are tied in the original (``TIE`` in
            ``edgeshift.stream.parity``).
        state_error: root mean square error of the state that differs most, in standard deviations of that state.
        lost_states: states of the original that the artifact does not carry.
        runtime: runtime of the artifact.
        drift: mean error of the last eight frames divided by that of the first eight.
        original_error: for fp16, whose reference is the original with weights rounded to fp16: ``max_error`` against
            the original as it is; None: the reference is the original as it is.
        original_state_error: ``state_error`` against the original as it is; None: as for ``original_error``.
        steps: largest difference of a logit in quantization steps of the output; None: the output is not int8.
        repeatable: True if the same frames gave exactly the same logits after a reset.
        sound: comparison of the answers to sounds; None: the network has no sound segment.
    """

    reference: Text
    frames: Count
    logit_range: float
    max_error: float
    cosine: float
    top1: float
    top1_clear: float
    state_error: float
    lost_states: Annotated[tuple[Name, ...], Meta(max_length=256)] = ()
    runtime: Text | None = None
    drift: float
    original_error: float | None = None
    original_state_error: float | None = None
    steps: float | None = None
    repeatable: bool = True
    sound: SoundParitySpec | None = None


class CheckSpec(Struct, frozen=True, kw_only=True):
    """The self-check: a device compares its results with these, without torch and without another file.

    The accepted errors depend on the processor and are in ``edgeshift.stream.selfcheck``.

    Attributes:
        seed: seed of the test frames (``edgeshift.stream.selfcheck.check_frames``).
        logits: expected logits of each frame, or of each window of a clip (``edgeshift.stream.selfcheck``).
        states: {name of a state: expected real values after the last frame}, at the positions that
            ``edgeshift.stream.selfcheck`` defines.
        reference: what computed the expected values: the artifact, or the original network if the artifact could not
            run on the machine that made it.
        tolerance: version 1 of the format: largest allowed difference of a logit. None in later versions.
    """

    seed: Count
    logits: Annotated[tuple[tuple[float, ...], ...], Meta(min_length=1, max_length=64)]
    states: Annotated[dict[Name, Values], Meta(max_length=256)] = msgspec.field(default_factory=dict)
    reference: Literal["artifact", "original"] = "artifact"
    tolerance: Annotated[float, Meta(gt=0)] | None = None

    @property
    def span(self) -> float:
        """Largest minus smallest expected logit."""
        values = [value for row in self.logits for value in row]
        return max(values, default=0.0) - min(values, default=0.0)


class StreamSpec(ModelDescription, frozen=True, kw_only=True):
    """The description of an artifact. It also has the fields of ``ModelDescription``.

    Attributes:
        version: version of the format, ``VERSION``, or an older one of a file that was read.
        target: name of the target (``edgeshift.targets``).
        precision: precision of the weights and activations.
        model: the network.
        input: tensor of the frame, of a frame of each of N cameras, or of the frames of a clip. If a clip's network has
            a sound segment, the picture of the sound comes after the frames.
        output: tensor of the logits, [1, classes], or [N, classes] for N cameras. If a clip's network has a sound
            segment, [2, classes]: the mean over the frames, then the logits of the sound.
        states: tensors of the states.
        mode: "stream": the graph takes one frame and the states. "clip": it takes all frames of a clip and has no
            states.
        hop: for a clip: number of frames from one answer of a stream to the next; None: the artifact is not a clip's.
        state_form: how the artifact carries its states between steps.
        shifts: shift table of each place in the network.
        body_bytes: size of the graph in bytes.
        body_sha256: hash of the graph.
        graph: operators of the graph and where they run; None: not known.
        calibration: calibration clips of an int8 artifact.
        float_layers: patterns of the layers that an int8 graph computes in float (``--float-layers``, and the attention
            of non-local blocks).
        parity: comparison with the original network; None: it was not made.
        check: the self-check; None: the artifact has none.
        problems: limits of parity that the artifact does not keep. It was written nevertheless, because of ``--force``.
        tools: {package: version} of the packages that made the artifact.
    """

    version: int = VERSION
    target: Name
    precision: Precision
    model: ModelConfig
    input: TensorSpec
    output: TensorSpec
    states: Annotated[tuple[TensorSpec, ...], Meta(max_length=256)]
    mode: Mode = "stream"
    hop: Annotated[int, Meta(ge=1, le=4096)] | None = None
    state_form: StateForm = "io"
    shifts: Annotated[tuple[PlaceSpec, ...], Meta(max_length=256)]
    body_bytes: Count = 0
    body_sha256: Sha256 | None = None
    graph: GraphSpec | None = None
    calibration: CalibrationSpec | None = None
    float_layers: Annotated[tuple[Text, ...], Meta(max_length=256)] = ()
    parity: ParitySpec | None = None
    check: CheckSpec | None = None
    problems: Annotated[tuple[Text, ...], Meta(max_length=64)] = ()
    tools: Annotated[dict[Name, Text], Meta(max_length=64)] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        classes = self.output.shape[-1]
        rows = self.batch + self.sounds
        if self.output.shape != (rows, classes):
            what = "one row" if rows == 1 else f"{rows} rows"
            raise ValueError(f"the output has shape {self.output.shape}, which is not {what} of logits")
        values = sum(tensor.values for tensor in (self.input, self.output, *self.states))
        if values > MAX_VALUES:
            raise ValueError(f"the tensors hold {values:,} values; the limit is {MAX_VALUES:,}")
        size = (self.frame.height, self.frame.width)
        if len(self.labels) != classes or self.model.classes != classes:
            raise ValueError(f"{len(self.labels)} labels and {self.model.classes} classes for {classes} logits")
        if size != (self.model.size, self.model.size) or not self._takes(size):
            what = "one RGB frame" if self.mode == "stream" else "a clip of RGB frames"
            what += " and a sound" if self.sounds else ""
            raise ValueError(f"the input has shape {self.input.shape}, which is not {what} of size {size}")
        self._require_mode()
        if self.quiet is not None and (self.model.sound is None or len(self.quiet) != classes):
            raise ValueError(f"the logits of a quiet room do not belong to a network with {classes} logits and a sound")
        if self.check and any(len(row) != classes for row in self.check.logits):
            raise ValueError(f"a row of expected logits does not have {classes} values")
        if self.input.dtype == "int8" and (self.input.scale, self.input.zero_point) != (1.0, -128):
            raise ValueError("an int8 frame must have scale 1 and zero point -128, so that it is the pixel minus 128")
        if any(tensor.dtype == "uint8" for tensor in (self.output, *self.states)):
            raise ValueError("an output or a state is uint8, which only the frame may be")
        if self.float_layers and self.precision != "int8":
            raise ValueError(f"some layers are said to stay in float, but the artifact is {self.precision}")
        super().__post_init__()
        names = [self.input.name, self.output.name, *(state.name for state in self.states)]
        if len(set(names)) != len(names):
            raise ValueError("two tensors have the same name")
        if self.check is not None:
            self._require_check(self.check)

    def _require_check(self, check: CheckSpec) -> None:
        if (check.tolerance is None) == (self.version == 1):
            raise ValueError(f"the self-check is not that of version {self.version}")
        if check.tolerance is not None and check.tolerance > max(check.span / 2, 1e-6):
            raise ValueError(f"the self-check has a tolerance of {check.tolerance:g}, which accepts any logits")
        values = {state.name: state.values for state in self.states}
        for name, expected in check.states.items():
            if name not in values or len(expected) > values[name]:
                raise ValueError(f"the self-check has {len(expected)} values of {name}, which is no state of that size")

    def _takes(self, size: tuple[int, int]) -> bool:
        """Return whether the input has the shape of RGB frames of this size: one frame, or at least two for a clip."""
        expected = [*size, 3] if self.input.channels == "last" else [3, *size]
        return [*self.input.shape[1:]] == expected and (self.frames == 1 if self.mode == "stream" else self.frames >= 2)

    def _require_mode(self) -> None:
        if self.mode == "clip" and (self.states or self.hop is None or self.hop > self.frames):
            raise ValueError("a clip has no states, and a hop of at most its number of frames")
        if self.mode == "stream" and self.hop is not None:
            raise ValueError("a hop belongs to a clip, and this is a stream")
        if self.batch > 1 and any(not state.shape or state.shape[0] != self.batch for state in self.states):
            raise ValueError(f"a state does not have the {self.batch} rows of the input, one for each camera")
        if self.batch > 1 and (self.state_form != "io" or self.model.sound is not None):
            raise ValueError("several cameras in one call need states as inputs, and a network without sound")
        if self.input.channels == "first" and self.mode == "stream":
            raise ValueError("a frame must have its channels last")

    @property
    def batch(self) -> int:
        """Number of cameras whose frames the graph takes in one call: 1, or more with ``--batch``."""
        rows = self.input.shape[0]
        return rows if self.mode == "stream" and self.output.shape[:1] == (rows,) else 1

    @property
    def frames(self) -> int:
        """Number of frames of a camera that the graph takes in one call: 1, or the number of frames of a clip."""
        return 1 if self.batch > 1 else self.input.shape[0] - self.sounds

    @property
    def sounds(self) -> int:
        """Number of pictures of sounds that the graph takes after the frames: 1 for a clip that hears, otherwise 0."""
        return int(self.mode == "clip" and self.model.sound is not None)

    @property
    def chip(self) -> str | None:
        """The chip whose NPU the graph is compiled for, such as "Qualcomm SM8650"; None: for no NPU."""
        return None if self.graph is None else compiled_for(self.graph.backend)

    @property
    def state_bytes(self) -> int:
        """Size of all states together, bytes."""
        return sum(state.values * BYTES[state.dtype] for state in self.states)


def input_name(frames: int) -> str:
    """Return the name of the input of a graph that takes this number of frames in one call."""
    return FRAME if frames == 1 else CLIP


def encode(spec: StreamSpec) -> bytes:
    """Return the description as JSON, indented so that people can read it."""
    return msgspec.json.format(msgspec.json.encode(spec), indent=1)


def decode(data: bytes, where: str) -> StreamSpec:
    """Read a description from JSON.

    Args:
        data: untrusted bytes.
        where: path of the artifact, for the error message.

    Raises:
        SpecError: the data is too large or not JSON, has another version, an unknown field or a value of a wrong type,
            or contradicts itself. The message names the field.
    """
    if len(data) > MAX_BYTES:
        size = f"{len(data):,} bytes; the limit is {MAX_BYTES:,}"
        raise SpecError(f"{where}: the description is {size}; convert the model again")
    try:
        version = msgspec.json.decode(data, type=_Versioned).version
        if version in READABLE:
            return msgspec.json.decode(data, type=StreamSpec)
    except (msgspec.MsgspecError, EdgeshiftError, ValueError, OverflowError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else printable(one_line(error))
        raise SpecError(f"{where}: the description is not valid: {reason}; convert the model again") from error
    remedy = "update edgeshift" if version > VERSION else "convert the model again"
    raise SpecError(f"{where}: the description has version {version}, this edgeshift reads version {VERSION}; {remedy}")


def channels_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape [N, C, H, W] as [N, H, W, C]; return a shape of another rank as it is."""
    return (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape


class _Versioned(msgspec.Struct):
    version: int
