"""Open the device that the user names, with the Python that was chosen for a board now or in an earlier command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeshift.cli.output import print_note
from edgeshift.errors import DeviceError

if TYPE_CHECKING:
    from edgeshift.benchmarks.devices.device import Device

#: The value of --python that forgets an earlier choice and searches the usual places.
AUTO = "auto"
BOARD = "ssh:"


def open_device(
    name: str,
    python: str | None = None,
    *,
    native: bool = False,
    litert: Path | None = None,
    qnn: Path | None = None,
) -> Device:
    """Return the device with this name. No connection to it is made yet.

    Args:
        name: name of the device, as for ``edgeshift.benchmarks.devices.find.find_device``.
        python: the value of --python for a board; None: the one that was given for it before, if any.
        native: whether the native agent measures there, which needs no Python.
        litert: LiteRT's library for the native agent; None: the one that is installed or downloaded here.
        qnn: the folder with the libraries of ONNX Runtime and QNN for it; None: those that are installed here.

    Raises:
        DeviceError: the name is malformed, or the Python has no path.
    """
    from edgeshift._system.text import is_printable
    from edgeshift.benchmarks.devices.find import find_device
    from edgeshift.benchmarks.devices.remembered import remembered_python
    from edgeshift.benchmarks.devices.ssh import SshDevice

    device = find_device(name)
    if native:
        from edgeshift.benchmarks.devices.native import NativeDevice

        return NativeDevice(device, litert, qnn=qnn)
    if not isinstance(device, SshDevice):
        return device
    if python is None:
        device.python = remembered_python(name)
    elif python != AUTO:
        if not is_printable(python, 1024) or python.startswith("-"):
            raise DeviceError("--python: give the path of a Python or of a virtual environment on the board, or auto")
        device.python = python
    return device


def remember_choice(device: Device, python: str | None) -> None:
    """Remember the Python that was given for a board, once it has run the agent there."""
    from edgeshift.benchmarks.devices.remembered import remember_python

    if python is None or not device.name.startswith(BOARD):
        return
    try:
        remember_python(device.name, None if python == AUTO else device.agent()[0])
    except OSError as error:
        print_note(f"{device.name}: the choice of Python cannot be remembered: {error.strerror or error}")
