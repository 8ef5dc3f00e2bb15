"""Answers one HTTP request of a phone.

Anybody in the network can send a request. A request without the token in its path is answered with "Not Found". With
the token, a request can get the files in the server's list and send messages, and nothing else.
"""

from __future__ import annotations

import hmac
import ssl
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from edgeshift.apps.phone.clips import ClipFeed
from edgeshift.apps.phone.files import TYPES, ServedFile
from edgeshift.apps.phone.messages import MAX_UPLOAD, Finished, read_message
from edgeshift.errors import EdgeshiftError

if TYPE_CHECKING:
    from edgeshift.apps.phone.server import PhoneServer

#: Time limits, seconds: between two bytes, for a whole request, and for sending a whole answer.
SILENCE, REQUEST, ANSWER = 20.0, 60.0, 300.0
#: The path of a clip, before its index.
CLIP = "clip/"
HEADERS = {
    # Scripts come from this server only. They may compile WebAssembly, but may not run text with "eval". Workers and
    # their runtime come from blobs, because they must start even after this server has stopped.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self' blob:; "
        "worker-src blob:; img-src data:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    # The next two headers isolate the page; browsers let only isolated pages share memory between threads.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), screen-wake-lock=(self), microphone={microphone}, geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # The address contains the token, and the artifact may be private.
    "Cache-Control": "no-store",
}


class RequestHandler(BaseHTTPRequestHandler):
    """Answers GET requests with files, and accepts messages in POST requests."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "edgeshift", ""
    timeout = SILENCE
    server: PhoneServer

    def setup(self) -> None:
        """Do the TLS handshake in this connection's own thread, so that a slow client delays no other."""
        super().setup()
        self.server.set_deadline(self.connection, REQUEST)
        if isinstance(self.connection, ssl.SSLSocket):
            self.connection.do_handshake()

    def handle_one_request(self) -> None:
        """Handle a request as the standard library does, but within a time limit."""
        self.server.set_deadline(self.connection, REQUEST)
        super().handle_one_request()

    def do_GET(self) -> None:
        """Send a file. The answer to "alive" is empty: the page requests it to show that it is still open."""
        name = self._authorized_path()
        if name is None:
            return
        file = self.server.files.get(name)
        if name == "alive":
            self._answer(HTTPStatus.NO_CONTENT)
        elif name.startswith(CLIP) and self.server.clips is not None:
            self._send_clip(self.server.clips, name.removeprefix(CLIP))
        elif file is None:
            self._refuse(HTTPStatus.NOT_FOUND)
        else:
            self._send(file)

    def _send_clip(self, clips: ClipFeed, first: str) -> None:
        """Send the first clip from an index on that the page has not answered. The answer is empty if there is none."""
        if not (first.isascii() and first.isdigit() and len(first) < 12):
            return self._refuse(HTTPStatus.NOT_FOUND)
        self.server.set_deadline(self.connection, ANSWER)
        data = clips.next(int(first))
        if data is None:
            return self._answer(HTTPStatus.NO_CONTENT)
        self._send(ServedFile(TYPES[""], data, compressed=True))
        return None

    def _send(self, file: ServedFile) -> None:
        self.server.set_deadline(self.connection, ANSWER)
        compressed = file.compressed and "gzip" in self.headers.get("Accept-Encoding", "")
        data = file.data if compressed else file.uncompressed()
        self._answer(HTTPStatus.OK, data, file.type, compressed=compressed)

    def do_POST(self) -> None:
        """Check one message of the page, and put it into the server's queue."""
        name = self._authorized_path()
        if name is None:
            return None
        length = self.headers.get("Content-Length", "")
        refusal = self._refusal(name, length)
        if refusal is not None:
            return self._refuse(refusal)
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            return self._refuse(HTTPStatus.BAD_REQUEST)
        try:
            message = read_message(body)
        except EdgeshiftError as error:
            return self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        if not self.server.is_current(message):
            return self._refuse(HTTPStatus.CONFLICT, "only the page that was opened last can send messages")
        if isinstance(message, Finished):  # This message stops the server, so the answer is sent first.
            self._answer(HTTPStatus.NO_CONTENT)
            self.server.messages.put(message)
        else:  # The page sends its next message after the answer, so this message enters the queue first.
            self.server.messages.put(message)
            self._answer(HTTPStatus.NO_CONTENT)
        return None

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that the standard library refuses, without the library's details."""
        self._refuse(HTTPStatus(code))

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing, because addresses contain the token."""

    def _authorized_path(self) -> str | None:
        """Return the path below the token. A request without the token is answered here, and None is returned."""
        slash, token, name = [*self.path.split("/", 2), "", ""][:3]
        known = hmac.compare_digest(token.encode(), self.server.token.encode())
        if slash or not known or self.path.count("/") < 2:
            # The same answer as for a missing file, so that it reveals nothing about the token.
            self._refuse(HTTPStatus.NOT_FOUND)
            return None
        self.server.mark_used()
        return name

    def _refusal(self, name: str, length: str) -> HTTPStatus | None:
        """Return the status with which a POST request is refused before its body is read; None: it is accepted."""
        if name != "post":
            return HTTPStatus.NOT_FOUND
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit() and len(length) < 12):
            return HTTPStatus.LENGTH_REQUIRED
        if int(length) > MAX_UPLOAD:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if self.headers.get_content_type() != "application/json":
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        return None if self.server.count_upload(int(length)) else HTTPStatus.TOO_MANY_REQUESTS

    def _refuse(self, status: HTTPStatus, reason: str = "") -> None:
        # The body of the request was not read. It would be read as the next request if the connection stayed open.
        self.close_connection = True
        self._answer(status, (reason or status.phrase).encode(), "text/plain; charset=utf-8")

    def _answer(
        self, status: HTTPStatus, data: bytes = b"", content_type: str | None = None, *, compressed: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            # Only a network with a sound segment needs the microphone.
            self.send_header(name, value.format(microphone="(self)" if self.server.hears else "()"))
        if content_type is not None:
            self.send_header("Content-Type", content_type)
        if compressed:
            self.send_header("Content-Encoding", "gzip")
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
