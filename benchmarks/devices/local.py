"""This machine as a device. Nothing is copied, and the installed edgeshift is the agent."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edgeshift._system.files import atomic_write
from edgeshift._system.process import CommandResult, OnLine, run_process
from edgeshift.benchmarks.devices.agent import WORKER
from edgeshift.benchmarks.devices.facts import Facts, read_facts
from edgeshift.benchmarks.devices.messages import STOP_WITH_STDIN
from edgeshift.errors import DeviceError


class LocalDevice:
    """This machine; see ``edgeshift.benchmarks.devices.device.Device``."""

    name = "local"

    def run(self, argv: Sequence[str], timeout: float, on_line: OnLine | None = None) -> CommandResult:
        """Run a command here. Its standard input closes when this process ends, even if this process is killed."""
        return run_process(argv, timeout, on_line, {**os.environ, "PYTHONUNBUFFERED": "1"}, subprocess.PIPE)

    def push(self, local: Path, name: str) -> str:
        """Return the path of the file, as the user has given it; nothing is copied."""
        if not local.exists():
            raise DeviceError(f"{local}: there is no such file")
        return str(local)

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file on this machine."""
        try:
            with atomic_write(local) as temporary:
                shutil.copyfile(remote, temporary)
        except OSError as error:
            raise DeviceError(f"{remote}: cannot be read: {error.strerror or error}") from error

    def agent(self) -> list[str]:
        """Return the command of the installed worker, which restores clocks and ends when this process is killed."""
        return [sys.executable, "-m", WORKER, STOP_WITH_STDIN]

    def facts(self) -> Facts:
        """Return the facts that this machine reports about itself."""
        return read_facts()
