"""A server that runs beside the test, and how to ask it."""

from __future__ import annotations

import http.client
import json
import queue
import threading
from types import SimpleNamespace
from urllib.parse import urlsplit

from edgeshift.apps.phone import ServerOptions, serve


class Running:
    """A server that runs: ``ask`` sends a request, ``found`` is what it gave."""

    def __init__(self, artifact, job, frames, built, **reach):
        self.found: list[object] = []
        sites: queue.Queue[object] = queue.Queue()
        reach = ServerOptions(**{"localhost": True, "idle": 30.0, **reach})

        def work() -> None:
            for posted in serve(artifact, job, frames, reach, sites.put, built):
                self.found.append(posted)

        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()
        self.site = sites.get(timeout=10)
        parts = urlsplit(self.site.url)
        self.port, self.token = parts.port, parts.path.strip("/")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.thread.is_alive():
            self.ask(
                "POST",
                "post",
                json.dumps({"kind": "page_opened", "session": "99", "agent": "", "cores": 1, "isolated": True}),
            )
            self.ask("POST", "post", json.dumps({"kind": "finished", "session": "99"}))
        self.thread.join(10)
        assert not self.thread.is_alive()

    def ask(self, method, name, body=None, token=None, path=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Content-Type": "application/json", **(headers or {})} if body is not None else headers or {}
        try:
            connection.putrequest(
                method, path or f"/{self.token if token is None else token}/{name}", skip_accept_encoding=True
            )
            data = body.encode() if isinstance(body, str) else body
            if data is not None and "Content-Length" not in headers:
                connection.putheader("Content-Length", str(len(data)))
            for key, value in headers.items():
                connection.putheader(key, value)
            connection.endheaders(data)
            response = connection.getresponse()
            return SimpleNamespace(status=response.status, headers=response.headers, data=response.read())
        finally:
            connection.close()
