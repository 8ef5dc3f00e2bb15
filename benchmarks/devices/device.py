"""The one seam to a device: run, push, pull, facts. A command is a list of arguments, never a line for a shell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from edgeshift.benchmarks.devices.facts import Facts

#: Takes each line of a command's standard output as it comes, without its end.
Line = Callable[[str], None]
#: Characters of what a command says that are kept; a device is not trusted to stop.
MAX_OUTPUT = 1 << 28


class Done(NamedTuple):
    """A command that ended: its exit status, and what it said."""

    status: int
    out: str
    err: str


class Device(Protocol):
    """What every device can do.

    Attributes:
        name: as one asks for it: "local", "ssh://pi@board:22", "adb:SERIAL".
    """

    name: str

    def run(self, argv: Sequence[str], timeout: float, line: Line | None = None) -> Done:
        """Run a command to its end.

        Args:
            argv: program and arguments. timeout: seconds; the command is stopped then.
            line: is given what it prints, line by line, while it runs.

        Raises:
            DeviceLostError: the device cannot be reached (any more).
            DeviceError: it took too long, or there is no such program.
        """
        ...

    def push(self, local: Path, name: str) -> str:
        """Bring a file into edgeshift's folder there, under a name that must be plain; skipped where it is already.

        Returns:
            its path on the device.
        """
        ...

    def pull(self, remote: str, local: Path) -> None:
        """Fetch a file. It appears under its name only when it is whole."""
        ...

    def agent(self) -> list[str]:
        """How a command of the agent begins, such as ``["python3", "/home/pi/.cache/edgeshift/agent.pyz"]``.

        Raises:
            DeviceError: no Python there that can run it.
        """
        ...

    def facts(self) -> Facts:
        """What the device says of itself."""
        ...
