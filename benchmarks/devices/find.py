"""Devices by name, and one measurement at a time on each."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeshift._system.files import folder_lock, sha256
from edgeshift.benchmarks.devices.device import Device
from edgeshift.errors import DeviceError, EdgeshiftError, unknown

#: {how a name begins: what makes the device from the name}. A new kind of device is a line here.
DEVICES = {
    "local": "edgeshift.benchmarks.devices.local:LocalDevice",
    "ssh": "edgeshift.benchmarks.devices.ssh:SshDevice",
    "adb": "edgeshift.benchmarks.devices.adb:AdbDevice",
}


def find_device(name: str) -> Device:
    """The device of a name: ``local``, ``ssh://user@host:port``, ``adb`` or ``adb:SERIAL``. It is not spoken to yet.

    Raises:
        DeviceError: no such kind of device, or not such a name.
    """
    kind = name.partition(":")[0]
    if kind not in DEVICES:
        raise DeviceError(unknown("device", kind, DEVICES))
    if kind == "local" and name != "local":
        raise DeviceError(f"--device {name}: this machine is just 'local'")
    module, _, maker = DEVICES[kind].partition(":")
    make = getattr(importlib.import_module(module), maker)
    device: Device = make() if kind == "local" else make(name)
    return device


@contextmanager
def device_lock(device: Device) -> Iterator[None]:
    """Keep other measurements of ours off a device while the block runs: two at once time each other.

    Raises:
        DeviceError: there is one.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        with folder_lock(cache / "edgeshift" / "devices" / sha256(device.name.encode())[:16]):
            yield
    except EdgeshiftError as error:
        if error.__cause__ is None or not isinstance(error.__cause__, BlockingIOError):
            raise
        raise DeviceError(f"{device.name}: another measurement is running there: wait for it to end") from error
