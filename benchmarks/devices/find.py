"""Find the device with a given name, and make sure that only one measurement at a time runs on it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager

from edgeshift._system.files import cache_folder, folder_lock, sha256
from edgeshift.benchmarks.devices.device import Device
from edgeshift.errors import DeviceError, EdgeshiftError, unknown

#: {the part of a name before the colon: module and class}. A module is imported when a device of its kind is requested.
DEVICES = {
    "local": "edgeshift.benchmarks.devices.local:LocalDevice",
    "ssh": "edgeshift.benchmarks.devices.ssh:SshDevice",
    "adb": "edgeshift.benchmarks.devices.adb:AdbDevice",
}
#: The name of a host, with or without a user, as ssh takes it.
HOST = re.compile(r"(?:[\w.-]{1,64}@)?\w[\w.-]{0,64}")


def find_device(name: str) -> Device:
    """Return the device ``local``, ``ssh://user@host:port``, ``adb:SERIAL`` or ``adb``.

    No connection is made yet, except that for ``adb`` alone the adb client is asked for the only phone.

    Raises:
        DeviceError: the kind of device is unknown, or the name is malformed.
    """
    kind = name.partition(":")[0]
    if kind not in DEVICES:
        message = unknown("device", kind, DEVICES)
        if "did you mean" not in message:
            message = unknown("device", kind, ("local", "ssh://user@host", "adb", "adb:SERIAL"))
        if "did you mean" not in message and HOST.fullmatch(name):
            message += f"; for a board with this name, give ssh://{name}"
        raise DeviceError(message)
    if kind == "local" and name != "local":
        raise DeviceError(f"--device {name}: this machine is named 'local'")
    module, _, class_name = DEVICES[kind].partition(":")
    device_class = getattr(importlib.import_module(module), class_name)
    device: Device = device_class() if kind == "local" else device_class(name)
    return device


@contextmanager
def device_lock(device: Device) -> Iterator[None]:
    """Hold a lock on a device while the block runs, because two measurements at once would slow each other down.

    Raises:
        DeviceError: another process of this machine's user holds the lock.
    """
    try:
        with folder_lock(cache_folder() / "devices" / sha256(device.name.encode())[:16]):
            yield
    except EdgeshiftError as error:
        if not isinstance(error.__cause__, BlockingIOError):
            raise
        raise DeviceError(f"{device.name}: another measurement is running there: wait for it to end") from error
