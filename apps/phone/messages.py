"""The messages that the page sends to the server. They are untrusted: every field is checked before it is used.

    PageOpened        the page was opened; sent first       RepeatMeasured   one repeat, with all its samples
    SelfCheckResult   the self-check ran                    MinuteMeasured   a minute of a sustained run ended
    GestureDetected   the event rule announced a gesture    ErrorReported    something failed on the phone
    CameraStopped     the camera was stopped                Finished         the server can stop
    ClipAnswered      the logits of a clip

``ServerStopped`` is not a message. It is the last event that ``serve`` yields.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edgeshift._system.text import PRINTABLE_PATTERN, printable
from edgeshift.apps.phone.job import Accelerator
from edgeshift.errors import EdgeshiftError, one_line

#: Most bytes of one message. A repeat with 400,000 samples of each phase has about ten million.
MAX_UPLOAD = 16 << 20
#: Most samples of one phase in one repeat.
MAX_SAMPLES = 400_000
#: Limits of times: an hour in microseconds, an hour in seconds, and a thousand hours in seconds.
HOUR_US, HOUR, THOUSAND_HOURS = 3.6e9, 3600.0, 3.6e6

Text = Annotated[str, Meta(max_length=512, pattern=PRINTABLE_PATTERN)]
Count = Annotated[int, Meta(ge=0, le=1 << 31)]
Seconds = Annotated[float, Meta(ge=0, le=THOUSAND_HOURS)]
Microseconds = Annotated[float, Meta(ge=0, le=HOUR_US)]
Samples = Annotated[tuple[Microseconds, ...], Meta(min_length=1, max_length=MAX_SAMPLES)]
Logits = Annotated[tuple[Annotated[float, Meta(ge=-1e12, le=1e12)], ...], Meta(max_length=100_000)]
Threads = Annotated[int, Meta(ge=1, le=64)]
RunNumber = Annotated[int, Meta(ge=0, le=1 << 32)]
RepeatIndex = Annotated[int, Meta(ge=0, le=1000)]


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """The base of all messages.

    Attributes:
        session: identifies one load of the page. The server accepts messages of the newest load only.
    """

    session: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\A[0-9-]+\Z")]


class PageOpened(Message, frozen=True, kw_only=True, tag="page_opened"):
    """The page was opened in a browser.

    Attributes:
        agent: the browser's user agent string.
        model: model of the phone; None: the browser does not report it.
        architecture, platform: processor architecture and operating system; None: the browser does not report them.
        cores: number of logical processors.
        memory: memory of the phone, GiB, rounded by the browser; None: the browser does not report it.
        isolated: whether the page is cross-origin isolated, so that threads can share memory.
        gpu: the GPU's name in WebGPU; None: there is no WebGPU.
    """

    agent: Text
    model: Text | None = None
    architecture: Text | None = None
    platform: Text | None = None
    cores: Annotated[int, Meta(ge=1, le=4096)]
    memory: Annotated[float, Meta(gt=0, le=4096)] | None = None
    isolated: bool
    gpu: Text | None = None


class SelfCheckResult(Message, frozen=True, kw_only=True, tag="self_check"):
    """The self-check ran.

    Attributes:
        accelerator, threads, runtime: what ran the graph.
        error: error of the logits, as in ``edgeshift.stream.selfcheck.SelfCheck``.
        tolerance: largest error that is allowed.
        state_error: error of the state that differs most; None: the artifact's check has no states.
        state_tolerance: largest error of a state that is allowed; None: the artifact's check has no states.
        repeatable: whether two passes over the frames gave equal logits.
        logits: the logits of each frame; empty if the check failed.
    """

    accelerator: Accelerator
    threads: Threads
    runtime: Text
    error: Annotated[float, Meta(ge=0, le=1e12)]
    tolerance: Annotated[float, Meta(gt=0, le=1e12)]
    state_error: Annotated[float, Meta(ge=0, le=1e12)] | None = None
    state_tolerance: Annotated[float, Meta(gt=0, le=1e12)] | None = None
    repeatable: bool
    logits: Annotated[tuple[Logits, ...], Meta(max_length=64)] = ()

    @property
    def errors(self) -> str:
        """The errors and what is allowed, for people."""
        text = f"error {self.error:.2g} of {self.tolerance:.2g} allowed"
        if self.state_error is not None:
            text += f", of a state {self.state_error:.2g} of {self.state_tolerance:g}"
        return text if self.repeatable else f"{text}, a second run gave other logits"

    @property
    def ok(self) -> bool:
        """Whether the phone computes the expected logits and states."""
        states_ok = self.state_error is None or self.state_error <= (self.state_tolerance or 0)
        return self.repeatable and self.error <= self.tolerance and states_ok


class GestureDetected(Message, frozen=True, kw_only=True, tag="detection"):
    """The event rule announced a gesture, ``timestamp`` seconds after the camera was started."""

    label: Text
    score: Annotated[float, Meta(ge=0, le=1.0000001)]
    timestamp: Annotated[float, Meta(ge=-HOUR, le=THOUSAND_HOURS)]


class CameraStopped(Message, frozen=True, kw_only=True, tag="camera_stopped"):
    """The camera was stopped.

    Attributes:
        steps: number of frames that were fed.
        seconds: time for which the camera ran, seconds.
        grab, pre, infer, post, end_to_end: medians of the last hundred steps, microseconds; None: too few steps.
    """

    steps: Count
    seconds: Seconds
    grab: Microseconds | None = None
    pre: Microseconds | None = None
    infer: Microseconds | None = None
    post: Microseconds | None = None
    end_to_end: Microseconds | None = None


class MinutePoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One minute of a sustained run.

    Attributes:
        minute: index of the minute, from 0.
        steps: number of steps in this minute.
        p50, p90: percentiles of the end-to-end time, seconds; None: too few steps.
    """

    minute: Annotated[int, Meta(ge=0, le=1440)]
    steps: Count
    p50: Seconds | None
    p90: Seconds | None


