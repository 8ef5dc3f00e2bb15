"""Run the system's ``adb`` client, and list the phones that it is connected to."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from typing import NamedTuple

from edgeshift._system.process import CommandResult, OnLine, run_process
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
    "no permissions": "this user may not open it: install udev rules (Debian: android-sdk-platform-tools-common)",
    **dict.fromkeys(("bootloader", "recovery", "rescue", "sideload", "host"), _BOOT),
}
_LISTED = re.compile(rf"(\S.*?)\s+(device|{'|'.join(STATES)})\b(.*)")
#: Seconds that a short call of adb may take. The first call may have to start adb's server.
TIMEOUT = 20.0


class Phone(NamedTuple):
    """A phone as ``adb devices`` lists it: serial number, "device" or a key of ``STATES``, and model if it is known."""

    serial: str
    state: str
    model: str | None


def list_adb() -> tuple[tuple[Phone, ...], str | None]:
    """Return the phones that adb lists, and the reason if there are none, such as that adb is not installed."""
    try:
        done = call_adb(["devices", "-l"], TIMEOUT)
    except DeviceError as error:
        return (), str(error)
    if done.status:
        return (), f"`adb devices` failed: {done.problem}"
    phones = parse_devices(done.out)
    return phones, None if phones else "no phone: plug one in, with USB debugging on in its developer options"


def parse_devices(text: str) -> tuple[Phone, ...]:
    """Parse the output of ``adb devices -l``. Lines of another form are skipped."""
    phones = []
    for line in text.splitlines():
        if match := _LISTED.match(line):
            model = re.search(r"\bmodel:(\S+)", match[3])
            phones.append(Phone(match[1], match[2], model[1].replace("_", " ") if model else None))
    return tuple(phones)


def choose_phone(serial: str | None) -> str:
    """Return the serial number of a phone that can be used: ``serial``, or else that of the only such phone.

    Raises:
        DeviceLostError: the phone with this serial number is not connected.
        DeviceError: there is no phone, there are several, or the phone cannot be used.
    """
    phones, reason = list_adb()
    if serial is None:
        if not phones:
            raise DeviceError(f"adb: {reason}")
        usable = [phone for phone in phones if phone.state == "device"]
        if len(usable) > 1:
            names = " or ".join(f"adb:{phone.serial}" for phone in usable)
            raise DeviceError(f"adb: there are {len(usable)} phones: choose one with --device {names}")
        chosen = (usable or phones)[0]
    else:
        named = [phone for phone in phones if phone.serial == serial]
        if not named:
            names = ", ".join(phone.serial for phone in phones)
            raise DeviceLostError(f"adb:{serial} is not connected: {f'adb lists {names}' if names else reason}")
        chosen = named[0]
    if chosen.state != "device":
        raise DeviceError(f"adb:{chosen.serial} is {chosen.state}: {STATES[chosen.state]}")
    return chosen.serial


def call_adb(arguments: Sequence[str], timeout: float, on_line: OnLine | None = None) -> CommandResult:
    """Run adb to its end. Arguments and errors as ``run_process``; also raise DeviceError if adb is not installed."""
    if shutil.which("adb") is None:
        raise DeviceError(MISSING)
    return run_process(["adb", *arguments], timeout, on_line)
