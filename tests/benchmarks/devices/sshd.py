"""A real sshd on loopback, for one test: keys of its own, no root, no password, nothing of the user's."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PLACES = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"


class Sshd:
    """``board`` is where sessions begin: the home of the board."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.board = folder, folder / "board"
        self.board.mkdir(parents=True)
        for name in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True, capture_output=True
            )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        shutil.copy(folder / "user.pub", folder / "authorized")
        host = (folder / "host.pub").read_text().split()[:2]
        (folder / "known").write_text(f"[127.0.0.1]:{self.port} {' '.join(host)}\n")
        begin = f'cd {self.board} && export PATH={programs}:$PATH && exec sh -c "$SSH_ORIGINAL_COMMAND"'
        (folder / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
            f"AuthorizedKeysFile {folder}/authorized\n"
            f"PidFile {folder}/pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
            f"KbdInteractiveAuthentication no\nSubsystem sftp {_sftp()}\nForceCommand {begin}\n"
        )
        self._server: subprocess.Popen[bytes] | None = None

    @staticmethod
    def program() -> str | None:
        return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:{PLACES}")

    @property
    def name(self) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}"

    @property
    def options(self) -> list[str]:
        """Of a client that knows this server and nothing else."""
        known = f"UserKnownHostsFile={self.folder}/known"
        return ["-F", "none", "-i", f"{self.folder}/user", "-o", known, "-o", "IdentitiesOnly=yes"]

    def start(self) -> None:
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where it parts from its rights; Debian makes it at boot
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
        """Kill the server and every session: the board is gone.

        From the top: a session must not live to tell how what it runs was killed, as no board that is gone does.
        """
        assert self._server is not None
        for pid in [self._server.pid, *_children(self._server.pid)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._server.wait()

    def stop(self) -> None:
        if self._server is not None and self._server.poll() is None:
            self.cut()


def _children(pid: int) -> list[int]:
    """All processes under one, each before its own."""
    found: list[int] = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            child = int(status.parent.name)
            found += [child, *_children(child)]
    return found


def _sftp() -> str:
    places = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/libexec/sftp-server")
    return next((place for place in places if Path(place).exists()), "internal-sftp")
