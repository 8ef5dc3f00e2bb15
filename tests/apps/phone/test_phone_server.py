"""The server as anybody in the network meets it: without the token nothing, with it only what is listed."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import ssl
import time

import pytest
from running import Running

from edgeshift.apps.phone import ServerOptions, ServerStopped, serve
from edgeshift.apps.phone import handler as handler_module
from edgeshift.apps.phone import server as server_module
from edgeshift.apps.phone.certificate import make_context
from edgeshift.errors import DeviceError, EdgeshiftError


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


def test_it_stops_when_nobody_comes(artifact, job, frames, stand_in):
    with Running(artifact, job, frames, stand_in, idle=0.6) as visit:
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
        assert visit.found == [ServerStopped("idle")]


def test_a_connection_that_is_kept_open_ends_with_the_server(visit, post):
    kept = http.client.HTTPConnection("127.0.0.1", visit.port, timeout=10)
    kept.request("GET", f"/{visit.token}/artifact")
    assert kept.getresponse().read()
    for kind in ("page_opened", "finished"):
        assert visit.ask("POST", "post", post(kind)).status == 204
    visit.thread.join(10)
    kept.auto_open = False
    with pytest.raises((OSError, http.client.HTTPException)):
        kept.request("GET", f"/{visit.token}/artifact")
        kept.getresponse()


def test_connections_are_counted(artifact, job, frames, stand_in, monkeypatch):
    monkeypatch.setattr(server_module, "CONNECTIONS", 3)
    with Running(artifact, job, frames, stand_in) as visit:
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
    with Running(artifact, job, frames, stand_in) as visit, socket.create_connection(("127.0.0.1", visit.port)) as slow:
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
    with Running(artifact, job, frames, stand_in, localhost=False, host="127.0.0.1") as visit:
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
            for kind in ("page_opened", "finished") if version is ssl.TLSVersion.TLSv1_3 else ():
                fields = {"agent": "", "cores": 1, "isolated": True} if kind == "page_opened" else {}
                body = json.dumps({"kind": kind, "session": "1", **fields})
                connection.request("POST", f"/{visit.token}/post", body, {"Content-Type": "application/json"})
                assert connection.getresponse().read() == b""
            connection.close()
        silent.close()
        visit.thread.join(10)
        assert visit.found[-1] == ServerStopped("finished")


def test_no_two_runs_share_a_token_or_a_key(artifact, job, frames, stand_in):
    with Running(artifact, job, frames, stand_in) as one, Running(artifact, job, frames, stand_in) as other:
        assert one.token != other.token and min(len(one.token), len(other.token)) >= 20
    assert make_context("127.0.0.1")[1] != make_context("127.0.0.1")[1]


def test_a_page_that_was_not_built_says_how(artifact, job, frames, tmp_path):
    with pytest.raises(EdgeshiftError, match="make phone"):
        next(serve(artifact, job, frames, ServerOptions(localhost=True), built=tmp_path))


@pytest.mark.parametrize("host", ["example.org", "999.1.1.1", "::1", "-x"])
def test_a_host_that_is_no_address_is_refused(artifact, job, frames, stand_in, host):
    with pytest.raises(DeviceError, match="IPv4"):
        next(serve(artifact, job, frames, ServerOptions(host=host), built=stand_in))


def test_a_port_that_is_taken_is_one_line(artifact, job, frames, stand_in):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(DeviceError, match=f"port {port}.*--port"):
            next(serve(artifact, job, frames, ServerOptions(localhost=True, port=port), built=stand_in))
