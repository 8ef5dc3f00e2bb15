"""Clips on a device: frames are decoded and fitted here, by the same code as everywhere, and answered there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import numpy as np

from edgeshift.artifact import artifact_bytes, read_artifact
from edgeshift.benchmarks.accuracy.clip import Answers, clip_frames
from edgeshift.benchmarks.accuracy.opened import Opened
from edgeshift.benchmarks.devices.device import Device
from edgeshift.benchmarks.devices.probe import answers, ask_probe, require_done
from edgeshift.dataset import LabelledClip
from edgeshift.errors import ArtifactError, DeviceError, VideoError, one_line
from edgeshift.files import sha256
from edgeshift.frames import fit_frame
from edgeshift.stream import Array, Model

#: Frames that are sent at once, and seconds a slow device may take for one.
BATCH, SLOWEST, PATIENCE = 512, 10.0, 120.0


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the agent answers to a clip: logits [T, classes]."""

    clip: str
    logits: list[list[float]]
    runtime: str


def open_on(device: Device, path: Path) -> Opened:
    """An artifact to measure on a device; nothing is loaded here.

    Raises:
        ArtifactError: it is damaged, or a folder. DeviceError: the device has no runtime for it.
    """
    if path.is_dir():
        raise ArtifactError(f"{path}: a folder is measured on this machine only")
    spec, known = read_artifact(path).spec, ask_probe(device).runtimes
    target = "onnx" if spec.target == "tensorrt" else spec.target
    if target not in known:
        words = ", ".join(known) or "none"
        raise DeviceError(
            f"{device.name}: no runtime for {path.name} ({spec.target}) is installed there; it has {words}"
        )
    model = Model(spec, f"{target} {known[target]} on {device.name}", _not_here)
    return Opened(path, sha256(artifact_bytes(path)), model)


def stream_on(
    device: Device, subject: Opened, clips: Sequence[LabelledClip]
) -> Iterator[tuple[LabelledClip, Answers | str]]:
    """Stream clips on a device, many at a time.

    Yields:
        a clip, and its answers or why it cannot be read.

    Raises:
        DeviceError: the device fails, or says what is no answer.
    """
    artifact = device.push(subject.path, f"{subject.sha256[:12]}{subject.path.suffix.lower()}")
    batch: list[tuple[LabelledClip, list[float], Array]] = []
    for clip in clips:
        try:
            found = list(clip_frames(subject.model.spec, clip.path))
        except VideoError as error:
            yield clip, one_line(error, 300)
            continue
        frames = np.stack([fit_frame(frame, subject.model.spec.frame) for frame, _ in found])
        batch.append((clip, [time for _, time in found], frames))
        if sum(len(one) for *_, one in batch) >= BATCH:
            yield from _ask(device, artifact, subject, batch)
            batch = []
    if batch:
        yield from _ask(device, artifact, subject, batch)


def _ask(
    device: Device, artifact: str, subject: Opened, batch: Sequence[tuple[LabelledClip, list[float], Array]]
) -> Iterator[tuple[LabelledClip, Answers]]:
    with tempfile.TemporaryDirectory(prefix="edgeshift-") as folder:
        file = Path(folder, "clips.npz")
        named: dict[str, Any] = {f"clip{index}": frames for index, (*_, frames) in enumerate(batch)}
        np.savez(file, **named)
        path = device.push(file, "clips.npz")
    count = sum(len(frames) for *_, frames in batch)
    done = device.run([*device.agent(), "logits", artifact, path], PATIENCE + SLOWEST * count)
    require_done(device, done)
    try:
        said = {one.clip: one for one in (msgspec.json.decode(line, type=Said) for line in answers(done.out))}
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DeviceError(f"{device.name}: its agent says what are no logits: {error}") from error
    classes = len(subject.model.spec.labels)
    for index, (clip, times, frames) in enumerate(batch):
        one = said.get(f"clip{index}")
        logits = np.array(one.logits if one else [], np.float32)
        if logits.shape != (len(frames), classes):
            raise DeviceError(
                f"{device.name}: {clip.name}: {len(frames)} frames of {classes} logits expected, not {logits.shape}"
            )
        yield clip, Answers(np.array(times, np.float64), logits)


def _not_here() -> NoReturn:
    raise DeviceError("this artifact is measured on a device; nothing is loaded here")
