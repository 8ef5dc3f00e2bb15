"""The server as anybody in the network meets it: without the token nothing, with it only what is listed."""

from __future__ import annotations

import gzip
import http.client
import json
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from edgeshift.apps.phone import Done, Ended, Hello, Reach, serve
from edgeshift.apps.phone import handler as handler_module
from edgeshift.apps.phone import server as server_module
from edgeshift.apps.phone.certificate import make_context
from edgeshift.apps.phone.posted import MAX_UPLOAD
from edgeshift.errors import DeviceError, EdgeshiftError


@pytest.fixture
def visit(artifact, job, frames, stand_in) -> Iterator[SimpleNamespace]:
    """A server that runs: ``ask`` sends a request, ``found`` is what it gave."""
    with running(artifact, job, frames, stand_in) as made:
        yield made


class running:  # noqa: N801 -- reads as a phrase
    def __init__(self, artifact, job, frames, built, **reach):
        self.found: list[object] = []
        sites: queue.Queue[object] = queue.Queue()
        reach = Reach(**{"localhost": True, "idle": 30.0, **reach})

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
                json.dumps({"kind": "hello", "session": "99", "agent": "", "cores": 1, "isolated": True}),
            )
            self.ask("POST", "post", json.dumps({"kind": "done", "session": "99"}))
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


def test_the_page_and_the_files_beside_it(visit, artifact, frames):
    page = visit.ask("GET", "")
    assert page.status == 200 and page.data == b"<!doctype html><p>a page"
    assert page.headers["Content-Type"].startswith("text/html")
    assert visit.ask("GET", "artifact").data == artifact.data
    assert visit.ask("GET", "frames.bin").data == frames.pixels.tobytes()
    job = json.loads(visit.ask("GET", "job.json").data)
    assert job["frames"] == {"name": "drawn", "count": 2, "width": 6, "height": 4}
    assert job["mode"] == "quick" and job["modes"]["quick"]["steps"] == 128


def test_packed_files_reach_both_sorts_of_browser(visit):
    plain = visit.ask("GET", "page/index.js")
    packed = visit.ask("GET", "page/index.js", headers={"Accept-Encoding": "gzip, br"})
    assert plain.data == b"let page = 1;" == gzip.decompress(packed.data)
    assert packed.headers["Content-Encoding"] == "gzip" and plain.headers["Content-Encoding"] is None
    assert visit.ask("GET", "litert/runtime.wasm").headers["Content-Type"] == "application/wasm"


def test_every_answer_carries_the_headers_that_protect_it(visit):
    for answer in (visit.ask("GET", ""), visit.ask("GET", "nothing"), visit.ask("GET", "", token="wrong")):
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe-eval'" not in answer.headers["Content-Security-Policy"].replace("wasm-unsafe-eval", "")
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Access-Control-Allow-Origin"] is None
        assert "Python" not in answer.headers["Server"]


@pytest.mark.parametrize("path", ["/", "//", "/artifact", "/job.json", "/index.html", "/?token", "/%2e%2e/"])
def test_without_the_token_there_is_nothing(visit, path):
    answer = visit.ask("GET", "", path=path)
    assert answer.status == 404 and answer.data == b"Not Found"


def test_a_wrong_token_is_answered_as_any_other_path(visit):
    for token in ("wrong", visit.token[:-1], visit.token + "x", visit.token.swapcase()):
        answer = visit.ask("GET", "artifact", token=token)
        assert answer.status == 404 and answer.data == b"Not Found"
        assert visit.ask("POST", "post", "{}", token=token).status == 404
    for line in (
        b"GET /\xc3\xa9/artifact HTTP/1.1",
        b"GET \xff HTTP/1.1",
        b"GET",
        b"\x16\x03\x01\0\xf4",
        b"GET / HTTP/9.9",
    ):
        with socket.create_connection(("127.0.0.1", visit.port), timeout=5) as raw:
            raw.sendall(line + b"\r\nConnection: close\r\n\r\n")
            assert b"200 OK" not in raw.recv(1000)


