"""The job that is copied to a device for the worker, and the messages that the worker answers with.

The message of the command ``probe`` is ``edgeshift.benchmarks.devices.probe.Probed``.
"""

from __future__ import annotations

import msgspec

from edgeshift.benchmarks.devices.messages import Message
from edgeshift.benchmarks.latency.result import Memory, Minute, Repeat, Settings
from edgeshift.stream.placement import Placement


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one process of the worker measures. It is a JSON file on the device.

    Attributes:
        artifact, frames: paths on the device of the artifact, and of a .npy file with frames, uint8 [N, H, W, 3].
        runtime: name of the runtime, as ``edgeshift.load`` takes it; None: the file's suffix decides.
        settings: how to measure.
        fitted: whether the frames have the network's size and need no resizing.
        idle_seconds: seconds for which to measure the power of the idle device, if it has a power sensor.
        cool_down_timeout: maximum seconds to wait until the device is cool enough.
    """

    artifact: str
    frames: str
    runtime: str | None = None
    settings: Settings
    fitted: bool = False
    idle_seconds: float = 5.0
    cool_down_timeout: float = 300.0


class Started(Message, frozen=True, kw_only=True, tag="started"):
    """Sent when the timing of a sustained repeat starts. The repeat is partial: it has no steps and minutes yet."""

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
    """The logits [T, classes] of one clip, the clip's name in the .npz file, and the runtime that computed them.

    ``ran_on`` says where the runtime ran the graph; None: the agent does not say it.
    """

    clip: str
    logits: list[list[float]]
    runtime: str
    ran_on: Placement | None = None


class PowerSample(Message, frozen=True, kw_only=True, tag="power"):
    """The power that the device draws at one time on the monotonic clock."""

    seconds: float
    watts: float
