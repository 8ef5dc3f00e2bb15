"""The server's answers: files to requests with the token, refusals to all others, within limits of number and time."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import socket
import ssl
import time
from contextlib import suppress

import pytest
from doubles import LABELS, SIZE
from phone_server import RunningServer, message, request

from edgeshift.apps.phone import ServerOptions, handler, read_phone_artifact, serve
from edgeshift.apps.phone import server as server_module
from edgeshift.apps.phone.certificate import make_context
from edgeshift.apps.phone.messages import ServerStopped
from edgeshift.errors import DeviceError, EdgeshiftError
from edgeshift.models.config import ModelConfig
from edgeshift.sound import SoundSettings


def connect(server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_the_page_the_artifact_the_frames_and_the_job_are_served(server, artifact, frames):
    page = server.get("")
    assert page.status == 200 and page.data == b"<!doctype html><p>a page"
    assert page.headers["Content-Type"].startswith("text/html")
    assert server.get("artifact").data == artifact.data
    assert server.get("frames.bin").data == frames.pixels.tobytes()
    job = json.loads(server.get("job.json").data)
    assert job["frames"] == {"name": "drawn", "count": 2, "width": 6, "height": 4}
    assert job["mode"] == "quick" and job["modes"]["quick"]["steps"] == 128


def test_compressed_files_are_sent_as_the_browser_accepts_them(server):
    plain = server.get("page/index.js")
    compressed = server.get("page/index.js", headers={"Accept-Encoding": "gzip, br"})
    assert plain.data == b"let page = 1;" == gzip.decompress(compressed.data)
    assert compressed.headers["Content-Encoding"] == "gzip" and plain.headers["Content-Encoding"] is None
    assert server.get("litert/runtime.wasm").headers["Content-Type"] == "application/wasm"


def test_every_answer_has_the_security_headers(server):
    for answer in (server.get(""), server.get("nothing"), server.get("", token="wrong")):
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe-eval'" not in answer.headers["Content-Security-Policy"].replace("wasm-unsafe-eval", "")
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Access-Control-Allow-Origin"] is None
        assert "Python" not in answer.headers["Server"]


@pytest.mark.parametrize("hears", [False, True])
def test_only_the_page_of_a_network_with_a_sound_segment_may_use_the_microphone(
    make_artifact, job, frames, fake_page, hears
):
    sound = SoundSettings(seconds=1.0, frames=4) if hears else None
    config = ModelConfig("tsam", "mobilenet_v2", len(LABELS), size=SIZE, sound=sound)
    with RunningServer(read_phone_artifact(make_artifact(model=config)), job, frames, fake_page) as running:
        policy = running.get("").headers["Permissions-Policy"]
    assert ("microphone=(self)" in policy) == hears and ("microphone=()" in policy) != hears
    assert "camera=(self)" in policy


@pytest.mark.parametrize("path", ["/", "//", "/artifact", "/job.json", "/index.html", "/?token", "/%2e%2e/"])
def test_a_path_without_the_token_is_not_found(server, path):
    answer = request(server.port, "GET", path)
    assert answer.status == 404 and answer.data == b"Not Found"


def test_a_wrong_token_gets_the_same_answer_as_a_missing_file(server):
    for token in ("wrong", server.token[:-1], server.token + "x", server.token.swapcase()):
        answer = server.get("artifact", token=token)
        assert answer.status == 404 and answer.data == b"Not Found"
        assert server.post(b"{}", token=token).status == 404


@pytest.mark.parametrize(
    "line",
    [b"GET /\xc3\xa9/artifact HTTP/1.1", b"GET \xff HTTP/1.1", b"GET", b"\x16\x03\x01\0\xf4", b"GET / HTTP/9.9"],
)
def test_an_invalid_request_line_gets_no_file(server, line):
    with connect(server) as connection:
        connection.sendall(line + b"\r\nConnection: close\r\n\r\n")
        assert b"200 OK" not in connection.recv(1000)


ESCAPES = ["../artifact", "..%2f..%2fetc/passwd", "page/../../serve.py", "/etc/passwd", ".", ".."]
NOT_LISTED = ["page//index.js", "page/index.js.map", "page/index.js%00", "page/", "page", "index.html"]


@pytest.mark.parametrize("name", [*ESCAPES, *NOT_LISTED, "artifact?x", "artifact/", "ARTIFACT"])
def test_a_file_that_is_not_listed_is_not_served(server, name):
    assert server.get(name).status == 404


def test_other_methods_are_refused(server):
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "HEAD"):
        assert request(server.port, method, f"/{server.token}/artifact").status in (404, 501)


def test_the_server_stops_when_no_request_with_the_token_comes(start_server):
    with start_server(idle=0.6) as server:
        begin = time.monotonic()
        for _ in range(4):
            time.sleep(0.3)
            assert server.get("alive").status == 204
            assert server.get("", token="wrong").status == 404
        assert server.thread.is_alive() and time.monotonic() - begin > 0.6
        for _ in range(20):  # requests without the token do not keep it running
            time.sleep(0.1)
            with suppress(OSError):
                server.get("", token="wrong")
            if not server.thread.is_alive():
                break
        server.thread.join(5)
        assert server.events == [ServerStopped("idle")]


def test_a_connection_that_is_kept_open_ends_with_the_server(server):
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    kept.request("GET", f"/{server.token}/artifact")
    assert kept.getresponse().read()
    for kind in ("page_opened", "finished"):
        assert server.send(kind) == 204
    server.thread.join(10)
    kept.auto_open = False
    with pytest.raises((OSError, http.client.HTTPException)):
        kept.request("GET", f"/{server.token}/artifact")
        kept.getresponse()


def test_the_number_of_connections_is_limited(start_server, monkeypatch):
    monkeypatch.setattr(server_module, "CONNECTIONS", 3)
    with start_server() as server:
        held = [connect(server) for _ in range(3)]
        time.sleep(0.3)
        with pytest.raises((OSError, http.client.HTTPException)):
            server.get("")
        for connection in held:
            connection.close()
        time.sleep(0.3)
        assert server.get("").status == 200


def test_a_request_that_does_not_end_is_cut_off(start_server, monkeypatch):
    monkeypatch.setattr(handler, "REQUEST", 1.0)
    with start_server() as server, connect(server) as slow:
        slow.settimeout(0.2)
        begin, closed = time.monotonic(), False
        # Bytes keep coming, so only the time limit of the whole request can end the connection.
        while not closed and time.monotonic() - begin < 10:
            try:
                slow.sendall(b"G")
                closed = slow.recv(100) == b""
            except TimeoutError:
                continue
            except OSError:
                closed = True
        assert closed and time.monotonic() - begin > 0.5
        assert server.get("").status == 200


def test_https_uses_a_certificate_for_the_address(start_server, artifact):
    pytest.importorskip("cryptography")
    with start_server(localhost=False, host="127.0.0.1") as server:
        assert server.address.url.startswith("https://127.0.0.1:")
        pem = ssl.get_server_certificate(("127.0.0.1", server.port))
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
        assert server.address.fingerprint.replace(":", "") == digest
        # A client that trusts this certificate alone accepts the server, because the address is in the certificate.
        context = ssl.create_default_context(cadata=pem)
        silent = connect(server)  # never starts the TLS handshake, and must not delay the others
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context.maximum_version = version
            connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=10)
            connection.request("GET", f"/{server.token}/artifact")
            assert connection.getresponse().read() == artifact.data
            for kind in ("page_opened", "finished") if version is ssl.TLSVersion.TLSv1_3 else ():
                headers = {"Content-Type": "application/json"}
                connection.request("POST", f"/{server.token}/post", message(kind), headers)
                assert connection.getresponse().read() == b""
            connection.close()
        silent.close()
        server.thread.join(10)
        assert server.events[-1] == ServerStopped("finished")


def test_every_run_has_its_own_token_and_certificate(start_server):
    with start_server() as one, start_server() as other:
        assert one.token != other.token and min(len(one.token), len(other.token)) >= 20
    assert make_context("127.0.0.1")[1] != make_context("127.0.0.1")[1]


def test_a_page_that_was_not_built_is_an_error_with_the_command_that_builds_it(artifact, job, frames, tmp_path):
    clone = tmp_path / "my clone"
    for built in (tmp_path / "a" / "b" / "c", clone / "apps" / "phone" / "built"):
        with pytest.raises(EdgeshiftError, match=r"run make wheel in a clone of edgeshift.* and install the wheel"):
            next(serve(artifact, job, frames, ServerOptions(localhost=True), built=built))
    clone.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        (clone / name).touch()
    with pytest.raises(EdgeshiftError, match=f"run make -C '{clone}' phone, which needs Node 20 or later"):
        next(serve(artifact, job, frames, ServerOptions(localhost=True), built=built))


@pytest.mark.parametrize("host", ["example.org", "999.1.1.1", "::1", "-x"])
def test_a_host_that_is_not_an_ipv4_address_is_refused(artifact, job, frames, fake_page, host):
    with pytest.raises(DeviceError, match="IPv4"):
        next(serve(artifact, job, frames, ServerOptions(host=host), built=fake_page))


def test_a_port_that_is_taken_is_an_error_that_names_the_option(artifact, job, frames, fake_page):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(DeviceError, match=f"port {port}.*--port"):
            next(serve(artifact, job, frames, ServerOptions(localhost=True, port=port), built=fake_page))
