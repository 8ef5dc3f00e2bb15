"""What a measurement of latency says, as a document: raw samples, and what they were taken under.

    Report   one run of ``edgeshift bench``: a device, the settings, a subject for each artifact
    ArtifactResult  one artifact: what it is, its repeats, its memory
    Repeat   one fresh process: load, first step, warm-up, every timed step, heat and clocks around them

Figures that are derived (percentiles, spread, validity) are computed from these by ``summary``; none is stored twice.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from edgeshift.benchmarks.devices.facts import Facts

VERSION = 1
#: Tells a report of latency from one of accuracy.
KIND = "latency"

Mode = Literal["normal", "quick", "rapid", "paced", "sustained"]


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of every part."""


class Reading(Struct, frozen=True, kw_only=True):
    """Heat and clocks at one moment. What cannot be read is None or empty.

    Attributes:
        temperatures: {zone: degrees Celsius}. clock: {core: MHz}. throttled: reasons now or since the start.
        gpu: MHz of a Jetson's GPU. gpu_load: percent of its time. power: {rail of its board: milliwatts}.
    """

    temperatures: dict[str, float]
    clock: dict[str, float]
    throttled: tuple[str, ...] | None
    gpu: float | None = None
    gpu_load: float | None = None
    power: dict[str, float] = {}


class Minute(Struct, frozen=True, kw_only=True):
    """A point of a sustained run.

    Attributes:
        minute: from 0. steps: in it. p50, p90: seconds, end to end; None: too few steps to say. reading: at its end.
    """

    minute: int
    steps: int
    p50: float | None
    p90: float | None
    reading: Reading


class Begun(Struct, frozen=True, kw_only=True):
    """What is known of a repeat when its timing begins; see ``Repeat``."""

    load: float
    first: float
    warmup: int
    warm: bool
    before: Reading
    waited: float
    runtime: str


class Energy(Struct, frozen=True, kw_only=True):
    """Joules of the timed steps.

    Attributes:
        source: what measured it, such as "RAPL package"; idle: watts before the run.
        joules: in the timed window of ``seconds``; None: not measured, and ``reason`` says why.
    """

    source: str | None
    idle: float | None
    joules: float | None
    seconds: float | None
    reason: str | None


class Repeat(Struct, frozen=True, kw_only=True):
    """One fresh process.

    Attributes:
        load: seconds from the file to a stream that is ready. first: of the first step.
        warmup: steps before timing. warm: the median had settled when timing began.
        pre, infer, post, end_to_end: microseconds of every timed step, in order.
        steps: that were timed, where only every second, fourth, ... of a long run is among the samples; None: all are.
        seconds: of the timed loop, from the first step's begin to the last one's end.
        offered, missed: paced: frames the camera gave, and those not answered before the next one was due, be it that
            the answer came late or that the frame was never looked at; None unless paced.
        minutes: of a sustained run. partial: the device was lost in it: there is what was said until then, its minutes.
        before, after: heat and clocks. waited: seconds for it to cool down before.
        runtime: name and version of what ran it. checked: the artifact's self-check held there; None: it has none.
        told: microseconds that a vendor's own program gives instead of samples, such as {"mean": 5100.0}.
    """

    load: float
    first: float
    warmup: int
    warm: bool
    pre: tuple[float, ...]
    infer: tuple[float, ...]
    post: tuple[float, ...]
    end_to_end: tuple[float, ...]
    seconds: float
    steps: int | None = None
    offered: int | None = None
    missed: int | None = None
    minutes: tuple[Minute, ...] = ()
    partial: bool = False
    before: Reading
    after: Reading
    waited: float = 0.0
    energy: Energy
    runtime: str
    checked: bool | None = None
    told: dict[str, float] = {}


class Memory(Struct, frozen=True, kw_only=True):
    """Resident bytes of a process that does nothing but this: a pass of its own, as reading it costs time.

    Attributes:
        before: with Python, numpy and the frames, before the runtime is imported.
        loaded: with the artifact ready. peak: at most, while it ran. closed: after it was let go.
    """

    before: int
    loaded: int
    peak: int
    closed: int


class Settings(Struct, frozen=True, kw_only=True):
    """What was asked for.

    Attributes:
        steps, seconds: that a repeat has at least. repeats: fresh processes.
        fps: frames a second of the camera that "paced" plays. minutes: of "sustained".
        threads: of the runtime. cores: that it was pinned to, in order; None: not pinned.
        frames: where they come from: "drawn", or the name of a clip. width, height: of a frame as it is handed in.
        ceiling: degrees Celsius above which a repeat does not begin. locked: clocks were locked for the run.
        options: of the runtime, such as {"provider": "cuda"}.
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
    ceiling: float
    locked: bool = False
    options: dict[str, str] = {}


class ArtifactResult(Struct, frozen=True, kw_only=True):
    """One artifact. ``lost`` says why repeats are missing, where some are."""

    file: str
    sha256: str
    bytes: int
    target: str
    model: str
    precision: str
    input: tuple[int, ...]
    repeats: tuple[Repeat, ...]
    memory: Memory | None = None
    lost: str | None = None


class Report(Struct, frozen=True, kw_only=True):
    """Everything about one run. ``device`` is its name as asked for, ``facts`` what it says of itself."""

    version: int = VERSION
    kind: Literal["latency"] = "latency"
    device: str
    facts: Facts
    settings: Settings
    edgeshift: str
    subjects: tuple[ArtifactResult, ...]
