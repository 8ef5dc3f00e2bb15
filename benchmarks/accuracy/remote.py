"""Clips on a device: frames are decoded and fitted here, by the same code as everywhere, and answered there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import numpy as np

from edgeshift._system.files import sha256
from edgeshift.artifact.file import artifact_bytes, read_artifact
from edgeshift.benchmarks.accuracy.clip import Answers, clip_frames
from edgeshift.benchmarks.accuracy.opened import Candidate
from edgeshift.benchmarks.devices.device import Device
from edgeshift.benchmarks.devices.probe import answers, ask_probe, require_done
from edgeshift.errors import ArtifactError, DeviceError, DeviceLostError, VideoError, one_line
from edgeshift.stream import Array, Model
from edgeshift.targets import find_runtime
from edgeshift.video.dataset import LabelledClip
from edgeshift.video.fit import fit_frame

#: Frames that are sent at once, and seconds a slow device may take for one.
BATCH, SLOWEST, PATIENCE = 512, 10.0, 120.0


class ClipLogits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the agent answers to a clip: logits [T, classes]."""

    clip: str
    logits: list[list[float]]
    runtime: str


def open_on(device: Device, path: Path) -> Candidate:
    """An artifact to measure on a device; nothing is loaded here.

    Raises:
        ArtifactError: it is damaged, or a folder. DeviceError: the device has no runtime for it.
    """
    if path.is_dir():
        raise ArtifactError(f"{path}: a folder is measured on this machine only")
    spec, known = read_artifact(path).spec, ask_probe(device).runtimes
    runtime = find_runtime(path).name
    if runtime not in known:
        words = ", ".join(known) or "none"
        raise DeviceError(
            f"{device.name}: no runtime for {path.name} ({spec.target}) is installed there; it has {words}"
        )
    model = Model(spec, f"{runtime} {known[runtime]} on {device.name}", _not_here)
    return Candidate(path, sha256(artifact_bytes(path)), model)


def stream_on(
    device: Device, subject: Candidate, clips: Sequence[LabelledClip]
) -> Iterator[tuple[LabelledClip, Answers | str]]:
    """Stream clips on a device, many at a time.

    Yields:
        a clip, and its answers or why it cannot be read.

    Raises:
        DeviceLostError: it cannot be reached any more; what it answered before that was yielded.
        DeviceError: the device fails, or says what is no answer.
    """
    artifact = device.push(subject.path, f"{subject.sha256[:12]}{subject.path.suffix.lower()}")
    batch: list[tuple[LabelledClip, list[float], Array]] = []
    for clip in clips:
        try:
            # Fitted as they come: the frames of a long clip, whole, are more than memory holds.
            spec = subject.model.spec
            found = [(fit_frame(frame, spec.frame), time) for frame, time in clip_frames(spec, clip.path)]
        except VideoError as error:
            yield clip, one_line(error, 300)
            continue
        batch.append((clip, [time for _, time in found], np.stack([frame for frame, _ in found])))
        if sum(len(one) for *_, one in batch) >= BATCH:
            yield from _ask(device, artifact, subject, batch)
            batch = []
    if batch:
        yield from _ask(device, artifact, subject, batch)


def _ask(
    device: Device, artifact: str, subject: Candidate, batch: Sequence[tuple[LabelledClip, list[float], Array]]
) -> Iterator[tuple[LabelledClip, Answers]]:
    with tempfile.TemporaryDirectory(prefix="edgeshift-") as folder:
        file = Path(folder, "clips.npz")
        named: dict[str, Any] = {f"clip{index}": frames for index, (*_, frames) in enumerate(batch)}
        np.savez(file, **named)
        # By its content: another machine that measures on the same device has clips of its own there.
        path = device.push(file, f"clips_{sha256(file.read_bytes())[:16]}.npz")
        count = sum(len(frames) for *_, frames in batch)
        lines: list[str] = []
        lost: DeviceLostError | None = None
        try:
            command = [*device.agent(), "logits", artifact, path]
            require_done(device, device.run(command, PATIENCE + SLOWEST * count, lines.append))
        except DeviceLostError as error:
            lost = error  # what it has answered is not lost
        finally:
            if lost is None:
                with suppress(DeviceError):
                    device.run(["rm", "-f", path], PATIENCE)
    classes = len(subject.model.spec.labels)
    said = _said(device, lines, whole=lost is None)
    for index, (clip, times, frames) in enumerate(batch):
        one = said.get(f"clip{index}")
        if one is None and lost is not None:
            continue
        logits = np.array(one.logits if one else [], np.float32)
        if logits.shape != (len(frames), classes):
            raise DeviceError(
                f"{device.name}: {clip.name}: {len(frames)} frames of {classes} logits expected, not {logits.shape}"
            )
        yield clip, Answers(np.array(times, np.float64), logits)
    if lost is not None:
        raise lost


def _said(device: Device, lines: Sequence[str], *, whole: bool) -> dict[str, ClipLogits]:
    """{clip: its answers}; of a device that was lost, the last line may be cut off."""
    found: dict[str, ClipLogits] = {}
    for line in answers("\n".join(lines)):
        try:
            one = msgspec.json.decode(line, type=ClipLogits)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            if not whole:
                break
            raise DeviceError(f"{device.name}: its agent says what are no logits: {error}") from error
        found[one.clip] = one
    return found


def _not_here() -> NoReturn:
    raise DeviceError("this artifact is measured on a device; nothing is loaded here")