@pytest.mark.parametrize(
    "name",
    [
        "../artifact",
        "..%2f..%2fetc/passwd",
        "page/../../serve.py",
        "/etc/passwd",
        "page//index.js",
        "page/index.js.map",
        "page/",
        "page",
        "index.html",
        "artifact?x",
        "artifact/",
        "ARTIFACT",
        ".",
        "..",
        "page/index.js%00",
    ],
)
def test_nothing_but_the_list_is_served(visit, name):
    assert visit.ask("GET", name).status == 404


def test_other_methods_are_refused(visit):
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "HEAD"):
        assert visit.ask(method, "artifact").status in (404, 501)


def test_what_is_posted_comes_out_in_order(visit, post):
    for kind in ("hello", "checked", "spotted", "measured", "done"):
        assert visit.ask("POST", "post", post(kind)).status == 204
    visit.thread.join(10)
    kinds = [type(posted).__name__ for posted in visit.found]
    assert kinds == ["Hello", "Checked", "Announced", "Measured", "Done", "Ended"]
    assert visit.found[-1] == Ended("done")
    with pytest.raises(OSError, match="refused"):
        visit.ask("GET", "")


def test_only_the_newest_page_is_listened_to(visit, post):
    assert visit.ask("POST", "post", post("spotted")).status == 409  # nobody said hello yet
    assert visit.ask("POST", "post", post("hello", session="1")).status == 204
    assert visit.ask("POST", "post", post("hello", session="2")).status == 204
    assert visit.ask("POST", "post", post("done", session="1")).status == 409
    assert visit.ask("POST", "post", post("spotted", session="2")).status == 204
    assert [type(posted) for posted in visit.found][:2] == [Hello, Hello]
    assert Done not in map(type, visit.found)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\0" * 100, b'{"kind":"measured"}', b'{"kind":"hello","session":"1","cores":NaN}']
)
def test_malformed_uploads_are_refused_and_the_server_lives(visit, body, post):
    answer = visit.ask("POST", "post", body)
    assert answer.status == 400 and b"\n" not in answer.data
    assert visit.ask("POST", "post", post("hello")).status == 204
    assert len(visit.found) <= 1


def test_not_a_number_is_no_sample(visit, post):
    visit.ask("POST", "post", post("hello"))
    assert visit.ask("POST", "post", post("measured", infer=[float("nan")] * 200)).status == 400
    assert visit.ask("POST", "post", post("measured", infer=[float("inf")] * 200)).status == 400


def test_an_upload_that_is_too_large_is_not_read(visit):
    answer = visit.ask("POST", "post", b"", headers={"Content-Length": str(MAX_UPLOAD + 1)})
    assert answer.status == 413
    assert visit.ask("POST", "post", b"", headers={"Content-Length": "9" * 30}).status == 411


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": "-5"}, 411),
        ({"Content-Length": "5_0"}, 411),
        ({"Content-Length": "\u0662"}, 411),
        ({"Transfer-Encoding": "chunked", "Content-Length": "2"}, 411),
        ({"Content-Type": "text/plain", "Content-Length": "2"}, 415),
    ],
)
def test_uploads_of_another_form_are_refused(visit, headers, status):
    encoded = {key: value.encode("utf-8") for key, value in headers.items()}
    assert visit.ask("POST", "post", b"{}", headers=encoded).status == status


def test_too_many_uploads_are_refused(visit, post, monkeypatch):
    monkeypatch.setattr(server_module, "UPLOADS", 3)
    answers = [visit.ask("POST", "post", post("hello")).status for _ in range(5)]
    assert answers == [204, 204, 204, 429, 429]
    monkeypatch.setattr(server_module, "UPLOADS", 1000)


def test_too_much_in_all_is_refused(visit, post, monkeypatch):
    monkeypatch.setattr(server_module, "UPLOADED", 2 * len(post("hello")))
    answers = [visit.ask("POST", "post", post("hello")).status for _ in range(3)]
    assert answers == [204, 204, 429]
    monkeypatch.setattr(server_module, "UPLOADED", 1 << 30)


def test_it_stops_when_nobody_comes(artifact, job, frames, stand_in):
    with running(artifact, job, frames, stand_in, idle=0.6) as visit:
        begin = time.monotonic()
        for _ in range(4):  # signs of life keep it
            time.sleep(0.3)
            assert visit.ask("GET", "alive").status == 204
            assert visit.ask("GET", "", token="wrong").status == 404
        assert visit.thread.is_alive() and time.monotonic() - begin > 0.6
        for _ in range(20):  # requests without the token do not
            time.sleep(0.1)
            if not visit.thread.is_alive():
                break
            try:
                visit.ask("GET", "", token="wrong")
            except OSError:
                break
        visit.thread.join(5)
        assert visit.found == [Ended("idle")]


