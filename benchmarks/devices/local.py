"""This machine as a device: nothing is copied, the installed edgeshift is its agent."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edgeshift._system.files import atomic_write
from edgeshift.benchmarks.devices.agent import WORKER
from edgeshift.benchmarks.devices.device import Done, Line
from edgeshift.benchmarks.devices.facts import Facts, read_facts
from edgeshift.benchmarks.devices.process import run_process
from edgeshift.benchmarks.devices.protocol import TIED
from edgeshift.errors import DeviceError


class LocalDevice:
    """See ``edgeshift.benchmarks.devices.device.Device``."""

    name = "local"

    def run(self, argv: Sequence[str], timeout: float, line: Line | None = None) -> Done:
        """Run a command here. Its standard input ends with this process, however that ends."""
        return run_process(argv, timeout, line, {**os.environ, "PYTHONUNBUFFERED": "1"}, subprocess.PIPE)

    def push(self, local: Path, name: str) -> str:
        """Where the file is already."""
        if not local.exists():
            raise DeviceError(f"{local}: there is no such file")
        return str(local.resolve())

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file."""
        try:
            with atomic_write(local) as temporary:
                shutil.copyfile(remote, temporary)
        except OSError as error:
            raise DeviceError(f"{remote}: cannot be read: {error.strerror or error}") from error

    def agent(self) -> list[str]:
        """The installed worker, tied to this process: it puts clocks back and ends when this one is killed."""
        return [sys.executable, "-m", WORKER, TIED]

    def facts(self) -> Facts:
        """What this machine says of itself."""
        return read_facts()
