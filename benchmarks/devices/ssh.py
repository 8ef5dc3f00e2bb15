"""A board reached through the system's own OpenSSH client: keys, config and known hosts as people have them.

Nothing is asked for at a prompt (BatchMode): what needs a password or an unknown host key is refused with ssh's own
words. OpenSSH hands a command to the login shell as one line, so the arguments are quoted for it.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from edgeshift._system.files import atomic_write, sha256
from edgeshift.benchmarks.devices.agent import build_agent
from edgeshift.benchmarks.devices.device import Done, Line
from edgeshift.benchmarks.devices.facts import Facts
from edgeshift.benchmarks.devices.probe import Probe, ask_probe
from edgeshift.benchmarks.devices.process import run_process
from edgeshift.benchmarks.devices.protocol import TIED
from edgeshift.errors import DeviceError, DeviceLostError

#: user@host:port as in a URL, without a path. The host may be a name from ssh's config.
ADDRESS = re.compile(r"ssh://(?:(?P<user>[\w.-]+)@)?(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\])(?::(?P<port>\d{1,5}))?/?")
#: edgeshift's folder there, in the home that ssh begins in.
FOLDER = ".cache/edgeshift"
NAME = re.compile(r"[\w][\w.-]{0,127}")
#: Tried in this order; the agent wants 3.10.
PYTHONS = ("python3", "python3.12", "python3.11", "python3.10", "python")
#: ssh's own exit status for everything that goes wrong between here and there.
LOST = 255
CONNECT, PATIENCE, PUSH = 10, 60.0, 1800.0
OPTIONS = (
    "-o", "BatchMode=yes",
    "-o", f"ConnectTimeout={CONNECT}",
    # A link that is cut is noticed within fifteen seconds, not when TCP gives up.
    "-o", "ServerAliveInterval=5",
    "-o", "ServerAliveCountMax=3",
    "-T",
)  # fmt: skip


class SshDevice:
    """See ``edgeshift.benchmarks.devices.device.Device``.

    Args:
        name: ``ssh://user@host:port``. options: more arguments of ssh, for tests.

    Raises:
        DeviceError: not such an address.
    """

    def __init__(self, name: str, options: Sequence[str] = ()) -> None:
        found = ADDRESS.fullmatch(name)
        if found is None or int(found["port"] or 22) not in range(1, 65536) or found["host"].startswith("-"):
            raise DeviceError(f"{name}: a board is named ssh://user@host or ssh://user@host:port")
        self.name = name
        self._port = ["-p", found["port"]] if found["port"] else []
        self._host = (f"{found['user']}@" if found["user"] else "") + found["host"].strip("[]")
        self._options = [*OPTIONS, *options]
        self._agent: list[str] | None = None
        self._probe: Probe | None = None

    def run(self, argv: Sequence[str], timeout: float, line: Line | None = None) -> Done:
        """Run a command on the board."""
        return self._ssh(shlex.join(argv), timeout, line)

    def push(self, local: Path, name: str) -> str:
        """Copy a file there, under a temporary name until it is whole."""
        if NAME.fullmatch(name) is None:
            raise DeviceError(f"{name!r}: a file on a device has a plain name")
        path, data = f"{FOLDER}/{name}", local.read_bytes()
        known = self.run(["sha256sum", path], PATIENCE)
        if known.status == 0 and known.out.split()[:1] == [sha256(data)]:
            return path
        part, quoted = shlex.quote(f"{path}.part"), shlex.quote(path)
        with local.open("rb") as file:
            done = self._ssh(f"mkdir -p {FOLDER} && cat > {part} && mv {part} {quoted}", PUSH, stdin=file)
        if done.status:
            raise DeviceError(f"{self.name}: {name} could not be copied there: {_last(done)}")
        return path

    def pull(self, remote: str, local: Path) -> None:
        """Fetch a file through sftp, in OpenSSH's scp."""
        with atomic_write(local) as temporary:
            port = ["-P", *self._port[1:]] if self._port else []
            options = [option for option in self._options if option != "-T"]
            source = f"[{self._host}]" if ":" in self._host else self._host
            done = run_process(["scp", "-q", *options, *port, f"{source}:{remote}", str(temporary)], PUSH)
            if done.status:
                raise self._failed(done, f"{remote} could not be fetched: {_last(done)}")

    def agent(self) -> list[str]:
        """The agent, brought there if it is not; with the first Python that can run it."""
        if self._agent is None:
            python, problems = self._python()
            if python is None:
                raise DeviceError(f"{self.name}: the agent does not run there: {problems}")
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, "agent.pyz")
                build_agent(file)
                # Tied to the link: killing ssh here ends nothing there.
                self._agent = [python, self.push(file, "agent.pyz"), TIED]
        return self._agent

    def facts(self) -> Facts:
        """What the board says of itself, through the agent."""
        return self.probe().facts

    def probe(self) -> Probe:
        """What is there: facts, Python, runtimes. Asked once."""
        if self._probe is None:
            self._probe = ask_probe(self)
        return self._probe

    def _python(self) -> tuple[str | None, str]:
        """A Python of 3.10 or later with numpy, or what is wrong with those that are there."""
        problem = "there is no Python"
        for name in PYTHONS:
            code = "import sys, numpy; sys.exit(3 if sys.version_info < (3, 10) else 0)"
            done = self.run([name, "-c", code], PATIENCE)
            if done.status == 0:
                return name, ""
            if done.status == 3:
                problem = f"{name} is older than 3.10"
            elif "numpy" in done.err:
                problem = f"{name} has no numpy: {name} -m pip install numpy"
        return None, problem

    def _ssh(
        self, command: str, timeout: float, line: Line | None = None, stdin: int | IO[bytes] = subprocess.PIPE
    ) -> Done:
        argv = ["ssh", *self._options, *self._port, "--", self._host, command]
        done = run_process(argv, timeout, line, stdin=stdin)
        if done.status == LOST:
            raise self._failed(done, _last(done))
        return done

    def _failed(self, done: Done, words: str) -> DeviceError:
        kind = DeviceLostError if done.status == LOST else DeviceError
        return kind(f"{self.name}: {words}")


def _last(done: Done) -> str:
    lines = [line.strip() for line in done.err.splitlines() if line.strip()]
    return (lines[-1] if lines else f"exit status {done.status}")[:300]
