"""Uploads as anybody can send them: counted, bounded, checked, and only from the page that is open."""

from __future__ import annotations

import pytest

from edgeshift.apps.phone import Finished, PageOpened, ServerStopped
from edgeshift.apps.phone import server as server_module
from edgeshift.apps.phone.messages import MAX_UPLOAD


def test_what_is_posted_comes_out_in_order(visit, post):
    for kind in ("page_opened", "self_check", "detection", "repeat", "finished"):
        assert visit.ask("POST", "post", post(kind)).status == 204
    visit.thread.join(10)
    kinds = [type(posted).__name__ for posted in visit.found]
    assert kinds == ["PageOpened", "SelfCheckResult", "GestureDetected", "RepeatMeasured", "Finished", "ServerStopped"]
    assert visit.found[-1] == ServerStopped("finished")
    with pytest.raises(OSError, match="refused"):
        visit.ask("GET", "")


def test_only_the_newest_page_is_listened_to(visit, post):
    assert visit.ask("POST", "post", post("detection")).status == 409  # nobody said hello yet
    assert visit.ask("POST", "post", post("page_opened", session="1")).status == 204
    assert visit.ask("POST", "post", post("page_opened", session="2")).status == 204
    assert visit.ask("POST", "post", post("finished", session="1")).status == 409
    assert visit.ask("POST", "post", post("detection", session="2")).status == 204
    assert [type(posted) for posted in visit.found][:2] == [PageOpened, PageOpened]
    assert Finished not in map(type, visit.found)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\0" * 100, b'{"kind":"repeat"}', b'{"kind":"page_opened","session":"1","cores":NaN}']
)
def test_malformed_uploads_are_refused_and_the_server_lives(visit, body, post):
    answer = visit.ask("POST", "post", body)
    assert answer.status == 400 and b"\n" not in answer.data
    assert visit.ask("POST", "post", post("page_opened")).status == 204
    assert len(visit.found) <= 1


def test_not_a_number_is_no_sample(visit, post):
    visit.ask("POST", "post", post("page_opened"))
    assert visit.ask("POST", "post", post("repeat", infer=[float("nan")] * 200)).status == 400
    assert visit.ask("POST", "post", post("repeat", infer=[float("inf")] * 200)).status == 400


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
    answers = [visit.ask("POST", "post", post("page_opened")).status for _ in range(5)]
    assert answers == [204, 204, 204, 429, 429]
    monkeypatch.setattr(server_module, "UPLOADS", 1000)


def test_too_much_in_all_is_refused(visit, post, monkeypatch):
    monkeypatch.setattr(server_module, "UPLOADED", 2 * len(post("page_opened")))
    answers = [visit.ask("POST", "post", post("page_opened")).status for _ in range(3)]
    assert answers == [204, 204, 429]
    monkeypatch.setattr(server_module, "UPLOADED", 1 << 30)
