"""Stream clips on a device. This machine decodes and fits the frames, and the device computes their logits."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from edgeshift._system.files import sha256
from edgeshift.artifact.file import artifact_bytes, read_artifact
from edgeshift.benchmarks.accuracy.candidate import Candidate
from edgeshift.benchmarks.accuracy.clip import FrameLogits, fitted_clip
from edgeshift.benchmarks.devices.device import Device
from edgeshift.benchmarks.devices.messages import Message, call_worker
from edgeshift.benchmarks.devices.native import NativeDevice
from edgeshift.benchmarks.devices.probe import ask_probe
from edgeshift.benchmarks.latency.messages import ClipLogits
from edgeshift.errors import ArtifactError, DeviceError, DeviceLostError, VideoError, one_line
from edgeshift.stream import Array, Model
from edgeshift.stream.placement import placement_of
from edgeshift.stream.sequence import answered_frames
from edgeshift.targets import find_runtime, suffix_of
from edgeshift.video.dataset import LabelledClip

#: A batch of clips is sent to the device when it has at least this many frames.
BATCH = 512
#: Seconds allowed for starting the worker, and for one frame on a slow device.
TIMEOUT, SLOWEST_STEP = 120.0, 10.0


def open_on_device(device: Device, path: Path, options: Mapping[str, str] | None = None) -> Candidate:
    """Return an artifact to measure on a device. It is not loaded on this machine.

    ``options`` are those of ``Candidate``. The device sends with the logits where it ran the graph.

    Raises:
        ArtifactError: the artifact is damaged or is a folder.
        DeviceError: the device has no runtime for it.
    """
    if path.is_dir():
        raise ArtifactError(f"{path}: only --device local can measure an artifact that is a folder")
    native = isinstance(device, NativeDevice)
    if isinstance(device, NativeDevice):
        device.accept(path)
    spec, versions = read_artifact(path).spec, ask_probe(device).runtimes
    runtime = find_runtime(path).name
    if runtime not in versions:
        installed = ", ".join(versions) or "none"
        hint = f" with {device.agent()[0]}: --python names another one" if device.name.startswith("ssh:") else ""
        raise DeviceError(
            f"{device.name}: no runtime for {path.name} ({spec.target}) is installed there; "
            f"installed: {installed}{hint}"
        )
    where = f"{device.name}, native agent" if native else device.name
    model = Model(spec, f"{runtime} {versions[runtime]} on {where}", _not_loaded)
    return Candidate(path, sha256(artifact_bytes(path)), model, options=dict(options or {}))


class _Fitted(NamedTuple):
    """A clip, the timestamps of its frames, seconds, and the frames fitted to the network's size, [T, H, W, 3]."""

    clip: LabelledClip
    times: list[float]
    frames: Array


def stream_on_device(
    device: Device, candidate: Candidate, clips: Sequence[LabelledClip]
) -> Iterator[tuple[LabelledClip, FrameLogits | str]]:
    """Stream clips on a device, many at a time.

    Yields:
        A clip, and its logits or the reason why it cannot be read.

    Raises:
        DeviceLostError: the connection was lost, after the logits that had arrived were yielded.
        DeviceError: the worker failed, or its messages are damaged or incomplete.
    """
    artifact = device.push(candidate.path, candidate.sha256[:12] + suffix_of(candidate.path))
    spec = candidate.model.spec
    batch: list[_Fitted] = []
    for clip in clips:
        try:
            times, frames = fitted_clip(spec, clip)
        except VideoError as error:
            yield clip, one_line(error, 300)
            continue
        batch.append(_Fitted(clip, times, frames))
        if sum(len(fitted.frames) for fitted in batch) >= BATCH:
            yield from _stream_batch(device, artifact, candidate, batch)
            batch = []
    if batch:
        yield from _stream_batch(device, artifact, candidate, batch)


def _stream_batch(
    device: Device, artifact: str, candidate: Candidate, batch: Sequence[_Fitted]
) -> Iterator[tuple[LabelledClip, FrameLogits]]:
    received: dict[str, ClipLogits] = {}
    spec, options = candidate.model.spec, [f"{name}={value}" for name, value in candidate.options.items()]

    def receive(message: Message) -> None:
        if isinstance(message, ClipLogits):
            received[message.clip] = message

    lost: DeviceLostError | None = None
    with tempfile.TemporaryDirectory(prefix="edgeshift-") as folder:
        file = Path(folder, "clips.npz")
        named: dict[str, Any] = {f"clip{index}": fitted.frames for index, fitted in enumerate(batch)}
        np.savez(file, **named)
        # The name has a hash of the contents, because another machine may measure on the same device.
        path = device.push(file, f"clips_{sha256(file.read_bytes())[:16]}.npz")
        timeout = TIMEOUT + SLOWEST_STEP * sum(len(fitted.frames) for fitted in batch)
        try:
            call_worker(device, ["logits", artifact, path, *options], timeout, ClipLogits, receive=receive)
        except DeviceLostError as error:
            lost = error
        finally:
            if lost is None:
                with suppress(DeviceError):
                    device.run(["rm", "-f", path], TIMEOUT)
    for index, (clip, times, frames) in enumerate(batch):
        message = received.get(f"clip{index}")
        if message is None and lost is not None:
            continue
        logits = np.array(message.logits if message else [], np.float32)
        indices = answered_frames(spec, len(frames))
        expected = (len(indices), len(spec.labels))
        if logits.shape != expected:
            shapes = f"logits of shape {list(logits.shape)}, and {list(expected)} was expected"
            raise DeviceError(f"{device.name}: {clip.name}: the worker sent {shapes}")
        ran_on = None if message is None else placement_of(message.ran_on, message.runtime)
        yield clip, FrameLogits(np.array(times, np.float64)[indices], logits, ran_on)
    if lost is not None:
        raise lost


def _not_loaded() -> NoReturn:
    raise DeviceError("this artifact is measured on a device; it is not loaded on this machine")
