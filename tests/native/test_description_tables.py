"""The native runtime's tables of the description are the types with which Python reads descriptions."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import msgspec
from msgspec import inspect

from edgeshift.artifact.spec import MAX_BYTES, MAX_VALUES, READABLE, VERSION, StreamSpec
from edgeshift.models.config import ADOPTED, BACKBONES, DIV, DIVIDED, SMALLEST_SIZE
from edgeshift.shift import TABLES
from edgeshift.video.fit import MAX_SIDE

KINDS = {
    inspect.BoolType: "boolean",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.StrType: "text",
    inspect.LiteralType: "choice",
    inspect.VarTupleType: "list",
    inspect.TupleType: "list",
    inspect.DictType: "map",
    inspect.StructType: "record",
}
#: {limit of msgspec: its name in the C++ tables}.
LIMITS = {
    "ge": "least",
    "gt": "above",
    "le": "most",
    "min_length": "shortest",
    "max_length": "longest",
    "pattern": "pattern",
}


def described(kind: Any, records: dict[str, Any]) -> dict[str, Any]:
    """Return a type as the C++ program prints it. Records that it contains are added to ``records``."""
    if isinstance(kind, inspect.UnionType):
        [inner] = [part for part in kind.types if not isinstance(part, inspect.NoneType)]
        return {**described(inner, records), "nullable": True}
    result: dict[str, Any] = {"kind": KINDS[type(kind)]}
    for limit in ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern"):
        if (value := getattr(kind, limit, None)) is not None:
            result[LIMITS[limit]] = value
    if isinstance(kind, inspect.LiteralType):
        result["choices"] = sorted(kind.values)
    elif isinstance(kind, inspect.VarTupleType):
        result["item"] = described(kind.item_type, records)
    elif isinstance(kind, inspect.TupleType):
        assert all(item == kind.item_types[0] for item in kind.item_types)
        count = len(kind.item_types)
        result |= {"item": described(kind.item_types[0], records), "shortest": count, "longest": count}
    elif isinstance(kind, inspect.DictType):
        result |= {"key": described(kind.key_type, records), "item": described(kind.value_type, records)}
    elif isinstance(kind, inspect.StructType):
        result["record"] = kind.cls.__name__
        assert kind.forbid_unknown_fields, kind.cls
        if kind.cls.__name__ not in records:
            records[kind.cls.__name__] = {}
            records[kind.cls.__name__] = {field.encode_name: _field(field, records) for field in kind.fields}
    return result


def _field(field: Any, records: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"type": described(field.type, records)}
    if field.default_factory is not msgspec.NODEFAULT:
        result["default"] = field.default_factory()
    elif field.default is not msgspec.NODEFAULT:
        result["default"] = msgspec.to_builtins(field.default)
    return json.loads(json.dumps(result))


def test_every_field_and_limit_is_the_same(native_build):
    printed = subprocess.run([native_build() / "tests" / "print_schema"], capture_output=True, check=True).stdout
    native, python = json.loads(printed), {}
    described(inspect.type_info(StreamSpec), python)
    assert native.keys() == python.keys()
    for record, fields in python.items():
        for name, field in fields.items():
            if "choices" in native[record].get(name, {}).get("type", {}):
                native[record][name]["type"]["choices"].sort()
            assert native[record].get(name) == field, f"{record}.{name}: change it in runtimes/native/src/spec.cpp"
        assert list(native[record]) == list(fields), record


def test_constants_of_the_contradictions_are_the_same(native_build):
    """The tables do not contain these, because Python checks them in ``__post_init__``."""
    assert (READABLE, VERSION, MAX_BYTES, MAX_VALUES) == ((1, 2), 2, 4 << 20, 1 << 27)
    assert set(TABLES) == {"stsm", "tsam", "tsm", "tsn"} and ADOPTED == "adopted"
    assert set(BACKBONES) == {"mobilenet_v2", "resnet18", "resnet34", "resnet50", "resnet101"}
    assert (DIV, DIVIDED, SMALLEST_SIZE, MAX_SIDE) == (8, ("tsm", "tsam"), 64, 4096)
