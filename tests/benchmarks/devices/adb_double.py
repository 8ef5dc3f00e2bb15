"""A test double of adb's server. The real ``adb`` client connects to it. Each phone that it lists is a folder.

It implements the protocols of the client (smart sockets, ``shell,v2``, sync version 1), and runs commands in a real
shell: Android's mksh if it is installed. Paths under /data, /proc and /sys are replaced by paths in the phone's folder.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

PATHS = re.compile(r"/(?=(?:data/local/tmp|data/data|proc|sys)(?:/|\b))")
STDOUT, STDERR, EXIT = b"\x01", b"\x02", b"\x03"
#: Android has the tools of toybox. If toybox is installed here, these tools of it are first on the PATH.
TOYBOX = ("sha256sum", "taskset", "mkdir", "mv", "rm", "cat", "nproc", "uname")


class PhoneDouble:
    """A phone.

    Attributes:
        root: folder with the phone's files.
        state: state that ``adb devices`` lists; None: the phone is not connected.
        services: requests of the client to this phone, in order, such as "sync:" or "shell,v2,raw:ls".
        features: features that the phone reports.
        lost_after: number of transferred bytes of a file after which the phone is disconnected; None: never.
    """

    def __init__(self, root: Path, serial: str, state: str | None = "device", model: str = "Pixel_9") -> None:
        self.root, self.serial, self.state, self.model = root, serial, state, model
        self.features = "shell_v2,cmd"
        self.services: list[str] = []
        self.lost_after: int | None = None
        self.sockets: set[socket.socket] = set()
        self.children: set[subprocess.Popen[bytes]] = set()
        for folder in ("data/local/tmp", "bin"):
            (root / folder).mkdir(parents=True)
        if toybox := shutil.which("toybox"):
            for name in TOYBOX:
                (root / "bin" / name).symlink_to(toybox)

    def program(self, name: str, script: str, folder: str = "bin") -> None:
        """Install a program that is a shell script."""
        file = self.root / folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def file(self, path: str) -> Path:
        """Return the path on this machine of a file on the phone."""
        return self.root / path.lstrip("/")

    def lose(self) -> None:
        """Disconnect the phone."""
        self.state = None
        for child in list(self.children):
            os.killpg(child.pid, signal.SIGKILL)
        for connection in list(self.sockets):
            with suppress(OSError):  # the client may have closed the connection already
                connection.shutdown(socket.SHUT_RDWR)


class AdbDouble:
    """The server, on a free port of this machine.

    Attributes:
        version: version of the protocol; a client of another version restarts the server.
        phones: phones that the server lists.
    """

    def __init__(self, version: int) -> None:
        self.version = version
        self.phones: list[PhoneDouble] = []
        double = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                try:
                    _Connection(double, self.request, self.rfile).serve()
                except (OSError, EOFError):  # the client or the phone closed the connection
                    return

        socketserver.ThreadingTCPServer.daemon_threads = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return self._server.server_address[1]

    def __enter__(self) -> AdbDouble:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for phone in self.phones:
            phone.lose()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def find(self, serial: str) -> PhoneDouble | None:
        """Return a connected phone; None: there is no such phone."""
        return next((phone for phone in self.phones if phone.serial == serial and phone.state is not None), None)


class _Connection:
    """One connection of a client."""

    def __init__(self, double: AdbDouble, sock: socket.socket, stream: object) -> None:
        self.double, self.sock = double, sock
        self.phone: PhoneDouble | None = None

    def serve(self) -> None:
        while True:
            query = self._read(int(self._read(4), 16)).decode()
            if query.startswith("host"):
                if not self._host(query):
                    return
            else:
                self._service(query)
                return

    def _host(self, query: str) -> bool:
        """Answer a request to the server, and return whether a request to a phone follows on this connection."""
        if query == "host:version":
            self._okay(f"{self.double.version:04x}")
        elif query in ("host:devices-l", "host:devices"):
            phones = [phone for phone in self.double.phones if phone.state is not None]
            self._okay("".join(_listed(phone, number) for number, phone in enumerate(phones, 1)))
        elif match := re.fullmatch(r"host-serial:(.+):(features|get-state)", query):
            if phone := self._usable(match[1]):
                self._okay(phone.features if match[2] == "features" else "device")
        elif match := re.fullmatch(r"host:(tport:serial|transport):(.+)", query):
            if phone := self._usable(match[2]):
                self.phone = phone
                phone.sockets.add(self.sock)
                self.sock.sendall(b"OKAY" + ((1).to_bytes(8, "little") if match[1].startswith("tport") else b""))
                return True
        else:
            self._fail(f"the double does not know {query}")
        return False

    def _usable(self, serial: str) -> PhoneDouble | None:
        phone = self.double.find(serial)
        if phone is None:
            self._fail(f"device '{serial}' not found")
        elif phone.state != "device":
            self._fail(f"device {phone.state}")
        else:
            return phone
        return None

    def _service(self, query: str) -> None:
        phone = self.phone
        assert phone is not None
        phone.services.append(query)
        try:
            if query == "sync:":
                self.sock.sendall(b"OKAY")
                self._sync(phone)
            elif query.startswith("shell,v2"):
                self.sock.sendall(b"OKAY")
                self._shell(phone, query.partition("raw:")[2])
            else:
                self._fail(f"the double has no service {query}")
        finally:
            phone.sockets.discard(self.sock)

    def _shell(self, phone: PhoneDouble, command: str) -> None:
        shell = shutil.which("mksh") or "/bin/sh"
        root = str(phone.root)
        child = subprocess.Popen(
            [shell, "-c", PATHS.sub(f"{root}/", command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # as adbd does
            cwd=root,
            env={"PATH": f"{root}/bin:{os.environ['PATH']}", "ROOT": root},
        )
        phone.children.add(child)
        lock = threading.Lock()

        def pump(stream: object, kind: bytes) -> None:
            for line in stream:  # type: ignore[attr-defined]
                data = line.replace(root.encode(), b"")
                with lock:
                    self.sock.sendall(kind + len(data).to_bytes(4, "little") + data)

        pumps = [
            threading.Thread(target=_quietly, args=(pump, stream, kind), daemon=True)
            for stream, kind in ((child.stdout, STDOUT), (child.stderr, STDERR))
        ]
        for thread in pumps:
            thread.start()
        for thread in pumps:
            thread.join()
        status = child.wait()
        assert child.stdout is not None and child.stderr is not None
        child.stdout.close()
        child.stderr.close()
        phone.children.discard(child)
        self.sock.sendall(EXIT + (1).to_bytes(4, "little") + bytes([status % 256 if status >= 0 else 128 - status]))

    def _sync(self, phone: PhoneDouble) -> None:
        while True:
            what, name = self._read(4), self._read(self._number()).decode()
            if what == b"STAT":
                self._stat(phone.file(name))
            elif what == b"SEND":
                self._receive_file(phone, *name.rsplit(",", 1))
            elif what == b"RECV":
                self._send_file(phone, phone.file(name))
            else:
                return

    def _stat(self, file: Path) -> None:
        numbers = (file.stat().st_mode, file.stat().st_size, int(file.stat().st_mtime)) if file.exists() else (0, 0, 0)
        self.sock.sendall(b"STAT" + b"".join(number.to_bytes(4, "little") for number in numbers))

    def _receive_file(self, phone: PhoneDouble, name: str, mode: str) -> None:
        file, size = phone.file(name), 0
        problem = None if file.parent.is_dir() else f"couldn't create file: {name}: No such file or directory"
        data = b""
        while (what := self._read(4)) == b"DATA":
            data += self._read(self._number())
            size += len(data)
            if phone.lost_after is not None and size > phone.lost_after:
                phone.lose()
        self._number()
        assert what == b"DONE"
        if problem is None:
            file.write_bytes(data)
            file.chmod(int(mode) & 0o777)
            self.sock.sendall(b"OKAY" + bytes(4))
        else:
            self.sock.sendall(b"FAIL" + len(problem).to_bytes(4, "little") + problem.encode())

    def _send_file(self, phone: PhoneDouble, file: Path) -> None:
        data = file.read_bytes()
        for begin in range(0, len(data), 1 << 16):
            part = data[begin : begin + (1 << 16)]
            self.sock.sendall(b"DATA" + len(part).to_bytes(4, "little") + part)
            if phone.lost_after is not None and begin >= phone.lost_after:
                phone.lose()
        self.sock.sendall(b"DONE" + bytes(4))

    def _okay(self, text: str) -> None:
        self.sock.sendall(b"OKAY" + f"{len(text):04x}{text}".encode())

    def _fail(self, text: str) -> None:
        self.sock.sendall(b"FAIL" + f"{len(text):04x}{text}".encode())

    def _number(self) -> int:
        return int.from_bytes(self._read(4), "little")

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data


def _listed(phone: PhoneDouble, number: int) -> str:
    about = f" product:tokay model:{phone.model} device:tokay" if phone.state == "device" else ""
    return f"{phone.serial:22} {phone.state} usb:1-{number}{about} transport_id:{number}\n"


def _quietly(function: object, *arguments: object) -> None:
    try:
        function(*arguments)  # type: ignore[operator]
    except OSError:  # the client closed the connection
        return


@contextmanager
def adb_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AdbDouble]:
    """Run the test double of adb's server that the adb client connects to, or skip the test if there is no client."""
    if shutil.which("adb") is None:
        pytest.skip("the adb client is not installed (Debian: adb)")
    version = subprocess.run(["adb", "version"], capture_output=True, text=True, check=True).stdout
    # A client replaces a server of another version by a real one, so the double reports the client's version.
    with AdbDouble(version=int(version.split()[4].rpartition(".")[2])) as double:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(double.port))
        monkeypatch.delenv("ANDROID_SERIAL", raising=False)
        yield double