class MinuteMeasured(Message, frozen=True, kw_only=True, tag="minute"):
    """A minute of a sustained run ended. ``run`` and ``repeat`` are those of ``RepeatMeasured``."""

    run: RunNumber
    repeat: RepeatIndex
    point: MinutePoint


class RepeatMeasured(Message, frozen=True, kw_only=True, tag="repeat"):
    """One repeat of a measurement, which ran in a fresh web worker with a fresh runtime.

    Attributes:
        run: a random number that all repeats of one measurement share.
        repeat: index of the repeat, from 0.
        mode: name of the timing mode.
        accelerator, threads, runtime: what really ran the graph; it may not be what was requested.
        precision: precision of the arithmetic on WebGPU; None on the CPU.
        start: time to start the runtime, seconds.
        load: time from the graph in memory to a stream that is ready, seconds.
        first: time of the first step, seconds.
        warmup: number of steps before timing.
        warm: whether the median step time settled before timing.
        checked: whether the self-check passed; None: the artifact has no self-check.
        pre, infer, post, end_to_end: times of the timed steps, in order, microseconds.
        every: the samples contain one of this many steps; 1: all steps.
        steps: number of steps that were timed.
        seconds: duration of the timed loop, seconds.
        clock: resolution of the browser's clock, microseconds.
        offered, missed: in mode "paced", number of frames of the simulated camera, and number of those that were not
            answered before the next one came; None in other modes.
        minutes: the minutes of a sustained run.
    """

    run: RunNumber
    repeat: RepeatIndex
    mode: Text
    accelerator: Accelerator
    threads: Threads
    precision: Literal["fp16", "fp32"] | None
    runtime: Text
    start: Seconds
    load: Seconds
    first: Seconds
    warmup: Count
    warm: bool
    checked: bool | None
    pre: Samples
    infer: Samples
    post: Samples
    end_to_end: Samples
    every: Annotated[int, Meta(ge=1, le=1 << 20)]
    steps: Count
    seconds: Seconds
    clock: Microseconds
    offered: Count | None
    missed: Count | None
    minutes: Annotated[tuple[MinutePoint, ...], Meta(max_length=1440)] = ()

    def __post_init__(self) -> None:
        counts = {len(self.pre), len(self.infer), len(self.post), len(self.end_to_end)}
        if len(counts) > 1:
            raise ValueError("the phases have different numbers of samples")
        if self.steps < counts.pop():
            raise ValueError("there are more samples than steps")
        if (self.offered is None) != (self.missed is None) or (self.missed or 0) > (self.offered or 0):
            raise ValueError("there are more missed frames than offered frames")


class ClipAnswered(Message, frozen=True, kw_only=True, tag="clip"):
    """The page ran a clip.

    Attributes:
        index: index of the clip.
        logits: the logits of its answers, one after the other, as little-endian float32 numbers in base64.
    """

    index: Count
    logits: Annotated[bytes, Meta(min_length=4)]


class ErrorReported(Message, frozen=True, kw_only=True, tag="error"):
    """Something failed on the phone; ``message`` describes it in one line."""

    message: Text


class Finished(Message, frozen=True, kw_only=True, tag="finished"):
    """The user tapped "Stop the server", or the measurement that was requested is complete."""


class ServerStopped(msgspec.Struct, frozen=True):
    """The server stopped: the page sent ``Finished``, or no page sent a request for too long."""

    reason: Literal["finished", "idle"]


AnyMessage = (
    PageOpened
    | SelfCheckResult
    | GestureDetected
    | CameraStopped
    | MinuteMeasured
    | RepeatMeasured
    | ClipAnswered
    | ErrorReported
    | Finished
)
PhoneEvent = AnyMessage | ServerStopped


def read_message(data: bytes) -> AnyMessage:
    """Decode and check one message.

    Raises:
        EdgeshiftError: invalid JSON, an unknown kind or field, a wrong type, or a number that is out of bounds.
    """
    try:
        message: AnyMessage = msgspec.json.decode(data, type=AnyMessage)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise EdgeshiftError(f"invalid message from the page: {printable(one_line(error))}") from error
    return message
