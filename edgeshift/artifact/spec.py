"""StreamSpec: what a stranger needs to run an artifact and to trust it.

It is embedded in every artifact, so that one file is all there is to copy. When it is read it is untrusted input:
``decode`` checks types, sizes and consistency and never executes anything.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edgeshift.artifact.description import ModelDescription, Name, Sha256, Struct, Text
from edgeshift.errors import EdgeshiftError, SpecError
from edgeshift.models.config import ModelConfig
from edgeshift.shift import Fill
from edgeshift.targets import Precision, StateForm

#: Raised when a reader of an older version could no longer understand the result.
VERSION = 1
#: No honest description comes near this.
MAX_BYTES = 4 << 20
#: Of all tensors at the boundary together: half a gigabyte as float32. A stream allocates what a description says.
MAX_VALUES = 1 << 27
#: Names of the graph's input and output.
FRAME, LOGITS = "frame", "logits"
#: Where a graph's inputs and outputs need different names, the next state of ``state_x`` is ``next_state_x``.
NEXT = "next_"

Dtype = Literal["float32", "float16", "int8", "uint8"]
#: Of a value of each.
BYTES = {"float32": 4, "float16": 2, "int8": 1, "uint8": 1}
Count = Annotated[int, Meta(ge=0, le=1 << 31)]
Shape = Annotated[tuple[Annotated[int, Meta(ge=1, le=1 << 20)], ...], Meta(min_length=1, max_length=6)]


class GridSpec(Struct, frozen=True, kw_only=True):
    """The int8 grid that float values lie on: each is ``scale * (n - zero_point)`` for an n of -128 to 127."""

    scale: Annotated[float, Meta(gt=0)]
    zero_point: Annotated[int, Meta(ge=-128, le=127)]


class TensorSpec(Struct, frozen=True, kw_only=True):
    """One tensor at the boundary. ``real = scale * (stored - zero_point)`` for int8; scale 1 otherwise.

    A uint8 tensor is the frame as a picture, handed over as it is.
    """

    name: Name
    shape: Shape
    dtype: Dtype
    scale: Annotated[float, Meta(gt=0)] = 1.0
    zero_point: Annotated[int, Meta(ge=-128, le=127)] = 0
    start: float = 0.0
    """The real value that fills the tensor at the start of a stream (states only)."""
    grid: GridSpec | None = None
    """Of a float state in a graph that computes in int8, where the runtime has no int8 at its boundary."""
    channels: Literal["last", "first"] = "last"
    """Which of four dimensions the channels are: the last, or the second."""

    def __post_init__(self) -> None:
        if self.grid is not None and self.dtype in ("int8", "uint8"):
            raise ValueError(f"{self.name} is {self.dtype}: its grid is its own scale and zero point")
        if self.dtype == "int8" and not -128.5 < self.start / self.scale + self.zero_point < 127.5:
            raise ValueError(f"{self.name} starts at {self.start:g}, which its int8 cannot hold")

    @property
    def values(self) -> int:
        """How many numbers it holds."""
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
    """The shift at one place of the network."""

    place: Name
    channels: Count
    rows: Annotated[tuple[RowSpec, ...], Meta(max_length=1024)]


class CalibrationSpec(Struct, frozen=True, kw_only=True):
    """The clips that set the ranges of an int8 artifact."""

    source: Text
    clips: Count
    samples: Count
    sha256: Sha256


class GraphSpec(Struct, frozen=True, kw_only=True):
    """The converted graph: what the runtime executes."""

    operators: Annotated[dict[Name, Count], Meta(max_length=256)]
    partitions: Count | None = None
    delegated: Annotated[float, Meta(ge=0, le=1)] | None = None
    """Share of the operators that the runtime's fast path takes, of all of them; None: not known."""
    backend: Name | None = None
    """Whose fast path, where a runtime has several."""
    outside: Annotated[dict[Name, Count], Meta(max_length=256)] = {}
    """The operators it does not take, where they are known."""


class ParitySpec(Struct, frozen=True, kw_only=True):
    """How the artifact compared with the original network over a sequence of frames (``edgeshift.stream.parity``)."""

    reference: Text
    frames: Count
    logit_range: float
    max_error: float
    """Largest absolute difference of a logit, as a share of ``logit_range``."""
    cosine: float
    """Cosine between the two sequences of logits, all frames as one vector."""
    top1: float
    """Share of frames with the same first label."""
    top1_clear: float
    """The same, where labels that are tied in the reference (``edgeshift.stream.parity.TIE``) count as agreeing."""
    state_error: float
    """Root mean square difference of the worst state, as a share of that state's standard deviation."""
    lost_states: Annotated[tuple[Name, ...], Meta(max_length=256)] = ()
    """States of the original that the artifact does not carry."""
    runtime: Text | None = None
    """What ran the artifact."""
    drift: float
    """Mean error of the last eight frames over that of the first eight."""
    steps: float | None = None
    """Largest difference of a logit in quantization steps of the output (int8)."""
    repeatable: bool = True
    """Reset and run again: bit-equal."""


