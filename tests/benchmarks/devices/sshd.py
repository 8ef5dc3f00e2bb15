"""Run a real sshd on loopback for one test, with new keys, without root, and without the user's files."""

from __future__ import annotations

import getpass
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

FOLDERS = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"


class Sshd:
    """A server whose sessions start in the folder ``board``.

    Args:
        folder: a folder for its keys, configuration and log.
        programs: the folder that is first on the PATH of sessions.
    """

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.board = folder, folder / "board"
        self.board.mkdir(parents=True)
        for name in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True, capture_output=True
            )
        self.port = _free_port()
        shutil.copy(folder / "user.pub", folder / "authorized")
        host = (folder / "host.pub").read_text().split()[:2]
        (folder / "known").write_text(f"[127.0.0.1]:{self.port} {' '.join(host)}\n")
        begin = f'cd {self.board} && export PATH={programs}:$PATH && exec sh -c "$SSH_ORIGINAL_COMMAND"'
        (folder / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
            f"AuthorizedKeysFile {folder}/authorized\n"
            # With another home, the login shell does not read the user's start files, which may be slow or print.
            f"SetEnv HOME={self.board}\n"
            f"PidFile {folder}/pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
            f"KbdInteractiveAuthentication no\nSubsystem sftp {_sftp()}\nForceCommand {begin}\n"
        )
        self._server: subprocess.Popen[bytes] | None = None

    @staticmethod
    def program() -> str | None:
        """Return the path of sshd; None: it is not installed."""
        return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:{FOLDERS}")

    @property
    def name(self) -> str:
        """The name of the board, as `--device` takes it."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}"

    @property
    def options(self) -> list[str]:
        """Arguments of an ssh client that uses the test's keys only."""
        known = f"UserKnownHostsFile={self.folder}/known"
        fast = "KexAlgorithms=curve25519-sha256"  # the default key exchange takes 0.1 s longer
        return ["-F", "none", "-i", f"{self.folder}/user", "-o", known, "-o", "IdentitiesOnly=yes", "-o", fast]

    def start(self) -> None:
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd needs it to drop privileges; Debian creates it at boot
        program = self.program()
        assert program is not None
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen([program, "-D", "-e", "-f", self.folder / "config"], stderr=log)
        for _ in range(100):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def cut(self) -> None:
        """Kill the server and every session, as if the board lost power.

        Parents are killed first: a session that outlived its command would send the command's exit status.
        """
        assert self._server is not None
        for pid in [self._server.pid, *_children(self._server.pid)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._server.wait()

    def stop(self) -> None:
        """Kill the server if it is running."""
        if self._server is not None and self._server.poll() is None:
            self.cut()


def _free_port() -> int:
    """Return a free port that the system gives to no client.

    The system chooses the port of a client from a range. If the server's port were in it, a client that connects before
    the server listens could be given this port, and would then be connected to itself.
    """
    span = Path("/proc/sys/net/ipv4/ip_local_port_range")
    lowest = int(span.read_text().split()[0]) if span.exists() else 49152
    for port in random.sample(range(max(1024, lowest - 10_000), lowest), 100):
        with socket.socket() as server:
            try:
                server.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no free port")


def _children(pid: int) -> list[int]:
    """Return all descendants of a process, each before its own children."""
    descendants: list[int] = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            child = int(status.parent.name)
            descendants += [child, *_children(child)]
    return descendants


def _sftp() -> str:
    paths = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/libexec/sftp-server")
    return next((path for path in paths if Path(path).exists()), "internal-sftp")
