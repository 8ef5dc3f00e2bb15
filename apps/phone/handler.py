"""One request of a phone. Anybody in the network can send one: nothing is given without the token, and nothing but
what is in the list.
"""

from __future__ import annotations

import hmac
import ssl
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, cast

from edgeshift.apps.phone.posted import MAX_UPLOAD, Done, read_posted
from edgeshift.errors import EdgeshiftError

if TYPE_CHECKING:
    from edgeshift.apps.phone.server import Server

#: Seconds that a socket may say nothing; that a request may take to come whole; that an answer may take to go.
SILENCE, REQUEST, ANSWER = 20.0, 60.0, 300.0
HEADERS = {
    # Scripts from here only; WebAssembly may be compiled, text may not be run. Workers and their runtime come from
    # blobs that the page keeps, as they must start when this server is gone.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self' blob:; "
        "worker-src blob:; img-src data:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    # These two let threads share memory.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), screen-wake-lock=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # The address holds the token, and the artifact may be private.
    "Cache-Control": "no-store",
}


class Handler(BaseHTTPRequestHandler):
    """GET of a listed file, and POST of what was found."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "edgeshift", ""
    timeout = SILENCE

    @property
    def _owner(self) -> Server:
        return cast("Server", self.server)

    def setup(self) -> None:
        """Shake hands here, in the connection's own thread: whoever is slow at it keeps nobody waiting."""
        super().setup()
        self._owner.allow(self.connection, REQUEST)
        if isinstance(self.connection, ssl.SSLSocket):
            self.connection.do_handshake()

    def handle_one_request(self) -> None:
        """As the standard library does it, with an end to its patience."""
        self._owner.allow(self.connection, REQUEST)
        super().handle_one_request()

    def do_GET(self) -> None:
        """A file, or the sign of life."""
        name = self._permitted()
        if name is None:
            return
        file = self._owner.files.get(name)
        if name == "alive":
            self._answer(HTTPStatus.NO_CONTENT)
        elif file is None:
            self._refuse(HTTPStatus.NOT_FOUND)
        else:
            self._owner.allow(self.connection, ANSWER)
            unpacks = "gzip" in self.headers.get("Accept-Encoding", "")
            data = file.data if unpacks else file.plain()
            self._answer(HTTPStatus.OK, data, file.type, packed=file.packed and unpacks)

    def do_POST(self) -> None:
        """Something that was found on the phone."""
        name = self._permitted()
        if name is not None:
            self._take(name)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """For what the standard library refuses by itself: no more than the number."""
        self._refuse(HTTPStatus(code))

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: an address holds the token."""

    def _permitted(self) -> str | None:
        """What is asked for, if it is asked with the token; else the request is answered."""
        slash, token, name = [*self.path.split("/", 2), "", ""][:3]
        known = hmac.compare_digest(token.encode(), self._owner.token.encode())
        if slash or not known or self.path.count("/") < 2:
            # The same as for what is not there: it says nothing about the token.
            self._refuse(HTTPStatus.NOT_FOUND)
            return None
        self._owner.used()
        return name

    def _take(self, name: str) -> None:
        length = self.headers.get("Content-Length", "")
        refusal = self._refusal(name, length)
        if refusal is not None:
            return self._refuse(refusal)
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            return self._refuse(HTTPStatus.BAD_REQUEST)
        try:
            posted = read_posted(body)
        except EdgeshiftError as error:
            return self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        if not self._owner.is_current(posted):
            return self._refuse(HTTPStatus.CONFLICT)
        if isinstance(posted, Done):  # it ends the server: first the answer
            self._answer(HTTPStatus.NO_CONTENT)
            return self._owner.posted.put(posted)
        # The page posts the next one when this one is answered: so they are in order.
        self._owner.posted.put(posted)
        return self._answer(HTTPStatus.NO_CONTENT)

    def _refusal(self, name: str, length: str) -> HTTPStatus | None:
        """Why an upload is not even read."""
        if name != "post":
            return HTTPStatus.NOT_FOUND
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit() and len(length) < 12):
            return HTTPStatus.LENGTH_REQUIRED
        if int(length) > MAX_UPLOAD:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if self.headers.get_content_type() != "application/json":
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        return None if self._owner.take(int(length)) else HTTPStatus.TOO_MANY_REQUESTS

    def _refuse(self, status: HTTPStatus, reason: str = "") -> None:
        # What is left of a request is not read: nothing may be taken for the next one.
        self.close_connection = True
        self._answer(status, (reason or status.phrase).encode(), "text/plain; charset=utf-8")

    def _answer(self, status: HTTPStatus, data: bytes = b"", kind: str | None = None, *, packed: bool = False) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if kind is not None:
            self.send_header("Content-Type", kind)
        if packed:
            self.send_header("Content-Encoding", "gzip")
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
