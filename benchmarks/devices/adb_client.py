"""The system's ``adb`` client: one call of it, and the phones that it knows.

What adb says is read here and nowhere else; everything it is given is an argument, never a line for a shell of ours.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from typing import NamedTuple

from edgeshift.benchmarks.devices.device import Done, Line
from edgeshift.benchmarks.devices.process import run_process
from edgeshift.errors import DeviceError, DeviceLostError

MISSING = "adb is not installed: apt install adb, or Android's platform tools on the PATH"
#: {what ``adb devices`` calls a phone that cannot be used: what to do about it}.
STATES = {
    "unauthorized": 'unlock it and answer "Allow USB debugging?", then try again',
    "authorizing": 'unlock it and answer "Allow USB debugging?", then try again',
    "offline": "plug it in again, or run: adb reconnect offline",
    "connecting": "it is on its way: try again in a moment",
    "no permissions": "this user may not open it: Debian's android-sdk-platform-tools-common has the udev rules",
    "bootloader": "it must run Android: adb reboot, or hold its power key",
    "recovery": "it must run Android: adb reboot",
    "rescue": "it must run Android: adb reboot",
    "sideload": "it must run Android: adb reboot",
    "host": "it must run Android: adb reboot",
}
_LISTED = re.compile(rf"(\S.*?)\s+(device|{'|'.join(STATES)})\b(.*)")
#: Seconds that a question may take; the first one may have to start adb's server.
PATIENCE = 20.0


class Phone(NamedTuple):
    """A line of ``adb devices``: its serial number, its state ("device" is well), its model as adb spells it."""

    serial: str
    state: str
    model: str | None


class Phones(NamedTuple):
    """Those that adb knows; ``reason`` says why there are none, where there are none."""

    phones: tuple[Phone, ...]
    reason: str | None


def list_adb(timeout: float = PATIENCE) -> Phones:
    """The phones of ``adb devices``. No adb is no error: there is nothing to list, and a reason."""
    if shutil.which("adb") is None:
        return Phones((), MISSING)
    try:
        done = call_adb(["devices", "-l"], timeout)
    except DeviceError as error:
        return Phones((), str(error))
    if done.status:
        return Phones((), f"adb devices failed: {last_line(done.err or done.out)}")
    phones = parse_devices(done.out)
    return Phones(phones, None if phones else "no phone: plug one in, with USB debugging on in its developer options")


def parse_devices(text: str) -> tuple[Phone, ...]:
    """What ``adb devices -l`` prints; lines of another form are not phones."""
    found = []
    for line in text.splitlines():
        if match := _LISTED.match(line):
            model = re.search(r"\bmodel:(\S+)", match[3])
            found.append(Phone(match[1], match[2], model[1].replace("_", " ") if model else None))
    return tuple(found)


def choose_phone(serial: str | None) -> str:
    """The serial number of the phone to use: the one asked for, or the only one.

    Raises:
        DeviceError: none, several to choose from, or one that cannot be used; the line says what to do.
    """
    listed = list_adb()
    names = ", ".join(phone.serial for phone in listed.phones)
    if serial is None:
        if not listed.phones:
            raise DeviceError(f"adb: {listed.reason}")
        usable = [phone for phone in listed.phones if phone.state == "device"]
        if len(usable) > 1:
            several = " or ".join(f"adb:{phone.serial}" for phone in usable)
            raise DeviceError(f"adb: there are {len(usable)} phones: choose one with --device {several}")
        found = (usable or listed.phones)[0]
    else:
        named = [phone for phone in listed.phones if phone.serial == serial]
        if not named:
            known = f"adb knows {names}" if names else listed.reason
            raise DeviceLostError(f"adb:{serial} is not there: {known}")
        found = named[0]
    if found.state != "device":
        raise DeviceError(f"adb:{found.serial} is {found.state}: {STATES[found.state]}")
    return found.serial


def call_adb(arguments: Sequence[str], timeout: float, line: Line | None = None) -> Done:
    """Run adb to its end.

    Args:
        arguments: of adb. timeout: seconds. line: is given what it prints, line by line, while it runs.

    Raises:
        DeviceError: adb is not installed; it took too long (``TimeoutExpired`` is its cause); it says too much.
    """
    if shutil.which("adb") is None:
        raise DeviceError(MISSING)
    return run_process(["adb", *arguments], timeout, line)


def last_line(text: str, limit: int = 200) -> str:
    """The last line that says something, for one of ours."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:limit] if lines else "nothing"
