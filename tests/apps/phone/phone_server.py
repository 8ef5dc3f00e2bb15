"""A phone server in a thread, and the messages that a page would send to it."""

from __future__ import annotations

import http.client
import json
import queue
import threading
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from doubles import LABELS

from edgeshift.apps.phone import PageAddress, ServerOptions, serve

SAMPLES = [100.0 + index % 7 for index in range(200)]
TIMES = {"pre": [10.0] * 200, "infer": SAMPLES, "post": [1.0] * 200, "end_to_end": [time + 12 for time in SAMPLES]}
BACKEND = {"accelerator": "cpu", "threads": 1, "runtime": "LiteRT.js"}
LOADING = {"start": 0.2, "load": 0.1, "first": 0.02, "warmup": 60, "warm": True, "checked": True}
LOOP = {"every": 1, "steps": 200, "seconds": 10.5, "clock": 5.0, "offered": None, "missed": None, "minutes": []}
CHECK = {"error": 0.001, "tolerance": 0.1, "repeatable": True, "logits": [[0.0] * len(LABELS)] * 2}
PHONE = {"model": "A phone", "architecture": "arm", "platform": "Android 16", "cores": 8, "memory": 8, "gpu": None}
#: The fields of one valid message of each kind.
EXAMPLES: dict[str, dict[str, Any]] = {
    "page_opened": {"agent": "A browser", "isolated": True, **PHONE},
    "self_check": {**BACKEND, **CHECK},
    "detection": {"label": "red", "score": 0.75, "timestamp": 2.5},
    "camera_stopped": {"steps": 40, "seconds": 10.0, "grab": 800.0, "pre": 300.0, "infer": 5000.0, "post": 20.0},
    "minute": {"run": 5, "repeat": 0, "point": {"minute": 0, "steps": 900, "p50": 0.005, "p90": 0.006}},
    "repeat": {"run": 5, "repeat": 0, "mode": "quick", "precision": None, **BACKEND, **LOADING, **TIMES, **LOOP},
    "error": {"message": "the page was hidden"},
    "clip": {"index": 0, "logits": "AACAPw=="},
    "finished": {},
}


def message(kind: str, **changes: Any) -> bytes:
    """Return a message as the page sends it, with the given fields changed; the value ``...`` leaves one out."""
    fields = {"kind": kind, "session": "1-2", **EXAMPLES[kind], **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def request(
    port: int, method: str, path: str, body: bytes | None = None, headers: dict[str, Any] | None = None
) -> SimpleNamespace:
    """Send one HTTP request to this machine. Return its status, headers and data."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = dict(headers or {})
    if body is not None:
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        return SimpleNamespace(status=response.status, headers=response.headers, data=response.read())
    finally:
        connection.close()


class RunningServer:
    """A phone server in a thread.

    Attributes:
        events: the events that ``serve`` has yielded.
        address: the address of the page.
    """

    def __init__(self, artifact, job, frames, built, clips=None, **options):
        self.events: list[object] = []
        addresses: queue.Queue[PageAddress] = queue.Queue()
        options = ServerOptions(**{"localhost": True, "idle": 30.0, **options})

        def collect() -> None:
            for event in serve(artifact, job, frames, options, addresses.put, built, clips):
                self.events.append(event)

        self.thread = threading.Thread(target=collect, daemon=True)
        self.thread.start()
        self.address = addresses.get(timeout=10)
        parts = urlsplit(self.address.url)
        self.port, self.token = parts.port, parts.path.strip("/")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.thread.is_alive():
            self.send("page_opened", session="99")
            self.send("finished", session="99")
        self.thread.join(10)
        assert not self.thread.is_alive()

    def get(self, name, token=None, headers=None):
        """Request a file below the token."""
        return request(self.port, "GET", f"/{self.token if token is None else token}/{name}", headers=headers)

    def post(self, body, token=None, headers=None):
        """Send a body as a message."""
        return request(self.port, "POST", f"/{token or self.token}/post", body, headers)

    def send(self, kind, **changes):
        """Send an example message of a kind, with changed fields. Return the HTTP status."""
        return self.post(message(kind, **changes)).status
