"""The clips that the server gives to a page: which one comes next, what is sent, and what is refused."""

from __future__ import annotations

import gzip
from urllib.parse import quote

import numpy as np
import pytest
from phone_server import RunningServer, message

from edgeshift.apps.phone import ClipFeed
from edgeshift.apps.phone.clips import HEADER
from edgeshift.apps.phone.messages import ClipAnswered, read_message
from edgeshift.errors import EdgeshiftError


def frames(index: int) -> np.ndarray:
    return np.full((index + 1, 2, 2, 3), index, np.uint8)


def index_of(data: bytes | None) -> int | None:
    return None if data is None else HEADER.unpack_from(gzip.decompress(data))[0]


def test_clips_come_in_order_without_those_that_cannot_be_read_or_were_answered():
    feed, read = ClipFeed(), []

    def decode(index: int) -> np.ndarray | None:
        read.append(index)
        return None if index == 1 else frames(index)

    feed.open(5, decode)
    assert [index_of(feed.next(first)) for first in (0, 1, 3)] == [0, 2, 3]
    assert feed.answered(0) and not feed.answered(0) and not feed.answered(9)
    # A page that is opened again begins at index 0. It gets the clips without an answer, and each was decoded once.
    assert index_of(feed.next(0)) == 2 and read == [0, 1, 2, 3]
    assert feed.answered(2) and feed.answered(3) and index_of(feed.next(0)) == 4
    assert feed.answered(4) and feed.next(0) is None


def test_a_clip_is_its_number_its_count_of_frames_and_their_bytes():
    feed = ClipFeed()
    feed.open(3, frames)
    data = gzip.decompress(feed.next(2))
    assert HEADER.unpack_from(data) == (2, 3) and data[HEADER.size :] == frames(2).tobytes()


def test_an_error_while_decoding_is_kept_for_the_command():
    def fail(index: int) -> np.ndarray:
        raise EdgeshiftError("no OpenCV")

    feed = ClipFeed()
    feed.open(1, fail)
    with pytest.raises(EdgeshiftError):
        feed.next(0)
    assert str(feed.error) == "no OpenCV"


@pytest.fixture
def serving(artifact, job, frames, fake_page):
    """A server with three clips of one frame."""
    feed = ClipFeed()
    feed.open(3, lambda index: np.full((1, 2, 2, 3), index, np.uint8))
    with RunningServer(artifact, job, frames, fake_page, clips=feed) as with_clips:
        yield with_clips


@pytest.mark.parametrize("path", ["clip/", "clip/-1", "clip/a", "clip/٣", "clip/1/2", "clip/" + "9" * 40])
def test_a_path_that_is_no_clip_is_not_found(serving, path):
    assert serving.get(quote(path)).status == 404


def test_clips_need_the_token_and_end_with_an_empty_answer(serving):
    assert serving.get("clip/0", token="x" * len(serving.token)).status == 404
    answer = serving.get("clip/1", headers={"Accept-Encoding": "gzip"})
    assert answer.status == 200 and index_of(answer.data) == 1
    plain = serving.get("clip/1")
    assert HEADER.unpack_from(plain.data) == (1, 1)
    assert serving.get("clip/3").status == 204


def test_a_server_without_clips_has_none(server):
    assert server.get("clip/0").status == 404


def test_logits_are_bytes_in_base64():
    answered = read_message(message("clip", index=4, logits="AACAPwAAAEA="))
    assert isinstance(answered, ClipAnswered) and np.frombuffer(answered.logits, "<f4").tolist() == [1.0, 2.0]
    for wrong in ("", "!", [1.0], None):
        with pytest.raises(EdgeshiftError, match="invalid message"):
            read_message(message("clip", logits=wrong))
