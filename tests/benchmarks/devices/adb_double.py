"""A double of adb's server: the real ``adb`` client talks to it, and finds phones that are folders of this machine.

It speaks what the client asks for (smart sockets, ``shell,v2``, sync version 1), and runs the phone's side of a command
in a real shell: mksh, which is Android's, where it is installed. Paths under /data, /proc and /sys lie in the folder.
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
from contextlib import suppress
from pathlib import Path

PATHS = re.compile(r"/(?=(?:data/local/tmp|data/data|proc|sys)(?:/|\b))")
STDOUT, STDERR, EXIT = b"\x01", b"\x02", b"\x03"
#: Android's tools are toybox: these of its commands come first in PATH where Debian's toybox is installed.
TOYBOX = ("sha256sum", "taskset", "mkdir", "mv", "rm", "cat", "nproc", "uname")


class PhoneDouble:
    """A phone.

    Attributes:
        root: the folder it lives in. state: as ``adb devices`` says it; None: it is not plugged in.
        asked: services that were opened on it, in order. features: that it has.
    """

    def __init__(self, root: Path, serial: str, state: str | None = "device", model: str = "Pixel_9") -> None:
        self.root, self.serial, self.state, self.model = root, serial, state, model
        self.features = "shell_v2,cmd"
        self.asked: list[str] = []
        #: Bytes of a file after which the phone is unplugged; None: never.
        self.lost_after: int | None = None
        self.sockets: set[socket.socket] = set()
        self.children: set[subprocess.Popen[bytes]] = set()
        for folder in ("data/local/tmp", "bin"):
            (root / folder).mkdir(parents=True)
        if toybox := shutil.which("toybox"):
            for name in TOYBOX:
                (root / "bin" / name).symlink_to(toybox)

    def program(self, name: str, script: str, folder: str = "bin") -> None:
        """Give it a program, as a script of its shell."""
        file = self.root / folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def file(self, path: str) -> Path:
        """Where a file of it lies."""
        return self.root / path.lstrip("/")

    def lose(self) -> None:
        """Unplug it."""
        self.state = None
        for child in list(self.children):
            os.killpg(child.pid, signal.SIGKILL)
        for one in list(self.sockets):
            with suppress(OSError):  # the client has hung up meanwhile
                one.shutdown(socket.SHUT_RDWR)


class AdbDouble:
    """The server, on a free port of this machine, with the phones it has."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.phones: list[PhoneDouble] = []
        double = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                try:
                    _Connection(double, self.request, self.rfile).serve()
                except (OSError, EOFError):  # the client went away, or the phone did
                    return

        socketserver.ThreadingTCPServer.daemon_threads = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
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
        """A phone that is plugged in."""
        return next((phone for phone in self.phones if phone.serial == serial and phone.state is not None), None)


class _Connection:
    """One connection of the client."""

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
        """Answer a question to the server. True: the connection is the phone's now."""
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
        phone.asked.append(query)
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
                self._take(phone, *name.rsplit(",", 1))
            elif what == b"RECV":
                self._give(phone, phone.file(name))
            else:
                return

    def _stat(self, file: Path) -> None:
        numbers = (file.stat().st_mode, file.stat().st_size, int(file.stat().st_mtime)) if file.exists() else (0, 0, 0)
        self.sock.sendall(b"STAT" + b"".join(number.to_bytes(4, "little") for number in numbers))

    def _take(self, phone: PhoneDouble, name: str, mode: str) -> None:
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

    def _give(self, phone: PhoneDouble, file: Path) -> None:
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
    except OSError:  # the client went away
        return
