"""The report of a latency measurement: raw samples, and the conditions under which they were taken.

    Report          one run of ``edgeshift bench``: the device, the settings, and an ``ArtifactResult`` per artifact
    ArtifactResult  one artifact: name and hash of the file, its repeats, and the memory that it takes
    Repeat          one fresh process: load, first step, warm-up, timed steps, temperatures and clocks before and after

Derived figures such as percentiles, spread and validity are not stored; ``summary`` computes them from the samples.
Where an attribute and its JSON field differ in name, the field is the older name, which stored reports have.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edgeshift._system.clock import Date
from edgeshift.benchmarks.devices.facts import Facts
from edgeshift.stream.placement import Placement, placement_of

VERSION = 1
#: The field ``kind`` of a latency report; an accuracy report has none.
KIND = "latency"

Mode = Literal["normal", "quick", "rapid", "paced", "sustained"]


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base class of all parts of a report."""


class SensorReading(Struct, frozen=True, kw_only=True):
    """Temperatures and clocks of the device at one moment. A value that cannot be read is None or empty.

    Attributes:
        temperatures: {sensor: degrees Celsius}.
        clock: {core: MHz}.
        throttled: why the device throttles now, or has throttled since it started.
        gpu, gpu_load: clock of a Jetson's GPU, MHz, and its load, percent of the time.
        power: {power rail of a Jetson: milliwatts}.
    """

    temperatures: dict[str, float]
    clock: dict[str, float]
    throttled: tuple[str, ...] | None
    gpu: float | None = None
    gpu_load: float | None = None
    power: dict[str, float] = {}


class Minute(Struct, frozen=True, kw_only=True):
    """One minute of a sustained run.

    Attributes:
        minute, steps: number of the minute, from 0, and number of steps in it.
        p50, p90: latency of a step end to end, seconds; None: too few steps.
        reading: temperatures and clocks at its end.
    """

    minute: int
    steps: int
    p50: float | None
    p90: float | None
    reading: SensorReading


class Energy(Struct, frozen=True, kw_only=True):
    """Energy of the timed steps.

    Attributes:
        source: the power sensor, such as "RAPL package".
        idle: power of the idle device before the run, watts.
        joules, seconds: energy while steps were timed, and the length of that period; None: not measured.
        reason: why ``joules`` is None.
    """

    source: str | None = None
    idle: float | None = None
    joules: float | None = None
    seconds: float | None = None
    reason: str | None


class Repeat(Struct, frozen=True, kw_only=True, rename={"reported": "told"}):
    """One fresh process.

    Attributes:
        load, first: seconds to load the file and make a stream, and seconds of the first step.
        warmup, warm: number of steps before timing, and whether the latency had settled by then.
        pre, infer, post, end_to_end: microseconds of every timed step, in order.
        seconds: length of the timed loop, from the start of the first step to the end of the last one.
        steps: number of timed steps, if samples were kept of only every 2nd, 4th, ... step; None: all were kept.
        offered: frames that the simulated camera of a paced run delivered; None: not a paced run.
        missed: those that had no result when the next frame was due: processed late or never; None: as ``offered``.
        minutes: the minutes of a sustained run.
        partial: whether the device was lost during this repeat, which then has only the minutes before that.
        before, after: temperatures and clocks before and after the timed loop.
        waited: seconds of the cool-down before this repeat.
        competing: share of the CPU time of the cores that the process may use, which other processes used while steps
            were timed, 0 to 1; None: not known.
        energy, runtime: energy of the timed steps, and name and version of the runtime.
        ran_on: where the graph ran, as the runtime or its name says; None: the report is older than this field. The
            name of the runtime then decides, see ``placement``.
        checked: whether the artifact's self-check passed on the device; None: it has none.
        reported: microseconds that a vendor's benchmark program reports, such as {"mean": 5100.0}. JSON: "told".
    """

    load: float
    first: float
    warmup: int
    warm: bool
    pre: tuple[float, ...] = ()
    infer: tuple[float, ...] = ()
    post: tuple[float, ...] = ()
    end_to_end: tuple[float, ...] = ()
    seconds: float
    steps: int | None = None
    offered: int | None = None
    missed: int | None = None
    minutes: tuple[Minute, ...] = ()
    partial: bool = False
    before: SensorReading
    after: SensorReading
    waited: float = 0.0
    competing: float | None = None
    energy: Energy
    runtime: str
    ran_on: Placement | None = None
    checked: bool | None = None
    reported: dict[str, float] = {}

    @property
    def placement(self) -> Placement:
        """Where the graph ran."""
        return placement_of(self.ran_on, self.runtime)


