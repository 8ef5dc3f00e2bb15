"""Run a measurement: several artifacts take turns on a device, and each repeat is a fresh process there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np

import edgeshift
from edgeshift._system.clock import now
from edgeshift._system.files import sha256
from edgeshift._system.text import printable
from edgeshift.artifact.file import artifact_bytes, artifact_size, read_artifact
from edgeshift.artifact.spec import StreamSpec
from edgeshift.benchmarks.devices.device import Device
from edgeshift.benchmarks.devices.facts import Facts
from edgeshift.benchmarks.devices.messages import Message, Receive, Result, call_worker, ignore
from edgeshift.benchmarks.latency.frames import DRAWN, read_frames
from edgeshift.benchmarks.latency.journal import Entry, Journal
from edgeshift.benchmarks.latency.loop import WARM_TIMEOUT
from edgeshift.benchmarks.latency.messages import Job, MemoryMeasured, MinuteEnded, RepeatEnded, Started
from edgeshift.benchmarks.latency.result import ArtifactResult, Memory, Minute, Repeat, Report, Settings
from edgeshift.benchmarks.latency.vendor import measure_vendor
from edgeshift.errors import ArtifactError, DeviceLostError
from edgeshift.targets import suffix_of

#: Seconds allowed for everything in a process except warm-up and timing, and for one step on a slow device.
OVERHEAD, SLOWEST_STEP = 600.0, 10.0


@dataclass(frozen=True)
class Candidate:
    """An artifact to measure: its path, and the description, hash and size of the whole file."""

    path: Path
    spec: StreamSpec
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Plan:
    """What to measure, on which device, and how.

    Attributes:
        device, facts: device to measure on, and the facts that it reported about itself.
        candidates, settings: artifacts to measure, and the settings of every repeat.
        source: source of the frames, as for ``read_frames``.
        runtime: name of the runtime; None: each file's suffix decides.
        memory: whether to measure memory as well, in one more process per artifact.
        idle_seconds: seconds for which the power of the idle device is measured before each repeat.
        vendor: whether to measure with the runtime vendors' own programs, for devices without Python.
        program: path of the vendor's program, which is copied to the device; None: the device has it already.
    """

    device: Device
    candidates: Sequence[Candidate]
    settings: Settings
    source: str
    facts: Facts
    runtime: str | None = None
    memory: bool = True
    idle_seconds: float = 5.0
    vendor: bool = False
    program: Path | None = None

    @cached_property
    def clip_hash(self) -> str | None:
        """A hash of the clip's frames; None: the frames are not from a clip, or a vendor's program makes its inputs.

        Raises:
            VideoError: the clip cannot be read.
        """
        return None if self.vendor or self.source == DRAWN else sha256(read_frames(self.source, 64, 64).tobytes())

    def key(self, candidate: Candidate) -> str:
        """Return a hash of everything that the result of a repeat depends on. Errors as ``clip_hash``."""
        facts, settings = self.facts, msgspec.structs.replace(self.settings, repeats=1)
        device = (self.device.name, facts.board, facts.processor, facts.cores, facts.system, facts.power_mode)
        parts = (device, candidate.sha256, settings, self.runtime, self.vendor, self.clip_hash)
        return sha256(msgspec.json.encode(parts))


def open_candidate(path: Path) -> Candidate:
    """Read an artifact, or a checkpoint that PyTorch runs. Errors as ``edgeshift.load``."""
    if path.suffix.lower() == ".safetensors":
        from edgeshift.runtimes import load

        spec = load(path).spec
    else:
        spec = read_artifact(path).spec
    return Candidate(path, spec, sha256(artifact_bytes(path)), artifact_size(path))


def measure(
    plan: Plan,
    journal: Journal | None = None,
    advance: Callable[[], None] = lambda: None,
    on_minute: Callable[[Minute], None] = lambda _: None,
) -> Report:
    """Measure in turns: the first repeat of every artifact, then the second of every artifact, and so on.

    Args:
        journal: stores every result. A result that it has already is not measured again.
        advance: called after every process.
        on_minute: called with each minute of a sustained run when it ends.

    Returns:
        The report. If the device was lost, it has the results until then, and the field ``lost`` gives the reason.

    Raises:
        DeviceError: the device cannot run this measurement.
    """
    lost: str | None = None
    with tempfile.TemporaryDirectory(prefix="edgeshift-") as folder:
        runs = [_Run(plan, candidate, Path(folder), journal, on_minute) for candidate in plan.candidates]
        try:
            for index in range(plan.settings.repeats):
                for run in runs:
                    run.add_repeat(index)
                    advance()
            for run in runs if plan.memory and not plan.vendor else ():
                run.add_memory()
                advance()
        except DeviceLostError as error:
            lost = str(error)
    return Report(
        device=plan.device.name,
        facts=plan.facts,
        settings=plan.settings,
        edgeshift=edgeshift.__version__,
        date=now(),
        subjects=tuple(run.result(lost) for run in runs),
    )


def push_job(plan: Plan, candidate: Candidate, folder: Path) -> str:
    """Write frames and job to ``folder``, copy them and the artifact to the device, and return the job's path there."""
    settings, device, frame = plan.settings, plan.device, candidate.spec.frame
    if candidate.path.is_dir() and device.name != "local":
        raise ArtifactError(f"{candidate.path}: only --device local can measure an artifact that is a folder")
    width, height = settings.width or frame.width, settings.height or frame.height
    frames = folder / f"frames_{width}x{height}.npy"
    if not frames.exists():
        np.save(frames, read_frames(plan.source, width, height))
    # The name on the device is the hash, so that two artifacts of one name do not overwrite each other.
    name = candidate.sha256[:12] + suffix_of(candidate.path)
    job = Job(
        artifact=device.push(_with_plain_name(candidate.path, folder), name),
        frames=device.push(frames, frames.name),
        runtime=plan.runtime,
        settings=settings,
        fitted=not settings.width,
        idle_seconds=plan.idle_seconds,
    )
    path = folder / f"job_{candidate.sha256[:8]}.json"
    path.write_bytes(msgspec.json.encode(job))
    return device.push(path, path.name)