class CheckSpec(Struct, frozen=True, kw_only=True):
    """Frames by seed and the logits they must give: the device checks itself, with no other file and no torch."""

    seed: Count
    logits: Annotated[tuple[tuple[float, ...], ...], Meta(min_length=1, max_length=64)]
    tolerance: Annotated[float, Meta(gt=0)]
    """Largest allowed difference of a logit."""

    @property
    def span(self) -> float:
        """From the smallest to the largest expected logit."""
        values = [value for row in self.logits for value in row]
        return max(values, default=0.0) - min(values, default=0.0)


class StreamSpec(ModelDescription, frozen=True, kw_only=True):
    """Everything about an artifact but its graph."""

    version: int = VERSION
    target: Name
    precision: Precision
    model: ModelConfig
    input: TensorSpec
    output: TensorSpec
    states: Annotated[tuple[TensorSpec, ...], Meta(max_length=256)]
    state_form: StateForm = "io"
    """Where the states are between steps."""
    shifts: Annotated[tuple[PlaceSpec, ...], Meta(max_length=256)]
    body_bytes: Count = 0
    body_sha256: Sha256 | None = None
    """Size and hash of the graph this was written for."""
    graph: GraphSpec | None = None
    calibration: CalibrationSpec | None = None
    parity: ParitySpec | None = None
    check: CheckSpec | None = None
    tools: Annotated[dict[Name, Text], Meta(max_length=64)] = {}

    def __post_init__(self) -> None:
        classes = self.output.shape[-1]
        if self.output.shape != (1, classes):
            raise ValueError(f"the output {self.output.shape} is not one row of logits")
        values = sum(tensor.values for tensor in (self.input, self.output, *self.states))
        if values > MAX_VALUES:
            raise ValueError(f"its tensors hold {values:,} values; the limit is {MAX_VALUES:,}")
        size = (self.frame.height, self.frame.width)
        if len(self.labels) != classes or self.model.classes != classes:
            raise ValueError(f"{len(self.labels)} labels and {self.model.classes} classes for {classes} logits")
        if size != (self.model.size, self.model.size) or self.input.shape != (1, *size, 3):
            raise ValueError(f"the input {self.input.shape} is not one {size} frame of RGB")
        if self.check and any(len(row) != classes for row in self.check.logits):
            raise ValueError(f"a row of expected logits does not have {classes} values")
        if self.check and self.check.tolerance > max(self.check.span / 2, 1e-6):
            raise ValueError(f"a self-check that allows {self.check.tolerance:g} would accept anything")
        if self.input.dtype == "int8" and (self.input.scale, self.input.zero_point) != (1.0, -128):
            raise ValueError("an int8 frame is a pixel minus 128: scale 1, zero point -128")
        if any(tensor.dtype == "uint8" for tensor in (self.output, *self.states)):
            raise ValueError("only the frame is a picture of uint8")
        super().__post_init__()
        names = [self.input.name, self.output.name, *(state.name for state in self.states)]
        if len(set(names)) != len(names):
            raise ValueError("two tensors have the same name")

    @property
    def state_bytes(self) -> int:
        """Bytes carried from frame to frame."""
        return sum(state.values * BYTES[state.dtype] for state in self.states)


def encode(spec: StreamSpec) -> bytes:
    """The spec as JSON, indented for people who open the file."""
    return msgspec.json.format(msgspec.json.encode(spec), indent=1)


def decode(data: bytes, where: str) -> StreamSpec:
    """Read a spec from JSON.

    Args:
        data: untrusted bytes.
        where: what the error message calls them.

    Raises:
        SpecError: too large, not JSON, a wrong type, an unknown field, another version, or parts that contradict
            each other. One line, with the path of the field.
    """
    if len(data) > MAX_BYTES:
        raise SpecError(f"{where}: the description is {len(data):,} bytes; the limit is {MAX_BYTES:,}")
    try:
        version = msgspec.json.decode(data, type=_Versioned).version
        if version != VERSION:
            raise SpecError(
                f"{where}: the description has version {version}, this edgeshift reads version {VERSION}; "
                + ("update edgeshift" if version > VERSION else "convert the model again")
            )
        return msgspec.json.decode(data, type=StreamSpec)
    except RecursionError as error:
        raise SpecError(f"{where}: the description is nested too deeply; the file is not one of ours") from error
    except SpecError:
        raise
    except (msgspec.MsgspecError, EdgeshiftError, ValueError, OverflowError) as error:
        reason = "".join(c if c.isprintable() else "?" for c in " ".join(str(error).split())[:200])
        raise SpecError(f"{where}: the description is not valid: {reason}; convert the model again") from error


class _Versioned(msgspec.Struct):
    version: int
