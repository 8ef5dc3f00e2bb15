"""The interface of every device: run a command, copy files to the device and from it, and read its facts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from edgeshift.benchmarks.devices.facts import Facts
from edgeshift.errors import DeviceError

#: Called with each line of a command's standard output as it arrives, without the line end.
OnLine = Callable[[str], None]
#: Maximum bytes of a command's output. More output is an error, because the command may never stop.
MAX_OUTPUT = 1 << 28


class CommandResult(NamedTuple):
    """The exit status, standard output and standard error of a command that has ended."""

    status: int
    out: str
    err: str

    @property
    def problem(self) -> str:
        """The reason for a failure: the last line of standard error, or else of standard output."""
        return last_line(self.err) or last_line(self.out) or f"exit status {self.status}"


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


def last_line(text: str, limit: int = 300) -> str:
    """Return the last line that is not blank, shortened to ``limit`` characters, or "" if there is none."""
    return next((line.strip()[:limit] for line in reversed(text.splitlines()) if line.strip()), "")
