"""Run the worker's command ``probe``, which reports the facts of a device, its Python and its runtimes."""

from __future__ import annotations

import msgspec

from edgeshift.benchmarks.devices.device import Device
from edgeshift.benchmarks.devices.facts import Facts
from edgeshift.benchmarks.devices.messages import Message, call_worker

#: Seconds that the command may take. The first import of numpy takes long on a slow board.
TIMEOUT = 120.0


class Probe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The facts and installed software of a device, as the worker reports them.

    Attributes:
        facts: the facts that the device reports about itself.
        python, numpy: versions of Python and numpy; empty: the native agent measures, which needs neither.
        opencv: whether frames can be resized: OpenCV is installed, or the native agent measures.
        runtimes: {runtime: version} of the runtimes that are installed.
    """

    facts: Facts
    python: str
    numpy: str
    opencv: bool
    runtimes: dict[str, str]


class Probed(Message, frozen=True, kw_only=True, tag="probe"):
    """The message with the result of the command ``probe``."""

    probe: Probe


def ask_probe(device: Device) -> Probe:
    """Run ``probe`` on a device.

    Raises:
        DeviceError: the worker does not run there, or its message is damaged.
    """
    return call_worker(device, ["probe"], TIMEOUT, Probed).probe
