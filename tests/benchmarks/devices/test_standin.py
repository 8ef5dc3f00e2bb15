"""The stand-in for msgspec against msgspec: on what the agent reads, and on what it must refuse."""

from __future__ import annotations

import functools
import json
import operator
import types
import typing
from typing import Annotated, Literal

import msgspec
import pytest
from doubles import stream_spec

from edgeshift.artifact.spec import StreamSpec
from edgeshift.benchmarks.devices import standin
from edgeshift.benchmarks.latency.job import Job
from edgeshift.benchmarks.latency.result import Settings


def mirror(kind):
    """The same class over the stand-in, and so on for the classes of its fields."""
    seen: dict = {}

    def of(struct):
        if struct in seen:
            return seen[struct]
        fields = msgspec.structs.fields(struct)
        body = {field.encode_name: field.default for field in fields if field.default is not msgspec.NODEFAULT}
        body |= {f.encode_name: f.default_factory() for f in fields if f.default_factory is not msgspec.NODEFAULT}
        seen[struct] = type(
            struct.__name__,
            (standin.Struct,),
            {**body, "__annotations__": {f.name: swap(f.type) for f in fields}},
            forbid_unknown_fields=True,
        )
        return seen[struct]

    def swap(kind):
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return of(kind)
        parts = tuple(swap(part) for part in typing.get_args(kind))
        origin = typing.get_origin(kind)
        if origin in (typing.Union, types.UnionType):
            return functools.reduce(operator.or_, parts)
        if origin is typing.Annotated:
            return parts[0]
        return kind if origin is None or origin is Literal else origin[parts]

    return of(kind)


SETTINGS = Settings(mode="quick", steps=1, seconds=2.0, repeats=3, frames="drawn", width=4, height=5, ceiling=80.0)


@pytest.mark.parametrize(
    "document",
    [stream_spec(), SETTINGS, Job(artifact="a", frames="b", settings=SETTINGS)],
    ids=["spec", "settings", "job"],
)
def test_reads_what_msgspec_writes(document):
    data = msgspec.json.encode(document)
    found = standin.json.decode(data, type=mirror(type(document)))
    assert standin.to_builtins(found) == json.loads(data)
    assert json.loads(standin.json.encode(found)) == json.loads(data)


class Inner(standin.Struct, frozen=True, forbid_unknown_fields=True):
    a: int
    b: float = 1.5


class Outer(standin.Struct, forbid_unknown_fields=True):
    name: Annotated[str, standin.Meta(max_length=3)]
    kind: Literal["x", "y"] = "x"
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    pair: tuple[int, str] | None = None
    table: dict[str, float] = {}  # noqa: RUF012


def test_structs():
    outer = standin.json.decode('{"name": "n", "inner": {"a": 1}, "many": [{"a": 2, "b": 3}]}', type=Outer)
    assert outer == Outer("n", inner=Inner(1), many=(Inner(2, 3.0),))
    assert outer.inner.b == 1.5 and isinstance(outer.many[0].b, float)
    assert standin.structs.replace(outer, name="m").name == "m"
    assert Outer("a").table is not Outer("b").table
    assert repr(Inner(1)) == "Inner(a=1, b=1.5)" and hash(Inner(1)) == hash(Inner(1))
    with pytest.raises(TypeError):
        Inner()
    with pytest.raises(TypeError):
        Inner(1, c=2)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"name": 1}',
        '{"name": "n", "kind": "z"}',
        '{"name": "n", "inner": {"a": true}}',
        '{"name": "n", "inner": {"a": "1"}}',
        '{"name": "n", "other": 1}',
        '{"name": "n", "pair": [1]}',
        '{"name": "n", "table": {"a": "b"}}',
        '{"name": "n", "many": {}}',
        "{}",
    ],
)
def test_refused(text):
    with pytest.raises(standin.MsgspecError):
        standin.json.decode(text, type=Outer)


def test_spec_is_covered():
    """The mirror is of the real thing."""
    assert mirror(StreamSpec).__struct_fields__ == StreamSpec.__struct_fields__
