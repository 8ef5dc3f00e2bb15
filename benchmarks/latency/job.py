"""What a fresh process on the device is asked to do."""

from __future__ import annotations

import msgspec

from edgeshift.benchmarks.latency.result import Settings


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One process.

    Attributes:
        artifact: its path on the device. frames: of a .npy, uint8 [N, H, W, 3].
        runtime: asked for by name, as in ``edgeshift.load``; None: the file says.
        settings: of the run.
        fitted: the frames are as the network takes them; nothing is left to resize.
        idle: seconds to measure the power of doing nothing, where it can be measured.
        patience: seconds to wait for a device that is too hot.
    """

    artifact: str
    frames: str
    runtime: str | None = None
    settings: Settings
    fitted: bool = False
    idle: float = 5.0
    patience: float = 300.0
