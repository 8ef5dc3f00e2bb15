"""Ask the worker on a device what is there: facts of the device, Python, and the runtimes that are installed."""

from __future__ import annotations

import msgspec

from edgeshift.benchmarks.devices.device import Device
from edgeshift.benchmarks.devices.facts import Facts
from edgeshift.benchmarks.devices.messages import Message, call_worker

#: Seconds that the answer may take: a slow board imports numpy for the first time.
TIMEOUT = 120.0


class Probe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is on a device.

    Attributes:
        facts: what the device reports of itself.
        python, numpy: versions of Python and numpy.
        opencv: whether OpenCV is installed, which resizes frames.
        runtimes: {runtime: version} of the runtimes that are installed.
    """

    facts: Facts
    python: str
    numpy: str
    opencv: bool
    runtimes: dict[str, str]


class Probed(Message, frozen=True, kw_only=True, tag="probe"):
    """The worker's answer to the command ``probe``."""

    probe: Probe


def ask_probe(device: Device) -> Probe:
    """Run ``probe`` on a device.

    Raises:
        DeviceError: the worker does not run there, or its answer is damaged.
    """
    return call_worker(device, ["probe"], TIMEOUT, Probed).probe
