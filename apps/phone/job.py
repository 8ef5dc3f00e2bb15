"""What a phone is asked to do: an artifact that browsers can run, what may be timed, frames to time it with."""

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
#: Bytes of frames that are sent to a phone: 16 of 1280x960 fit.
MAX_FRAMES = 64 << 20


class Length(msgspec.Struct, frozen=True, kw_only=True):
    """A repeat has so many steps and seconds at least.

    Attributes:
        repeats: each in a fresh worker of the browser. fps: of the camera that a paced run plays.
        minutes: of a sustained run.
    """

    steps: int
    seconds: float
    repeats: int
    fps: float | None = None
    minutes: int | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the page is told.

    Attributes:
        file: the artifact's name, to show. modes: what can be timed, by name.
        mode: the one to time at once, on its own; None: whoever holds the phone chooses.
        accelerator, threads: what the page runs on at first.
    """

    file: str
    modes: dict[str, Length]
    mode: str | None = None
    accelerator: Accelerator = "cpu"
    threads: int = 1

    def __post_init__(self) -> None:
        if not self.modes or (self.mode is not None and self.mode not in self.modes):
            raise EdgeshiftError(f"there is nothing to time as {self.mode!r}; known: {', '.join(self.modes) or 'none'}")


class Frames(msgspec.Struct, frozen=True):
    """Frames to time with: where they come from, and uint8 [N, H, W, 3] in RGB."""

    name: str
    pixels: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        pixels: Any = self.pixels
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[-1] != 3 or not pixels.size:
            raise EdgeshiftError(f"frames are uint8 [N, H, W, 3], not {pixels.dtype} {list(pixels.shape)}")
        if pixels.nbytes > MAX_FRAMES:
            raise EdgeshiftError(f"{pixels.nbytes:,} bytes of frames are too many for a phone; at most {MAX_FRAMES:,}")


class PhoneArtifact(msgspec.Struct, frozen=True):
    """An artifact that browsers can run: its file, all of its bytes, what it says of itself."""

    path: Path
    data: bytes
    spec: StreamSpec


def read_phone_artifact(path: Path) -> PhoneArtifact:
    """Read an artifact and refuse what browsers cannot run.

    Raises:
        ArtifactError: damaged; not a .tflite; tensors at its boundary that are not float32, with the command that
            converts it so. SpecError: a description that is not valid.
    """
    artifact = read_artifact(path)
    spec = artifact.spec
    again = f"edgeshift convert {spec.model.name} --target tflite"
    if path.suffix.lower() != ".tflite" or spec.target != "tflite":
        raise ArtifactError(
            f"{path}: browsers run .tflite files, this is one of target {spec.target}: {again} --float-boundary"
        )
    tensors = (spec.input, spec.output, *spec.states)
    other = next((tensor for tensor in tensors if tensor.dtype != "float32"), None)
    if other is not None:
        raise ArtifactError(
            f"{path}: browsers take float tensors only, its {other.name} is {other.dtype}: {again} --float-boundary"
        )
    if spec.state_form != "io":
        raise ArtifactError(f"{path}: its states are not inputs and outputs: {again} --float-boundary --state io")
    return PhoneArtifact(path, artifact_bytes(path), spec)
