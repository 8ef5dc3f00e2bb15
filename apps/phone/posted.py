"""What the page sends back, untrusted: each kind is checked field by field before anybody sees it.

    Hello       the browser, first of all          Measured   one repeat of a measurement, all samples
    Checked     the self-check                     Point      a minute of a sustained run, as it ends
    Announced   a gesture, by the rule             Trouble    what went wrong on the phone
    Watched     times while the camera ran         Done       it is finished

``Ended`` is not posted: it is the last thing that ``serve`` gives.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edgeshift.apps.phone.job import Accelerator
from edgeshift.artifact.spec import PRINTABLE
from edgeshift.errors import EdgeshiftError

#: Bytes of one upload: 400,000 steps with four times each are about ten million.
MAX_UPLOAD = 16 << 20
MAX_SAMPLES = 400_000
#: An hour, in microseconds and in seconds; and a thousand hours.
HOUR_US, HOUR, LONG = 3.6e9, 3600.0, 3.6e6

Text = Annotated[str, Meta(max_length=512, pattern=PRINTABLE)]
Whole = Annotated[int, Meta(ge=0, le=1 << 31)]
Seconds = Annotated[float, Meta(ge=0, le=LONG)]
Micro = Annotated[float, Meta(ge=0, le=HOUR_US)]
Samples = Annotated[tuple[Micro, ...], Meta(min_length=1, max_length=MAX_SAMPLES)]
Finite = Annotated[float, Meta(ge=-1e12, le=1e12)]
Row = Annotated[tuple[Finite, ...], Meta(max_length=100_000)]
Threads = Annotated[int, Meta(ge=1, le=64)]


class Base(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """``session``: which page sent it; a page that is opened later takes over."""

    session: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\A[0-9-]+\Z")]


class Hello(Base, frozen=True, kw_only=True, tag="hello"):
    """What the browser says of itself.

    Attributes:
        agent: its user agent. model, architecture, platform: where it tells them.
        cores: logical. memory: GiB, rounded by the browser. isolated: threads can share memory.
        gpu: as WebGPU names it; None: there is no WebGPU.
    """

    agent: Text
    model: Text | None = None
    architecture: Text | None = None
    platform: Text | None = None
    cores: Annotated[int, Meta(ge=1, le=4096)]
    memory: Annotated[float, Meta(gt=0, le=4096)] | None = None
    isolated: bool
    gpu: Text | None = None


class Checked(Base, frozen=True, kw_only=True, tag="checked"):
    """The self-check on the phone: ``error`` and ``tolerance`` are in units of the logits, which come if it holds."""

    accelerator: Accelerator
    threads: Threads
    runtime: Text
    error: Annotated[float, Meta(ge=0, le=1e12)]
    tolerance: Annotated[float, Meta(gt=0, le=1e12)]
    repeatable: bool
    logits: Annotated[tuple[Row, ...], Meta(max_length=64)] = ()

    @property
    def ok(self) -> bool:
        """True if the phone computes what the maker computed."""
        return self.repeatable and self.error <= self.tolerance


class Announced(Base, frozen=True, kw_only=True, tag="spotted"):
    """A gesture that the rule announced, ``timestamp`` seconds after the camera was started."""

    label: Text
    score: Annotated[float, Meta(ge=0, le=1.0000001)]
    timestamp: Annotated[float, Meta(ge=-HOUR, le=LONG)]


class Watched(Base, frozen=True, kw_only=True, tag="watched"):
    """The camera was stopped: steps, and medians of the last hundred in microseconds; None: too few."""

    steps: Whole
    seconds: Seconds
    grab: Micro | None = None
    pre: Micro | None = None
    infer: Micro | None = None
    post: Micro | None = None
    end_to_end: Micro | None = None


class Minute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A minute of a sustained run, from 0; p50 and p90 in seconds, end to end; None: too few steps to say."""

    minute: Annotated[int, Meta(ge=0, le=1440)]
    steps: Whole
    p50: Seconds | None
    p90: Seconds | None


class Point(Base, frozen=True, kw_only=True, tag="point"):
    """A minute, told as it ends."""

    run: Annotated[int, Meta(ge=0, le=1 << 32)]
    repeat: Annotated[int, Meta(ge=0, le=1000)]
    minute: Annotated[int, Meta(ge=0, le=1440)]
    steps: Whole
    p50: Seconds | None
    p90: Seconds | None


class Measured(Base, frozen=True, kw_only=True, tag="measured"):
    """One repeat: a fresh worker of the browser with a fresh runtime.

    Attributes:
        run: what repeats of one measurement share. repeat: from 0. mode: its name.
        accelerator, threads, precision, runtime: what ran it in truth; the precision is WebGPU's.
        start: seconds of the runtime's start; load: from the graph in memory to a stream that is ready; first: step.
        warmup: steps before timing. warm: the median had settled. checked: the self-check held; None: there is none.
        pre, infer, post, end_to_end: microseconds of the timed steps, in order. every: which of them were kept, 1: all.
        steps: that were timed. seconds: of the timed loop. clock: microseconds, the smallest step of the clock.
        offered, missed: frames of a paced run. minutes: of a sustained one.
    """

    run: Annotated[int, Meta(ge=0, le=1 << 32)]
    repeat: Annotated[int, Meta(ge=0, le=1000)]
    mode: Text
    accelerator: Accelerator
    threads: Threads
    precision: Literal["fp16", "fp32"] | None
    runtime: Text
    start: Seconds
    load: Seconds
    first: Seconds
    warmup: Whole
    warm: bool
    checked: bool | None
    pre: Samples
    infer: Samples
    post: Samples
    end_to_end: Samples
    every: Annotated[int, Meta(ge=1, le=1 << 20)]
    steps: Whole
    seconds: Seconds
    clock: Micro
    offered: Whole | None
    missed: Whole | None
    minutes: Annotated[tuple[Minute, ...], Meta(max_length=1440)] = ()

    def __post_init__(self) -> None:
        counts = {len(self.pre), len(self.infer), len(self.post), len(self.end_to_end)}
        if len(counts) > 1:
            raise ValueError("its phases have different numbers of steps")
        if self.steps < counts.pop():
            raise ValueError("it has more samples than steps")
        if (self.offered is None) != (self.missed is None) or (self.missed or 0) > (self.offered or 0):
            raise ValueError("more frames missed than offered")


class Trouble(Base, frozen=True, kw_only=True, tag="trouble"):
    """What went wrong on the phone, in one line."""

    message: Text


class Done(Base, frozen=True, kw_only=True, tag="done"):
    """Whoever holds the phone is finished, or the measurement that was asked for is."""


class Ended(msgspec.Struct, frozen=True):
    """Why the server stopped: the page said so, or nobody came for too long."""

    reason: Literal["done", "idle"]


Upload = Hello | Checked | Announced | Watched | Point | Measured | Trouble | Done
Posted = Upload | Ended


def read_posted(data: bytes) -> Upload:
    """Check what was uploaded.

    Raises:
        EdgeshiftError: not JSON, an unknown kind or field, a wrong type, a number that is none or out of bounds.
    """
    try:
        found: Upload = msgspec.json.decode(data, type=Upload)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        reason = "".join(c if c.isprintable() else "?" for c in " ".join(str(error).split())[:200])
        raise EdgeshiftError(f"not what the page sends: {reason}") from error
    return found
