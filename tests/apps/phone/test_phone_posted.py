"""What the page sends: every kind is read, and nothing else."""

from __future__ import annotations

import json

import pytest

from edgeshift.apps.phone.posted import MAX_SAMPLES, Measured, read_posted
from edgeshift.errors import EdgeshiftError

KINDS = ("hello", "checked", "spotted", "watched", "point", "measured", "trouble", "done")


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_read(post, kind):
    assert read_posted(post(kind)).session == "1-2"


def test_a_measurement_keeps_every_sample_in_order(post):
    found = read_posted(post("measured", infer=[float(index) for index in range(200)]))
    assert isinstance(found, Measured)
    assert found.infer == tuple(range(200)) and found.steps == 200


def test_a_check_holds_only_within_its_tolerance_and_twice(post):
    assert read_posted(post("checked")).ok
    assert not read_posted(post("checked", error=0.2)).ok
    assert not read_posted(post("checked", repeatable=False)).ok


@pytest.mark.parametrize(
    ("kind", "changes", "word"),
    [
        ("hello", {"more": 1}, "unknown field"),
        ("hello", {"cores": "8"}, "int"),
        ("hello", {"agent": "x" * 513}, "length"),
        ("hello", {"agent": "a\x1b[2Jb"}, "regex"),
        ("hello", {"session": "../.."}, "regex"),
        ("hello", {"session": ...}, "session"),
        ("nothing", {}, "Invalid value"),
        ("checked", {"error": -1}, ">= 0"),
        ("checked", {"accelerator": "npu"}, "enum"),
        ("spotted", {"score": 1.5}, "<="),
        ("measured", {"infer": [float("nan")] * 200}, "malformed"),
        ("measured", {"infer": [None] * 200}, "float"),
        ("measured", {"infer": [-1.0] * 200}, ">= 0"),
        ("measured", {"infer": [1e300] * 200}, "<="),
        ("measured", {"infer": [1.0] * 199}, "different numbers"),
        ("measured", {name: [] for name in ("pre", "infer", "post", "end_to_end")}, "length"),
        ("measured", {"infer": [1.0] * (MAX_SAMPLES + 1)}, "length"),
        ("measured", {"steps": 199}, "more samples"),
        ("measured", {"offered": 3, "missed": 4}, "more frames missed"),
        ("measured", {"missed": 4}, "more frames missed"),
        ("measured", {"minutes": [{"minute": 0}]}, "steps"),
    ],
)
def test_nothing_else_is(post, kind, changes, word):
    data = post(kind, **changes) if kind != "nothing" else json.dumps({"kind": "nothing", "session": "1"}).encode()
    with pytest.raises(EdgeshiftError, match="not what the page sends") as refused:
        read_posted(data)
    assert word in str(refused.value) and "\n" not in str(refused.value)


NOT_JSON = [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"kind":"done","session":"1"}}', b"[" * 100_000]
NOT_WHOLE = [b'{"kind":"done"}', b'{"kind":"checked","session":"1","error":1e999}']


@pytest.mark.parametrize("data", NOT_JSON + NOT_WHOLE)
def test_no_json_is_refused(data):
    with pytest.raises(EdgeshiftError, match="not what the page sends"):
        read_posted(data)
