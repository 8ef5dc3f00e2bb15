"""Messages of the page: valid messages of every kind are read, and everything else is refused."""

from __future__ import annotations

import json

import pytest
from phone_server import EXAMPLES, message

from edgeshift.apps.phone.messages import MAX_SAMPLES, RepeatMeasured, read_message
from edgeshift.errors import EdgeshiftError


@pytest.mark.parametrize("kind", EXAMPLES)
def test_each_kind_is_read(kind):
    assert read_message(message(kind)).session == "1-2"


def test_a_repeat_keeps_every_sample_in_order():
    repeat = read_message(message("repeat", infer=[float(index) for index in range(200)]))
    assert isinstance(repeat, RepeatMeasured)
    assert repeat.infer == tuple(range(200)) and repeat.steps == 200


def test_a_self_check_passes_only_if_it_is_repeatable_and_within_its_tolerance():
    assert read_message(message("self_check")).ok
    assert not read_message(message("self_check", error=0.2)).ok
    assert not read_message(message("self_check", repeatable=False)).ok


@pytest.mark.parametrize(
    ("kind", "changes", "word"),
    [
        ("page_opened", {"more": 1}, "unknown field"),
        ("page_opened", {"cores": "8"}, "int"),
        ("page_opened", {"agent": "x" * 513}, "length"),
        ("page_opened", {"agent": "a\x1b[2Jb"}, "regex"),
        ("page_opened", {"session": "../.."}, "regex"),
        ("page_opened", {"session": ...}, "session"),
        ("self_check", {"error": -1}, ">= 0"),
        ("self_check", {"accelerator": "npu"}, "enum"),
        ("detection", {"score": 1.5}, "<="),
        ("repeat", {"infer": [float("nan")] * 200}, "malformed"),
        ("repeat", {"infer": [None] * 200}, "float"),
        ("repeat", {"infer": [-1.0] * 200}, ">= 0"),
        ("repeat", {"infer": [1e300] * 200}, "<="),
        ("repeat", {"infer": [1.0] * 199}, "different numbers"),
        ("repeat", {name: [] for name in ("pre", "infer", "post", "end_to_end")}, "length"),
        ("repeat", {"infer": [1.0] * (MAX_SAMPLES + 1)}, "length"),
        ("repeat", {"steps": 199}, "more samples"),
        ("repeat", {"offered": 3, "missed": 4}, "more missed frames"),
        ("repeat", {"missed": 4}, "more missed frames"),
        ("repeat", {"minutes": [{"minute": 0}]}, "steps"),
    ],
)
def test_wrong_fields_are_refused(kind, changes, word):
    with pytest.raises(EdgeshiftError, match="invalid message from the page") as refused:
        read_message(message(kind, **changes))
    assert word in str(refused.value) and "\n" not in str(refused.value)


def test_an_unknown_kind_is_refused():
    with pytest.raises(EdgeshiftError, match="nothing"):
        read_message(json.dumps({"kind": "nothing", "session": "1"}).encode())


NOT_JSON = [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"kind":"finished","session":"1"}}', b"[" * 100_000]
INCOMPLETE = [b'{"kind":"finished"}', b'{"kind":"self_check","session":"1","error":1e999}']


@pytest.mark.parametrize("data", NOT_JSON + INCOMPLETE)
def test_invalid_json_and_incomplete_messages_are_refused(data):
    with pytest.raises(EdgeshiftError, match="invalid message from the page"):
        read_message(data)
