"""The golden transcript of an artifact: a list of calls with their results, which every implementation must give again.

Python writes the file. Python, the phone's page, C++ and Kotlin make the same calls and compare their results with it.
docs/reference/transcript.md describes the format. It contains no pictures and no sounds, which are computed from
numbers.
"""

from __future__ import annotations

import base64
import binascii
import math
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from edgeshift._system.files import read_file
from edgeshift._system.text import PRINTABLE_PATTERN, printable
from edgeshift.artifact.description import Label, Name, Sha256, Struct, Text
from edgeshift.artifact.spec import Mode, Values
from edgeshift.errors import EdgeshiftError, one_line
from edgeshift.sound.analysis import MAX_RATE
from edgeshift.stream.ear import Hearing
from edgeshift.targets import Precision
from edgeshift.video.fit import Frame
from edgeshift.video.pace import MAX_TIME

#: Versions of the format. A transcript with sounds has version 2, so that readers of version 1 refuse it.
WITHOUT_SOUNDS, WITH_SOUNDS = 1, 2
#: Largest transcript in bytes.
MAX_BYTES = 64 << 20
#: Largest difference of an event's score. The exponential function differs between languages by about 1e-16.
SCORE_ERROR = 1e-9
#: Coloured cells along each side of a picture, and the distance between the numbers of two rows of cells.
CELLS, ROW = 14, 4096

Time = Annotated[float, Meta(ge=-MAX_TIME, le=MAX_TIME)]
Index = Annotated[int, Meta(ge=0, lt=100_000)]
Side = Annotated[int, Meta(ge=1, le=4096)]
Number = Annotated[int, Meta(ge=0, lt=1 << 31)]
#: The sounds of ``edgeshift.stream.transcript_sounds.samples_of``.
Sound = Literal["drawn", "silent", "clipped"]
#: Most samples of one call.
MAX_SAMPLES = 1 << 25
#: Little-endian float32 numbers in base64.
Packed = Annotated[str, Meta(max_length=600_000, pattern=PRINTABLE_PATTERN)]


class Event(Struct, frozen=True, kw_only=True):
    """A detection: position of its label, the label, its score, and the time of the frame that completed it."""

    index: Index
    label: Label
    score: Annotated[float, Meta(ge=0, le=1 + SCORE_ERROR)]
    timestamp: Time


class Step(Struct, frozen=True, kw_only=True, tag_field="call", tag="step"):
    """One frame is given to the stream. If the prediction is fresh and has a time, it is given to the spotter.

    Attributes:
        picture, height, width: the frame, see ``picture``.
        time: time of the frame in seconds; None: it is given without a time.
        answer: "fresh": the graph ran. "repeated": the last prediction came again. "none": there is none yet.
        index: position of the predicted label; None if there is no prediction.
        logits: of a fresh prediction.
        states: of a fresh prediction: hash of the states after it, see ``state_bytes``.
        event: the detection that the frame completed; None: there is none.
        heard: of a prediction of a network with a sound segment: whether it contains a sound, or why not.
    """

    picture: Number
    height: Side
    width: Side
    time: Time | None
    answer: Literal["fresh", "repeated", "none"]
    index: Index | None = None
    logits: Packed | None = None
    states: Sha256 | None = None
    event: Event | None = None
    heard: Hearing | None = None

    def __post_init__(self) -> None:
        fresh = self.answer == "fresh"
        if (self.index is None) != (self.answer == "none"):
            raise ValueError(f"the answer is {self.answer!r}, and index is {self.index}")
        if fresh != (self.logits is not None) or fresh != (self.states is not None):
            raise ValueError(f"the answer is {self.answer!r}: only a fresh one has logits and states, and it has both")
        if self.event is not None and (not fresh or self.time is None):
            raise ValueError("only a fresh answer with a time can complete an event")
        if self.heard is not None and self.answer == "none":
            raise ValueError("only a prediction says what was heard")


class Reset(Struct, frozen=True, kw_only=True, tag_field="call", tag="reset"):
    """Stream and spotter start again. ``states`` is the hash of the states after it."""

    states: Sha256


class Save(Struct, frozen=True, kw_only=True, tag_field="call", tag="save"):
    """The states are copied. ``states`` is their hash."""

    states: Sha256


class Restore(Struct, frozen=True, kw_only=True, tag_field="call", tag="restore"):
    """The stream continues from the copy of the last "save", and the spotter starts again. ``states``: as for Reset."""

    states: Sha256


class Hear(Struct, frozen=True, kw_only=True, tag_field="call", tag="hear"):
    """Samples of a microphone are given to the stream. The result is seen in ``heard`` of the next step.

    Attributes:
        sound, first, samples: kind of the sound, number of its first sample, and number of samples; see
            ``edgeshift.stream.transcript_sounds.samples_of``.
        rate: samples per second.
        time: time of the first sample in seconds.
    """

    sound: Sound
    first: Number
    samples: Annotated[int, Meta(ge=1, le=MAX_SAMPLES)]
    rate: Annotated[int, Meta(ge=1, le=MAX_RATE)]
    time: Time


class Deafen(Struct, frozen=True, kw_only=True, tag_field="call", tag="deafen"):
    """The stream forgets all samples, as when the microphone is switched off."""


Call = Step | Reset | Save | Restore | Hear | Deafen


class RuleCall(Struct, frozen=True, kw_only=True):
    """Logits with a time are given to a spotter. ``event`` is the detection that they complete; None: there is none."""

    time: Time
    logits: Packed
    event: Event | None = None