class Memory(Struct, frozen=True, kw_only=True):
    """Resident memory, bytes, of one more process that runs the artifact. Timed processes do not read it.

    Attributes:
        before: with the frames (and Python and numpy, for the Python agent), before the runtime is loaded.
        loaded, closed: after the artifact was loaded, and after it was released.
        peak: highest value while the artifact runs.
    """

    before: int
    loaded: int
    peak: int
    closed: int


class Settings(Struct, frozen=True, kw_only=True, rename={"max_temperature": "ceiling"}):
    """How a run measures.

    Attributes:
        mode: name of the mode, which has a minimum length; see ``mode``.
        steps, seconds: minimum length of a repeat; both must be reached.
        repeats: number of fresh processes.
        fps: frame rate of the camera that a paced run simulates; None: not a paced run.
        minutes: length of a sustained run; None: not a sustained run.
        threads, cores: number of threads of the runtime, and cores it is pinned to; None: not pinned.
        frames: source of the frames: "drawn", or the name of a clip.
        width, height: size of the frames before they are fitted; 0: they have the network's size.
        max_temperature: degrees Celsius below which a repeat starts. JSON: "ceiling".
        locked: whether the clocks were locked during the run.
        options: options of the runtime, such as {"provider": "cuda"}.
    """

    mode: Mode
    steps: int
    seconds: float
    repeats: int
    fps: float | None = None
    minutes: int | None = None
    threads: int = 1
    cores: tuple[int, ...] | None = None
    frames: str
    width: int
    height: int
    max_temperature: float
    locked: bool = False
    options: dict[str, str] = {}


class ArtifactInfo(Struct, frozen=True, kw_only=True):
    """The part of a report that identifies an artifact.

    Attributes:
        file, sha256, bytes: name, hash and size of the file.
        target, model, precision: conversion target, name of the model, and precision.
        input: shape of the frame that the step function takes, or of the clip of a clip artifact and the picture of a
            sound after it, if ``sound`` is true.
        hop: for a clip artifact: frames from one answer to the next. Each timed step is then an answer, except in a
            paced run, where only the last frame of an answer is timed. None: each step is a frame.
        sound: whether the network has a sound segment. It is timed without a sound.
        problems: why the artifact failed its comparison with the original; it was written with ``convert --force``.
        notes: what everybody who uses the model must know, from the description in the file.
    """

    file: str
    sha256: str
    bytes: int
    target: str
    model: str
    precision: str
    input: tuple[int, ...]
    hop: Annotated[int, msgspec.Meta(ge=1)] | None = None
    sound: bool = False
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class ArtifactResult(ArtifactInfo, frozen=True, kw_only=True):
    """The measurement of one artifact.

    Attributes:
        repeats: the repeats that were measured.
        memory: memory of the process; None: not measured.
        lost: why repeats are missing; None: all were measured.
    """

    repeats: tuple[Repeat, ...]
    memory: Memory | None = None
    lost: str | None = None


class Report(Struct, frozen=True, kw_only=True, weakref=True):
    """One run of ``edgeshift bench``.

    Attributes:
        version, kind: format of the report.
        device, facts: name of the device, and the facts that it reported about itself.
        settings, edgeshift: how the run measured, and with which version of edgeshift.
        date: time at which the report was made; None: the report is older than this field.
        subjects: the artifacts, in the order in which they were given.
    """

    version: int = VERSION
    kind: Literal["latency"] = "latency"
    device: str
    facts: Facts
    settings: Settings
    edgeshift: str
    date: Date | None = None
    subjects: tuple[ArtifactResult, ...]
