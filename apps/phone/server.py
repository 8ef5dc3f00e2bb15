"""The server: as many connections, uploads and seconds as one phone needs, and no more.

It is the standard library's. One phone fetches a dozen files and posts now and then: what a web framework adds to
that is code between the network and this machine that nobody here has read. What the library leaves open is closed
here: connections are counted, requests have an end, and files come out of a list instead of a folder.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http.server import ThreadingHTTPServer
from time import monotonic
from typing import Any

from edgeshift.apps.phone.files import File
from edgeshift.apps.phone.handler import Handler
from edgeshift.apps.phone.posted import Hello, Upload

#: Connections at once; a browser opens six, and one for each of its threads.
CONNECTIONS = 48
#: Uploads of one run, and their bytes together.
UPLOADS, UPLOADED = 5000, 256 << 20


class Server(ThreadingHTTPServer):
    """Serves a list of files below a token, and puts what is posted into ``posted``.

    Args:
        address: host and port, 0 for any. token: that each address must begin with. files: {path below it: file}.
        context: for HTTPS; None: plain HTTP.
    """

    daemon_threads = True
    # Whoever hangs must not keep the command from ending.
    block_on_close = False

    def __init__(
        self, address: tuple[str, int], token: str, files: Mapping[str, File], context: ssl.SSLContext | None
    ) -> None:
        self.token, self.files = token, files
        self.posted: queue.Queue[Upload] = queue.Queue()
        self.last_used = monotonic()
        self._context = context
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        self._lock = threading.Lock()
        self._ends: dict[socket.socket, float] = {}
        self._uploads = self._uploaded = 0
        self._session: str | None = None
        super().__init__(address, Handler)

    def get_request(self) -> tuple[Any, Any]:
        """Accept; nothing is read yet, so that nobody holds up the others."""
        connection, address = super().get_request()
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the connection a thread, if there is one left."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve it, and give the place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._ends.pop(request, None)
            self._free.release()

    def service_actions(self) -> None:
        """Twice a second: close connections whose time is up."""
        now = monotonic()
        with self._lock:
            over = [connection for connection, end in self._ends.items() if now > end]
        _cut(over)

    def server_close(self) -> None:
        """Listen no more, and serve those no more who are connected: browsers keep connections open."""
        super().server_close()
        with self._lock:
            held = list(self._ends)
        _cut(held)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke off, as each does at which a phone shows its warning: nothing to tell."""

    def allow(self, connection: socket.socket, seconds: float) -> None:
        """Let a connection last so long from now."""
        with self._lock:
            self._ends[connection] = monotonic() + seconds

    def used(self) -> None:
        """A request with the token came."""
        self.last_used = monotonic()

    def take(self, size: int) -> bool:
        """Count an upload; False: there were too many, or too much."""
        with self._lock:
            self._uploads += 1
            self._uploaded += size
            return self._uploads <= UPLOADS and self._uploaded <= UPLOADED

    def is_current(self, posted: Upload) -> bool:
        """Whether it is from the page that is listened to: the one that said hello last."""
        with self._lock:
            if isinstance(posted, Hello):
                self._session = posted.session
            return posted.session == self._session


def _cut(connections: Iterable[socket.socket]) -> None:
    for connection in connections:
        with suppress(OSError):  # it may be closed already
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
