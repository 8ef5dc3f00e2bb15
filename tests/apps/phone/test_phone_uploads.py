"""Messages to the server: they are checked, their number and size are limited, and only one page may send them."""

from __future__ import annotations

import pytest
from phone_server import message

from edgeshift.apps.phone import server as server_module
from edgeshift.apps.phone.messages import MAX_UPLOAD, Finished, PageOpened, ServerStopped


def test_messages_become_events_in_the_same_order(server):
    for kind in ("page_opened", "self_check", "detection", "repeat", "finished"):
        assert server.send(kind) == 204
    server.thread.join(10)
    names = [type(event).__name__ for event in server.events]
    assert names == ["PageOpened", "SelfCheckResult", "GestureDetected", "RepeatMeasured", "Finished", "ServerStopped"]
    assert server.events[-1] == ServerStopped("finished")
    with pytest.raises(OSError, match="refused"):
        server.get("")


def test_only_messages_of_the_newest_page_are_accepted(server):
    assert server.send("detection") == 409  # no page was opened
    assert server.send("page_opened", session="1") == 204
    assert server.send("page_opened", session="2") == 204
    assert server.send("finished", session="1") == 409
    assert server.send("detection", session="2") == 204
    assert [type(event) for event in server.events][:2] == [PageOpened, PageOpened]
    assert Finished not in map(type, server.events)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\0" * 100, b'{"kind":"repeat"}', b'{"kind":"page_opened","session":"1","cores":NaN}']
)
def test_a_malformed_message_is_refused_and_the_server_continues(server, body):
    answer = server.post(body)
    assert answer.status == 400 and b"\n" not in answer.data
    assert server.send("page_opened") == 204
    assert len(server.events) <= 1


def test_samples_that_are_not_numbers_are_refused(server):
    server.send("page_opened")
    assert server.send("repeat", infer=[float("nan")] * 200) == 400
    assert server.send("repeat", infer=[float("inf")] * 200) == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": str(MAX_UPLOAD + 1)}, 413),
        ({"Content-Length": "9" * 30}, 411),
        ({"Content-Length": "-5"}, 411),
        ({"Content-Length": "5_0"}, 411),
        ({"Content-Length": "\u0662"}, 411),
        ({"Transfer-Encoding": "chunked", "Content-Length": "2"}, 411),
        ({"Content-Type": "text/plain", "Content-Length": "2"}, 415),
    ],
)
def test_a_body_that_is_too_large_or_of_another_form_is_not_read(server, headers, status):
    encoded = {name: value.encode("utf-8") for name, value in headers.items()}
    assert server.post(b"{}", headers=encoded).status == status


def test_too_many_messages_are_refused(server, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(server_module, "UPLOADS", 3)
        assert [server.send("page_opened") for _ in range(5)] == [204, 204, 204, 429, 429]


def test_too_many_bytes_are_refused(server, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(server_module, "UPLOADED", 2 * len(message("page_opened")))
        assert [server.send("page_opened") for _ in range(3)] == [204, 204, 429]