class Subject(Struct, frozen=True, kw_only=True):
    """The artifact: some fields of its description, and the hash of its graph, which says whether it is the same."""

    target: Name
    precision: Precision
    mode: Mode
    body_sha256: Sha256


class Bounds(Struct, frozen=True, kw_only=True):
    """What is accepted where results need not be equal to the bit.

    Attributes:
        logits: largest root mean square error of all logits.
        states: largest root mean square error of the samples of one state, in standard deviations of these samples.
    """

    logits: Annotated[float, Meta(gt=0)]
    states: Annotated[float, Meta(gt=0)]


class Transcript(Struct, frozen=True, kw_only=True):
    """A golden transcript.

    Attributes:
        version: version of the format: 2 if there are sounds, else 1.
        artifact: the artifact that was run.
        runtime: name and version of the runtime that gave the results.
        exact: True if logits and states must be equal to the bit in the same runtime on any processor.
        bounds: errors that are accepted otherwise.
        seed: number from which the pictures and sounds are computed.
        calls: what is called, in order, and the results.
        samples: {name of a state: its real values after the last call, at the positions of the self-check}.
        rule_calls: calls of another spotter with the artifact's rule. They contain the logits, so that they do not
            depend on the graph.
    """

    version: int
    artifact: Subject
    runtime: Text
    exact: bool
    bounds: Bounds
    seed: Annotated[int, Meta(ge=0, lt=1 << 32)]
    calls: Annotated[tuple[Call, ...], Meta(min_length=1, max_length=100_000)]
    samples: Annotated[dict[Name, Values], Meta(max_length=256)]
    rule_calls: Annotated[tuple[RuleCall, ...], Meta(max_length=100_000)]

    def __post_init__(self) -> None:
        if self.version not in (WITHOUT_SOUNDS, WITH_SOUNDS):
            raise ValueError(f"version {self.version}: this edgeshift reads versions 1 and 2: write the file again")
        if self.version == WITHOUT_SOUNDS and any(map(_hears, self.calls)):
            raise ValueError(f"version {WITHOUT_SOUNDS} has no sounds: write the file again")
        saved = False
        for call in self.calls:
            saved = saved or isinstance(call, Save)
            if isinstance(call, Restore) and not saved:
                raise ValueError("a restore has no save before it")
        steps = (call.logits for call in self.calls if isinstance(call, Step))
        for packed in (*steps, *(call.logits for call in self.rule_calls)):
            if packed is not None:
                unpack(packed)


def _hears(call: Call) -> bool:
    """Return whether only a network with a sound segment can answer to a call."""
    return isinstance(call, Hear | Deafen) or (isinstance(call, Step) and call.heard is not None)


def read_transcript(path: Path) -> Transcript:
    """Read a transcript, which is untrusted.

    Raises:
        EdgeshiftError: the file cannot be read, is too large, or is not a transcript of this version.
    """
    try:
        return msgspec.json.decode(read_file(path, MAX_BYTES), type=Transcript)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise EdgeshiftError(
            f"{path}: not a transcript: {printable(one_line(error))}; edgeshift transcript writes one"
        ) from error


def encode_transcript(transcript: Transcript) -> bytes:
    """Return the bytes of the file: JSON, with one call in each line. Fields that are None are left out."""
    fields = {name: _without_nones(value) for name, value in msgspec.to_builtins(transcript).items()}
    lines = []
    for name, value in fields.items():
        text = msgspec.json.encode(value).decode()
        if isinstance(value, list) and value:
            text = "[\n" + ",\n".join(msgspec.json.encode(item).decode() for item in value) + "\n]"
        lines.append(f'"{name}": {text}')
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def picture(seed: int, number: int, height: int, width: int) -> Frame:
    """Return a picture of a transcript: coloured cells, which move to the left by one from one number to the next.

    Returns:
        uint8 [height, width, 3], RGB. The bytes are those of "Golden bytes" in docs/reference/frames.md.
    """
    rows = np.arange(height, dtype=np.int64)[:, None] * CELLS // height * ROW
    columns = np.arange(width, dtype=np.int64)[None] * CELLS // width + number
    cells = 3 * (rows + columns)[..., None] + np.arange(3) + seed
    return golden_bytes(cells)


def golden_bytes(indices: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Return the bytes with these indices, by the formula of "Golden bytes" in docs/reference/frames.md."""
    mixed = indices.astype(np.uint32) * np.uint32(2654435761)
    mixed ^= mixed >> np.uint32(15)
    return ((mixed * np.uint32(2246822519)) >> np.uint32(24)).astype(np.uint8)


def pack(logits: npt.NDArray[np.float32]) -> str:
    """Return logits as a transcript stores them: the bytes of little-endian float32 numbers in base64."""
    return base64.b64encode(logits.astype("<f4").tobytes()).decode()


def unpack(text: str) -> npt.NDArray[np.float32]:
    """Return the logits that ``pack`` stored.

    Raises:
        ValueError: the text is not base64 of whole float32 numbers, or a number is not finite.
    """
    try:
        logits = np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"logits are not float32 numbers in base64: {error}") from error
    if not logits.size or not math.isfinite(float(np.abs(logits).max())):
        raise ValueError("logits are missing or not finite")
    return logits


def _without_nones(value: object) -> object:
    """Leave out the fields that are None, except ``time``, which is always given."""
    if isinstance(value, dict):
        return {name: _without_nones(item) for name, item in value.items() if item is not None or name == "time"}
    return [_without_nones(item) for item in value] if isinstance(value, list | tuple) else value