def test_connections_are_counted(artifact, job, frames, stand_in, monkeypatch):
    monkeypatch.setattr(server_module, "CONNECTIONS", 3)
    with running(artifact, job, frames, stand_in) as visit:
        held = [socket.create_connection(("127.0.0.1", visit.port), timeout=5) for _ in range(3)]
        time.sleep(0.3)
        with pytest.raises((OSError, http.client.HTTPException)):
            visit.ask("GET", "")
        for connection in held:
            connection.close()
        time.sleep(0.3)
        assert visit.ask("GET", "").status == 200


def test_a_request_that_does_not_end_is_ended(artifact, job, frames, stand_in, monkeypatch):
    monkeypatch.setattr(handler_module, "REQUEST", 1.0)
    with running(artifact, job, frames, stand_in) as visit, socket.create_connection(("127.0.0.1", visit.port)) as slow:
        slow.settimeout(0.2)
        begin, closed = time.monotonic(), False
        while not closed and time.monotonic() - begin < 10:  # a byte now and then never lets the socket time out
            try:
                slow.sendall(b"G")
                closed = slow.recv(100) == b""
            except TimeoutError:
                continue
            except OSError:
                closed = True
        assert closed and time.monotonic() - begin > 0.5
        assert visit.ask("GET", "").status == 200


def test_over_https_with_a_certificate_of_its_own(artifact, job, frames, stand_in):
    pytest.importorskip("cryptography")
    with running(artifact, job, frames, stand_in, localhost=False, host="127.0.0.1") as visit:
        assert visit.site.url.startswith("https://127.0.0.1:")
        pem = ssl.get_server_certificate(("127.0.0.1", visit.port))
        import hashlib

        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
        assert visit.site.fingerprint.replace(":", "") == digest
        # Whoever trusts that certificate, and only that, is at the right place: the address is in it.
        context = ssl.create_default_context(cadata=pem)
        silent = socket.create_connection(("127.0.0.1", visit.port))  # shakes no hands, and holds nobody up
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context.maximum_version = version
            connection = http.client.HTTPSConnection("127.0.0.1", visit.port, context=context, timeout=10)
            connection.request("GET", f"/{visit.token}/artifact")
            assert connection.getresponse().read() == artifact.data
            for kind in ("hello", "done") if version is ssl.TLSVersion.TLSv1_3 else ():
                fields = {"agent": "", "cores": 1, "isolated": True} if kind == "hello" else {}
                body = json.dumps({"kind": kind, "session": "1", **fields})
                connection.request("POST", f"/{visit.token}/post", body, {"Content-Type": "application/json"})
                assert connection.getresponse().read() == b""
            connection.close()
        silent.close()
        visit.thread.join(10)
        assert visit.found[-1] == Ended("done")


def test_no_two_runs_share_a_token_or_a_key(artifact, job, frames, stand_in):
    with running(artifact, job, frames, stand_in) as one, running(artifact, job, frames, stand_in) as other:
        assert one.token != other.token and min(len(one.token), len(other.token)) >= 20
    assert make_context("127.0.0.1")[1] != make_context("127.0.0.1")[1]


def test_a_page_that_was_not_built_says_how(artifact, job, frames, tmp_path):
    with pytest.raises(EdgeshiftError, match="make phone"):
        next(serve(artifact, job, frames, Reach(localhost=True), built=tmp_path))


@pytest.mark.parametrize("host", ["example.org", "999.1.1.1", "::1", "-x"])
def test_a_host_that_is_no_address_is_refused(artifact, job, frames, stand_in, host):
    with pytest.raises(DeviceError, match="IPv4"):
        next(serve(artifact, job, frames, Reach(host=host), built=stand_in))


def test_a_port_that_is_taken_is_one_line(artifact, job, frames, stand_in):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(DeviceError, match=f"port {port}.*--port"):
            next(serve(artifact, job, frames, Reach(localhost=True, port=port), built=stand_in))
