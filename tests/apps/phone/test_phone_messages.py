"""What the page sends: every kind is read, and nothing else."""

from __future__ import annotations

import json

import pytest

from edgeshift.apps.phone.messages import MAX_SAMPLES, RepeatMeasured, read_message
from edgeshift.errors import EdgeshiftError

KINDS = ("page_opened", "self_check", "detection", "camera_stopped", "minute", "repeat", "error", "finished")


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_read(post, kind):
    assert read_message(post(kind)).session == "1-2"


def test_a_measurement_keeps_every_sample_in_order(post):
    found = read_message(post("repeat", infer=[float(index) for index in range(200)]))
    assert isinstance(found, RepeatMeasured)
    assert found.infer == tuple(range(200)) and found.steps == 200


def test_a_check_holds_only_within_its_tolerance_and_twice(post):
    assert read_message(post("self_check")).ok
    assert not read_message(post("self_check", error=0.2)).ok
    assert not read_message(post("self_check", repeatable=False)).ok


@pytest.mark.parametrize(
    ("kind", "changes", "word"),
    [
        ("page_opened", {"more": 1}, "unknown field"),
        ("page_opened", {"cores": "8"}, "int"),
        ("page_opened", {"agent": "x" * 513}, "length"),
        ("page_opened", {"agent": "a\x1b[2Jb"}, "regex"),
        ("page_opened", {"session": "../.."}, "regex"),
        ("page_opened", {"session": ...}, "session"),
        ("nothing", {}, "Invalid value"),
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
def test_nothing_else_is(post, kind, changes, word):
    data = post(kind, **changes) if kind != "nothing" else json.dumps({"kind": "nothing", "session": "1"}).encode()
    with pytest.raises(EdgeshiftError, match="invalid message from the page") as refused:
        read_message(data)
    assert word in str(refused.value) and "\n" not in str(refused.value)


NOT_JSON = [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"kind":"finished","session":"1"}}', b"[" * 100_000]
NOT_WHOLE = [b'{"kind":"finished"}', b'{"kind":"self_check","session":"1","error":1e999}']


@pytest.mark.parametrize("data", NOT_JSON + NOT_WHOLE)
def test_no_json_is_refused(data):
    with pytest.raises(EdgeshiftError, match="invalid message from the page"):
        read_message(data)
