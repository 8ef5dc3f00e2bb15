"""The job that the driver sends to the worker on a device, and the messages that the worker answers with.

The message of the command ``probe`` is ``edgeshift.benchmarks.devices.probe.Probed``.
"""

from __future__ import annotations

import msgspec

from edgeshift.benchmarks.devices.messages import Message
from edgeshift.benchmarks.latency.result import Memory, Minute, Repeat, Settings


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one process of the worker measures, as a JSON file on the device.

    Attributes:
        artifact, frames: paths on the device: of the artifact, and of a .npy file with uint8 [N, H, W, 3].
        runtime: name of the runtime, as ``edgeshift.load`` takes it; None: the file's suffix decides.
        settings: how to measure.
        fitted: whether the frames have the network's size and need no resizing.
        idle_seconds: how long to measure the power of the idle device, if anything measures power.
        cool_down_timeout: seconds to wait at most until the device is cool enough.
    """

    artifact: str
    frames: str
    runtime: str | None = None
    settings: Settings
    fitted: bool = False
    idle_seconds: float = 5.0
    cool_down_timeout: float = 300.0


class Started(Message, frozen=True, kw_only=True, tag="started"):
    """A sustained repeat whose timing starts: it is partial, without steps and minutes."""

    repeat: Repeat


class MinuteEnded(Message, frozen=True, kw_only=True, tag="minute"):
    """A minute of a sustained repeat, sent when it ends, so that a lost device loses no earlier minutes."""

    minute: Minute


class RepeatEnded(Message, frozen=True, kw_only=True, tag="repeat"):
    """A complete repeat."""

    repeat: Repeat


class MemoryMeasured(Message, frozen=True, kw_only=True, tag="memory"):
    """The memory of a process."""

    memory: Memory


class ClipLogits(Message, frozen=True, kw_only=True, tag="logits"):
    """The logits [T, classes] of one clip, by its name in the file that was sent, and the runtime."""

    clip: str
    logits: list[list[float]]
    runtime: str


class PowerSample(Message, frozen=True, kw_only=True, tag="power"):
    """The power that the device draws at one time on the monotonic clock."""

    seconds: float
    watts: float
