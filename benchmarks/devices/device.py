"""The interface of every device: run a command, copy files to the device and from it, and read its facts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from edgeshift._system.process import CommandResult, OnLine
from edgeshift.benchmarks.devices.facts import Facts
from edgeshift.errors import DeviceError


class Device(Protocol):
    """A device. Commands are lists of arguments, never lines for a shell.

    Attributes:
        name: name of the device, as --device takes it: "local", "ssh://pi@board:22", "adb:SERIAL".
    """

    name: str

    def run(self, argv: Sequence[str], timeout: float, on_line: OnLine | None = None) -> CommandResult:
        """Run a command to its end.

        Args:
            argv: program and arguments.
            timeout: seconds after which the command is stopped.
            on_line: called with each line of standard output while the command runs.

        Raises:
            DeviceLostError: the device cannot be reached, or the connection to it was lost.
            DeviceError: the command took too long, or there is no such program.
        """
        ...

    def push(self, local: Path, name: str) -> str:
        """Copy a file into edgeshift's folder on the device, unless the same file is there already.

        Args:
            name: its name on the device, without folders.

        Returns:
            Its path on the device.
        """
        ...

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file from the device. ``local`` appears only when it is complete."""
        ...

    def agent(self) -> list[str]:
        """Return the start of every command of the agent, such as ``["python3", "/home/pi/.cache/.../agent.pyz"]``.

        Raises:
            DeviceError: the device has no Python that can run it.
        """
        ...

    def facts(self) -> Facts:
        """Return the facts that the device reports about itself."""
        ...


def require_plain_name(name: str) -> None:
    """Raise DeviceError if the name of a file on a device has folders or unusual characters in it."""
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}", name) is None:
        raise DeviceError(f"{name!r}: a file on a device needs a plain name, without folders")
