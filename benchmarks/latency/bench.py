"""The driver: artifacts on a device, repeat by repeat in fresh processes, in turns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

import edgeshift
from edgeshift._system.files import sha256
from edgeshift.artifact.file import artifact_bytes, artifact_size, read_artifact
from edgeshift.artifact.spec import StreamSpec
from edgeshift.benchmarks.devices.device import Device
from edgeshift.benchmarks.devices.facts import Facts
from edgeshift.benchmarks.devices.probe import answers, read_answer
from edgeshift.benchmarks.latency.frames import DRAWN, read_frames
from edgeshift.benchmarks.latency.job import Job
from edgeshift.benchmarks.latency.journal import Journal
from edgeshift.benchmarks.latency.loop import WARM_CAP
from edgeshift.benchmarks.latency.result import ArtifactResult, Begun, Energy, Memory, Minute, Repeat, Report, Settings
from edgeshift.benchmarks.latency.vendor import measure_vendor
from edgeshift.errors import ArtifactError, DeviceLostError

#: Seconds that a process may take besides waiting, warming up and timing; and for one step of a very slow device.
OVERHEAD, SLOWEST = 300.0, 10.0
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Candidate:
    """An artifact to measure: its file, what it says of itself, the hash and size of all of it."""

    path: Path
    spec: StreamSpec
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Plan:
    """What is measured how.

    Attributes:
        device: where. subjects: what. settings: how. source: of the frames, as ``read_frames`` takes it.
        runtime: asked for by name; None: the files say.
        facts: of the device. memory: read it too, in passes of their own. idle: as in ``Job``.
        vendor: by the runtime vendors' own programs, as where there is no Python. program: one, to be brought there.
    """

    device: Device
    subjects: Sequence[Candidate]
    settings: Settings
    source: str
    facts: Facts
    runtime: str | None = None
    memory: bool = True
    idle: float = 5.0
    vendor: bool = False
    program: Path | None = None

    @cached_property
    def clip(self) -> str | None:
        """A hash of the frames, where they come from a clip; None: they are drawn, or a vendor's program makes its own.

        Raises:
            VideoError: a clip that cannot be read.
        """
        return None if self.vendor or self.source == DRAWN else sha256(read_frames(self.source, 64, 64).tobytes())

    def key(self, subject: Candidate) -> str:
        """What a repeat depends on, as a hash. Errors as of ``clip``."""
        facts, settings = self.facts, msgspec.structs.replace(self.settings, repeats=1)
        device = (self.device.name, facts.board, facts.processor, facts.cores, facts.system, facts.power_mode)
        return sha256(msgspec.json.encode((device, subject.sha256, settings, self.runtime, self.vendor, self.clip)))


def open_artifact(path: Path) -> Candidate:
    """Read an artifact, or an edgeshift checkpoint that PyTorch runs. Errors as of ``edgeshift.load``."""
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
    minute: Callable[[Minute], None] = lambda _: None,
) -> Report:
    """Measure, in turns: every artifact's first repeat, then every artifact's second.

    Args:
        plan: what to do. journal: gives what is known, and takes every result as it comes.
        advance: called after every process. minute: is given each point of a sustained run.

    Returns:
        The report. If the device was lost, it has what there is, and its subjects say so in ``lost``.

    Raises:
        DeviceError: the device cannot do what is asked.
    """
    repeats: dict[str, list[Repeat]] = {subject.sha256: [] for subject in plan.subjects}
    memories: dict[str, Memory] = {}
    lost: str | None = None
    with tempfile.TemporaryDirectory(prefix="edgeshift-") as folder:
        runs = {subject.sha256: _Run(plan, subject, Path(folder)) for subject in plan.subjects}
        try:
            for index in range(plan.settings.repeats):
                for subject in plan.subjects:
                    key = plan.key(subject)
                    found = journal.repeat(key, index) if journal else None
                    if found is None:

                        def point(one: Minute, key: str = key, index: int = index) -> None:
                            if journal:
                                journal.add_minute(key, index, one)
                            minute(one)

                        found = runs[subject.sha256].repeat(point)
                        if journal:
                            journal.add(key, index, found)
                    repeats[subject.sha256].append(found)
                    advance()
            for subject in plan.subjects if plan.memory and not plan.vendor else ():
                key = plan.key(subject)
                memory = journal.memory(key) if journal else None
                if memory is None:
                    memory = runs[subject.sha256].memory()
                    if journal:
                        journal.add_memory(key, memory)
                memories[subject.sha256] = memory
                advance()
        except DeviceLostError as error:
            lost = str(error)
            for digest, run in runs.items():
                repeats[digest] += run.partial()
    return Report(
        device=plan.device.name,
        facts=plan.facts,
        settings=plan.settings,
        edgeshift=edgeshift.__version__,
        subjects=tuple(
            ArtifactResult(
                file=subject.path.name,
                sha256=subject.sha256,
                bytes=subject.bytes,
                target=subject.spec.target,
                model=subject.spec.model.name,
                precision=subject.spec.precision,
                input=subject.spec.input.shape,
                repeats=tuple(repeats[subject.sha256]),
                memory=memories.get(subject.sha256),
                lost=lost,
            )
            for subject in plan.subjects
        ),
    )


class _Run:
    """One artifact on one device: what it needs is brought there when its first process begins."""

    def __init__(self, plan: Plan, subject: Candidate, folder: Path) -> None:
        self._plan, self._subject, self._folder = plan, subject, folder
        self._job: str | None = None
        self._begun: Begun | None = None
        self._minutes: list[Minute] = []

    def repeat(self, minute: Callable[[Minute], None]) -> Repeat:
        """One fresh process."""
        plan = self._plan
        if plan.vendor:
            return measure_vendor(plan.device, self._subject.path, plan.settings, plan.program)

        self._begun, self._minutes = None, []

        def line(text: str) -> None:
            for said in answers(text):
                if said.startswith('{"begun":{'):
                    self._begun = msgspec.json.decode(said, type=dict[str, Begun])["begun"]
                elif said.startswith('{"minute":{'):
                    self._minutes.append(msgspec.json.decode(said, type=dict[str, Minute])["minute"])
                    minute(self._minutes[-1])

        found = self._ask("bench", Repeat, line)
        self._begun = None
        return found

    def partial(self) -> list[Repeat]:
        """The repeat that a lost device was in, as far as it was said; none, if no minute of it was."""
        begun, minutes = self._begun, tuple(self._minutes)
        if begun is None or not minutes:
            return []
        return [
            Repeat(
                **{name: getattr(begun, name) for name in Begun.__struct_fields__},
                pre=(),
                infer=(),
                post=(),
                end_to_end=(),
                seconds=60.0 * len(minutes),
                minutes=minutes,
                partial=True,
                after=minutes[-1].reading,
                energy=Energy(source=None, idle=None, joules=None, seconds=None, reason="the device was lost"),
            )
        ]

    def memory(self) -> Memory:
        """The pass that reads memory."""
        return self._ask("memory", Memory)

    def _ask(self, command: str, kind: type[Answer], line: Callable[[str], None] | None = None) -> Answer:
        device = self._plan.device
        if self._job is None:
            self._job = self._bring()
        done = device.run([*device.agent(), command, self._job], self._patience(), line)
        return read_answer(device, done, kind)

    def _bring(self) -> str:
        """The job's path on the device; artifact and frames are there too."""
        plan, subject, frame = self._plan, self._subject, self._subject.spec.frame
        settings, device = plan.settings, plan.device
        if subject.path.is_dir() and device.name != "local":
            raise ArtifactError(f"{subject.path}: a folder is measured on this machine only; give --device local")
        width, height = (settings.width or frame.width, settings.height or frame.height)
        frames = read_frames(plan.source, width, height)
        job = Job(
            artifact=device.push(subject.path, _plain(subject)),
            frames=device.push(self._write(f"frames_{width}x{height}.npy", frames), f"frames_{width}x{height}.npy"),
            runtime=plan.runtime,
            settings=settings,
            fitted=not settings.width,
            idle=plan.idle,
        )
        name = f"job_{subject.sha256[:8]}.json"
        path = self._folder / name
        path.write_bytes(msgspec.json.encode(job))
        return device.push(path, name)

    def _write(self, name: str, frames: npt.NDArray[np.uint8]) -> Path:
        path = self._folder / name
        if not path.exists():
            np.save(path, frames)
        return path

    def _patience(self) -> float:
        settings = self._plan.settings
        timed = (settings.minutes or 1) * settings.seconds + settings.steps * SLOWEST
        return OVERHEAD * 2 + WARM_CAP + timed * 2


def _plain(subject: Candidate) -> str:
    """A name for the file on the device: two artifacts of one name do not overwrite each other."""
    return subject.sha256[:12] + subject.path.suffix.lower()
