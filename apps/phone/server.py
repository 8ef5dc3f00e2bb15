"""The HTTP server for one phone, with limits on connections, uploads and time.

It is built on the standard library, because one phone fetches a dozen files and sends a message now and then. The
limits that the standard library lacks are added here: connections are counted, requests have a deadline, and files
come from a list in memory instead of a folder.
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

from edgeshift.apps.phone.clips import ClipFeed
from edgeshift.apps.phone.files import ServedFile
from edgeshift.apps.phone.handler import RequestHandler
from edgeshift.apps.phone.messages import MAX_UPLOAD, AnyMessage, PageOpened

#: Most connections at a time. A browser opens six, and one for each of its threads.
CONNECTIONS = 48
#: Most messages that one server accepts, and their bytes in total, besides those with the logits of clips.
UPLOADS, UPLOADED = 5000, 256 << 20


class PhoneServer(ThreadingHTTPServer):
    """Serves a list of files, and puts the page's messages into the queue ``messages``.

    Args:
        address: host and port; port 0 takes a free one.
        token: the secret with which every path must begin.
        files: {path below the token: file}.
        context: SSL context for HTTPS; None: plain HTTP.
        clips: the clips that the page runs; None: it runs none.
        clip_count: number of these clips.
        hears: whether the page may ask for the microphone.
    """

    daemon_threads = True
    # Do not wait at the end for connections that hang.
    block_on_close = False

    def __init__(
        self,
        address: tuple[str, int],
        token: str,
        files: Mapping[str, ServedFile],
        context: ssl.SSLContext | None,
        clips: ClipFeed | None = None,
        clip_count: int = 0,
        *,
        hears: bool = False,
    ) -> None:
        self.token, self.files, self.clips, self.hears = token, files, clips, hears
        self._clip_count = clip_count
        self.messages: queue.Queue[AnyMessage] = queue.Queue()
        self.last_used = monotonic()
        self._context = context
        self._free_connections = threading.BoundedSemaphore(CONNECTIONS)
        self._lock = threading.Lock()
        self._deadlines: dict[socket.socket, float] = {}
        self._upload_count = self._upload_bytes = 0
        self._session: str | None = None
        super().__init__(address, RequestHandler)

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection. Nothing is read yet, so that a slow client delays no other."""
        connection, address = super().get_request()
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for the connection. If there are too many connections, close it instead."""
        if not self._free_connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free_connections.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve the connection, then count it as free."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._deadlines.pop(request, None)
            self._free_connections.release()

    def service_actions(self) -> None:
        """Close connections that are past their deadline. The standard library calls this twice a second."""
        now = monotonic()
        with self._lock:
            late = [connection for connection, deadline in self._deadlines.items() if now > deadline]
        _shut_down(late)

    def server_close(self) -> None:
        """Stop listening, and close all connections, because browsers keep connections open."""
        super().server_close()
        with self._lock:
            connections = list(self._deadlines)
        _shut_down(connections)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore broken connections. Every phone breaks one off when it shows its certificate warning."""

    def set_deadline(self, connection: socket.socket, seconds: float) -> None:
        """Set the time after which a connection is closed, in seconds from now."""
        with self._lock:
            self._deadlines[connection] = monotonic() + seconds

    def mark_used(self) -> None:
        """Record that a request with the token arrived."""
        self.last_used = monotonic()

    def count_upload(self, size: int) -> bool:
        """Count a message of ``size`` bytes. Return False if there have been too many messages or bytes."""
        with self._lock:
            self._upload_count += 1
            self._upload_bytes += size
            most, most_bytes = UPLOADS + self._clip_count, UPLOADED + self._clip_count * MAX_UPLOAD
            return self._upload_count <= most and self._upload_bytes <= most_bytes

    def is_current(self, message: AnyMessage) -> bool:
        """Return True if the message comes from the page that was opened last."""
        with self._lock:
            if isinstance(message, PageOpened):
                self._session = message.session
            return message.session == self._session


def _shut_down(connections: Iterable[socket.socket]) -> None:
    for connection in connections:
        with suppress(OSError):  # The connection may be closed already.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
