"""The system's ``adb`` client: run it, and list the phones that it knows. Its output is parsed in this module only."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from typing import NamedTuple

from edgeshift.benchmarks.devices.device import CommandResult, OnLine
from edgeshift.benchmarks.devices.process import run_process
from edgeshift.errors import DeviceError, DeviceLostError

MISSING = "adb is not installed: apt install adb, or put Android's platform tools on the PATH"
_ALLOW = 'unlock it and answer "Allow USB debugging?", then try again'
_BOOT = "it must run Android: run adb reboot"
#: {state of a phone that cannot be used, as ``adb devices`` prints it: what to do about it}.
STATES = {
    "unauthorized": _ALLOW,
    "authorizing": _ALLOW,
    "offline": "plug it in again, or run: adb reconnect offline",
    "connecting": "adb is still connecting to it: try again in a moment",
    "no permissions": "this user may not open it: Debian's android-sdk-platform-tools-common has the udev rules",
    **dict.fromkeys(("bootloader", "recovery", "rescue", "sideload", "host"), _BOOT),
}
_LISTED = re.compile(rf"(\S.*?)\s+(device|{'|'.join(STATES)})\b(.*)")
#: Seconds that a short call of adb may take; the first one may have to start adb's server.
TIMEOUT = 20.0


class Phone(NamedTuple):
    """One line of ``adb devices``.

    Attributes:
        serial: serial number.
        state: "device" if the phone can be used, otherwise a key of ``STATES``.
        model: name of the model; None: adb does not print it.
    """

    serial: str
    state: str
    model: str | None


class Phones(NamedTuple):
    """The phones that adb knows.

    Attributes:
        phones: the phones, in adb's order.
        reason: why there are none; None: there are some.
    """

    phones: tuple[Phone, ...]
    reason: str | None


def list_adb(timeout: float = TIMEOUT) -> Phones:
    """Return the phones that adb knows. A missing adb is not an error: the list is empty and has a reason."""
    try:
        done = call_adb(["devices", "-l"], timeout)
    except DeviceError as error:
        return Phones((), str(error))
    if done.status:
        return Phones((), f"adb devices failed: {done.problem}")
    phones = parse_devices(done.out)
    return Phones(phones, None if phones else "no phone: plug one in, with USB debugging on in its developer options")


def parse_devices(text: str) -> tuple[Phone, ...]:
    """Parse the output of ``adb devices -l``. Lines of another form are skipped."""
    phones = []
    for line in text.splitlines():
        if match := _LISTED.match(line):
            model = re.search(r"\bmodel:(\S+)", match[3])
            phones.append(Phone(match[1], match[2], model[1].replace("_", " ") if model else None))
    return tuple(phones)


def choose_phone(serial: str | None) -> str:
    """Return the serial number of the phone to use.

    Args:
        serial: the phone that was asked for; None: the only phone that can be used.

    Raises:
        DeviceLostError: the phone that was asked for is not connected.
        DeviceError: there is no phone, there are several, or the phone cannot be used.
    """
    listed = list_adb()
    if serial is None:
        if not listed.phones:
            raise DeviceError(f"adb: {listed.reason}")
        usable = [phone for phone in listed.phones if phone.state == "device"]
        if len(usable) > 1:
            names = " or ".join(f"adb:{phone.serial}" for phone in usable)
            raise DeviceError(f"adb: there are {len(usable)} phones: choose one with --device {names}")
        chosen = (usable or listed.phones)[0]
    else:
        named = [phone for phone in listed.phones if phone.serial == serial]
        if not named:
            names = ", ".join(phone.serial for phone in listed.phones)
            raise DeviceLostError(f"adb:{serial} is not connected: {f'adb lists {names}' if names else listed.reason}")
        chosen = named[0]
    if chosen.state != "device":
        raise DeviceError(f"adb:{chosen.serial} is {chosen.state}: {STATES[chosen.state]}")
    return chosen.serial


def call_adb(arguments: Sequence[str], timeout: float, on_line: OnLine | None = None) -> CommandResult:
    """Run adb to its end.

    Args:
        arguments: arguments of adb.
        timeout: seconds after which it is stopped.
        on_line: called with each line of standard output as it arrives.

    Raises:
        DeviceError: adb is not installed, prints too much, or takes too long (its cause is ``TimeoutExpired``).
    """
    if shutil.which("adb") is None:
        raise DeviceError(MISSING)
    return run_process(["adb", *arguments], timeout, on_line)