def _with_plain_name(path: Path, folder: Path) -> Path:
    """Return the path, or a link to it in ``folder`` if it is not UTF-8, which the JSON of a job needs."""
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        link = folder / sha256(os.fsencode(path.absolute()))[:12]
        link = link.with_name(link.name + suffix_of(path))
        if not link.is_symlink():
            link.symlink_to(path.absolute(), target_is_directory=path.is_dir())
        return link
    return path


@dataclass
class _Run:
    """The measurement of one artifact; see ``measure``. Files are copied to the device before they are first needed."""

    plan: Plan
    candidate: Candidate
    folder: Path
    journal: Journal | None
    on_minute: Callable[[Minute], None]
    job: str | None = None
    repeats: list[Repeat] = field(default_factory=list)
    memory: Memory | None = None
    started: Repeat | None = None
    minutes: list[Minute] = field(default_factory=list)

    def add_repeat(self, index: int) -> None:
        """Measure one repeat in a fresh process, unless the journal has it."""
        key = self.plan.key(self.candidate)
        repeat = self.journal.repeat(key, index) if self.journal else None
        if repeat is None:
            repeat = self._measure_repeat(key, index)
            # A vendor's program and the native agent do not say where the graph ran; the name of their runtime does.
            repeat = msgspec.structs.replace(repeat, ran_on=repeat.placement)
            if self.journal:
                self.journal.add(Entry(key=key, index=index, repeat=repeat))
        self.repeats.append(repeat)

    def add_memory(self) -> None:
        """Measure memory, unless the journal has it."""
        key = self.plan.key(self.candidate)
        self.memory = self.journal.memory(key) if self.journal else None
        if self.memory is None:
            self.memory = self._call("memory", MemoryMeasured).memory
            if self.journal:
                self.journal.add(Entry(key=key, index=-1, memory=self.memory))

    def result(self, lost: str | None) -> ArtifactResult:
        """Return the results so far, with the repeat during which the device was lost if it has a complete minute."""
        candidate, spec, repeats, minutes = self.candidate, self.candidate.spec, list(self.repeats), self.minutes
        if self.started is not None and minutes:
            fields = {"seconds": 60.0 * len(minutes), "minutes": tuple(minutes), "after": minutes[-1].reading}
            repeats.append(msgspec.structs.replace(self.started, **fields))
        return ArtifactResult(
            file=printable(candidate.path.name),
            sha256=candidate.sha256,
            bytes=candidate.bytes,
            target=spec.target,
            model=spec.model.name,
            precision=spec.precision,
            input=spec.input.shape,
            hop=spec.hop,
            sound=spec.model.sound is not None,
            problems=spec.problems,
            notes=spec.notes,
            repeats=tuple(repeats),
            memory=self.memory,
            lost=lost,
        )

    def _measure_repeat(self, key: str, index: int) -> Repeat:
        plan = self.plan
        if plan.vendor:
            return measure_vendor(plan.device, self.candidate.path, plan.settings, plan.program)
        self.started, self.minutes = None, []

        def receive(message: Message) -> None:
            if isinstance(message, Started):
                self.started = message.repeat
            elif isinstance(message, MinuteEnded):
                self.minutes.append(message.minute)
                if self.journal:
                    self.journal.add(Entry(key=key, index=index, minute=message.minute))
                self.on_minute(message.minute)

        repeat = self._call("bench", RepeatEnded, Started, MinuteEnded, receive=receive).repeat
        self.started = None
        return repeat

    def _call(self, command: str, result: type[Result], *progress: type[Message], receive: Receive = ignore) -> Result:
        """Run a command of the worker with the job; other arguments and errors as ``call_worker``."""
        self.job = self.job or push_job(self.plan, self.candidate, self.folder)
        settings = self.plan.settings
        timed = (settings.minutes or 1) * settings.seconds + settings.steps * SLOWEST_STEP
        timeout = OVERHEAD + WARM_TIMEOUT + 2 * timed
        return call_worker(self.plan.device, [command, self.job], timeout, result, *progress, receive=receive)
