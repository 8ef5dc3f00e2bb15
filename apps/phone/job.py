"""What the server sends to the page: the artifact, the measurements to offer, and the frames for timing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift.artifact.file import artifact_bytes, read_artifact
from edgeshift.artifact.spec import StreamSpec
from edgeshift.errors import ArtifactError, EdgeshiftError

Accelerator = Literal["cpu", "webgpu"]
#: Most bytes of frames that are sent to a phone, enough for 16 frames of 1280x960.
MAX_FRAMES = 64 << 20


class TimingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How long one measurement lasts.

    Attributes:
        steps: least number of steps in a repeat.
        seconds: least duration of a repeat, seconds.
        repeats: number of repeats; each runs in a fresh web worker.
        fps: frame rate of the camera that mode "paced" simulates; None in other modes.
        minutes: duration of a repeat in mode "sustained", minutes; None in other modes.
    """

    steps: int
    seconds: float
    repeats: int
    fps: float | None = None
    minutes: int | None = None


class PageJob(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that the page reads when it is opened.

    Attributes:
        file: name of the artifact, which the page shows.
        modes: the measurements that the page offers, by name of the mode.
        mode: the mode that the page measures at once, before it stops the server; None: the user chooses.
        accelerator, threads: what runs the graph until the user chooses another backend.
        clips: number of clips that the page runs at once, before it stops the server; None: it runs no clips.

    Raises:
        EdgeshiftError: there are no modes, or ``mode`` is not one of them.
    """

    file: str
    modes: dict[str, TimingPlan]
    mode: str | None = None
    accelerator: Accelerator = "cpu"
    threads: int = 1
    clips: int | None = None

    def __post_init__(self) -> None:
        if not self.modes or (self.mode is not None and self.mode not in self.modes):
            raise EdgeshiftError(f"unknown timing mode {self.mode!r}; known modes: {', '.join(self.modes) or 'none'}")


class TimingFrames(msgspec.Struct, frozen=True):
    """The frames for timing.

    Attributes:
        name: where the frames come from, for example "drawn".
        pixels: uint8 [N, H, W, 3], RGB.

    Raises:
        EdgeshiftError: the array has another type or shape, or more than ``MAX_FRAMES`` bytes.
    """

    name: str
    pixels: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        pixels: Any = self.pixels
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[-1] != 3 or not pixels.size:
            raise EdgeshiftError(f"frames must be uint8 [N, H, W, 3], not {pixels.dtype} {list(pixels.shape)}")
        if pixels.nbytes > MAX_FRAMES:
            raise EdgeshiftError(f"the frames have {pixels.nbytes:,} bytes; a phone takes at most {MAX_FRAMES:,}")


class PhoneArtifact(msgspec.Struct, frozen=True):
    """An artifact that browsers can run: its path, the bytes of the file, and its description."""

    path: Path
    data: bytes
    spec: StreamSpec


def read_phone_artifact(path: Path) -> PhoneArtifact:
    """Read an artifact and refuse one that browsers cannot run.

    Raises:
        ArtifactError: the file is damaged or is not a .tflite file; an input or output is not float32; the states
            are not inputs and outputs; or sounds have their own batch norms. The message says what to do, such as the
            command that converts a suitable artifact.
        SpecError: the description is not valid.
    """
    spec = read_artifact(path).spec
    source = "--network FILE.py:FUNCTION" if spec.model.adopted else spec.model.name
    if spec.model.sound is not None:
        source = "--weights FILE.safetensors"  # the network of this name has no sound segment
    command = f"convert with edgeshift convert {source} --target tflite --float-boundary"
    if spec.hop is not None:
        command += f" --mode clip --frames {spec.frames} --hop {spec.hop}"
    if path.suffix.lower() != ".tflite" or spec.target != "tflite":
        raise ArtifactError(f"{path}: browsers run .tflite files, and this artifact is for {spec.target}: {command}")
    for tensor in (spec.input, spec.output, *spec.states):
        if tensor.dtype != "float32":
            raise ArtifactError(
                f"{path}: browsers need float32 inputs and outputs, and {tensor.name} is {tensor.dtype}: {command}"
            )
    if spec.state_form != "io":
        raise ArtifactError(f"{path}: its states are not inputs and outputs of the graph: {command} --state io")
    if spec.model.sound is not None and spec.model.sound.norms != "shared":
        raise ArtifactError(
            f"{path}: the page runs sounds only with the batch norms of the frames: train with --sound-norms shared"
        )
    return PhoneArtifact(path, artifact_bytes(path), spec)
