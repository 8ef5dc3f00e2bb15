"""A board behind the system's OpenSSH client, with the user's keys, configuration and known hosts.

BatchMode suppresses all prompts: instead of asking for a password or about an unknown host key, ssh fails with a
message. OpenSSH passes a command to the login shell as one line, so the arguments are quoted.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from edgeshift._system.files import atomic_write, sha256
from edgeshift._system.process import CommandResult, OnLine, run_process
from edgeshift.benchmarks.devices.agent import push_agent
from edgeshift.benchmarks.devices.device import require_plain_name
from edgeshift.benchmarks.devices.facts import Facts
from edgeshift.benchmarks.devices.messages import STOP_WITH_STDIN
from edgeshift.benchmarks.devices.probe import ask_probe
from edgeshift.benchmarks.devices.pythons import find_python
from edgeshift.errors import DeviceError, DeviceLostError

#: ssh://user@host:port without a path. The host may be a name that ssh's configuration defines.
ADDRESS = re.compile(r"ssh://(?:(?P<user>[\w.-]+)@)?(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\])(?::(?P<port>\d{1,5}))?/?")
#: edgeshift's folder on the board, relative to the home directory, where ssh starts.
FOLDER = ".cache/edgeshift"
#: Exit status of ssh if the connection fails.
LOST = 255
#: Seconds allowed for connecting, for a short command, and for the transfer of a file.
CONNECT_TIMEOUT, TIMEOUT, TRANSFER_TIMEOUT = 10, 60.0, 1800.0
#: With these options, a dead connection is detected within 15 seconds. TCP alone takes many minutes.
ALIVE = ("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3")
OPTIONS = ("-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_TIMEOUT}", *ALIVE, "-T")


class SshDevice:
    """A board; see ``edgeshift.benchmarks.devices.device.Device``.

    Args:
        name: ``ssh://user@host:port``.
        options: more arguments for ssh, used by tests.

    Attributes:
        python: path of the Python that runs the agent, or of its virtual environment; None: the usual places on the
            board are searched (``edgeshift.benchmarks.devices.pythons``).

    Raises:
        DeviceError: the name is malformed.
    """

    def __init__(self, name: str, options: Sequence[str] = ()) -> None:
        address = ADDRESS.fullmatch(name)
        if address is None or int(address["port"] or 22) not in range(1, 65536) or address["host"].startswith("-"):
            raise DeviceError(f"{name}: give a board as ssh://user@host or ssh://user@host:port")
        self.name = name
        self._port = ["-p", address["port"]] if address["port"] else []
        self._host = (f"{address['user']}@" if address["user"] else "") + address["host"].strip("[]")
        self._options = [*OPTIONS, *options]
        self.python: str | None = None
        self._agent: list[str] | None = None

    def run(self, argv: Sequence[str], timeout: float, on_line: OnLine | None = None) -> CommandResult:
        """Run a command on the board."""
        return self._ssh(shlex.join(argv), timeout, on_line)

    def push(self, local: Path, name: str) -> str:
        """Copy a file to the board, under a temporary name until it is complete."""
        require_plain_name(name)
        path, data = f"{FOLDER}/{name}", local.read_bytes()
        known = self.run(["sha256sum", path], TIMEOUT)
        if known.status == 0 and known.out.split()[:1] == [sha256(data)]:
            return path
        part, quoted = shlex.quote(f"{path}.part"), shlex.quote(path)
        with local.open("rb") as file:
            command = f"mkdir -p {FOLDER} && cat > {part} && mv {part} {quoted}"
            done = self._ssh(command, TRANSFER_TIMEOUT, stdin=file)
        if done.status:
            raise DeviceError(f"{self.name}: {name} could not be copied to the board: {done.problem}")
        return path

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file from the board with OpenSSH's scp."""
        with atomic_write(local) as temporary:
            port = ["-P", *self._port[1:]] if self._port else []
            options = [option for option in self._options if option != "-T"]
            source = f"[{self._host}]" if ":" in self._host else self._host
            command = ["scp", "-q", *options, *port, f"{source}:{remote}", str(temporary)]
            done = run_process(command, TRANSFER_TIMEOUT)
            if done.status:
                error = DeviceLostError if done.status == LOST else DeviceError
                raise error(f"{self.name}: {remote} could not be copied from the board: {done.problem}")

    def agent(self) -> list[str]:
        """Copy the agent to the board, unless it is there already, and return the start of its commands.

        Raises:
            DeviceError: no Python on the board can run the agent. The message says what was tried, and what to do.
        """
        if self._agent is None:
            # Killing ssh on this machine does not stop the agent, so the agent stops when the connection closes.
            self._agent = [find_python(self, self.python), push_agent(self), STOP_WITH_STDIN]
        return self._agent

    def facts(self) -> Facts:
        """Return the facts that the board reports about itself, from the agent."""
        return ask_probe(self).facts

    def _ssh(
        self, command: str, timeout: float, on_line: OnLine | None = None, stdin: int | IO[bytes] = subprocess.PIPE
    ) -> CommandResult:
        argv = ["ssh", *self._options, *self._port, "--", self._host, command]
        done = run_process(argv, timeout, on_line, stdin=stdin)
        if done.status == LOST:
            raise DeviceLostError(f"{self.name}: {done.problem}")
        return done
