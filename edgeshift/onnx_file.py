"""ONNX artifacts: the description as entries of the model's own ``metadata_props``, at the end of the file.

    [ model, as the converter wrote it ][ edgeshift/spec.json ][ labels.txt ][ edgeshift/sha256: of all before it ]

A protobuf message is a row of fields in any order, and a repeated field goes on wherever it comes up again: metadata
written behind a model is metadata of the model, for ONNX Runtime, onnx and Netron alike. So the file reads as a plain
.onnx everywhere, and the model in it is still, byte by byte, what was converted and hashed. (A zip behind it, as in
other artifacts, is refused by protobuf parsers.)

Fields are walked here by their lengths. Neither onnx nor a runtime is needed to read a description, to find damage, and
to refuse a model that names other files for its weights; and neither sees a file before that is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from edgeshift.errors import ArtifactError
from edgeshift.files import sha256

SUFFIX = ".onnx"
#: What a next state is called: inputs and outputs of an ONNX graph need different names.
NEXT = "next_"
#: The key under which the hash is, and the length of that in hexadecimal.
SEAL, HASH = "edgeshift/sha256", 64
#: ModelProto (onnx.proto): field 14 is metadata_props, of messages with field 1, key, and field 2, value.
METADATA, KEY, VALUE = 14, 1, 2
#: No honest model has nearly as many fields in its outermost message or in all of them, nor messages as deep.
MAX_FIELDS, MAX_ALL_FIELDS, MAX_DEPTH = 4096, 1 << 18, 16
#: Where tensors are in the messages of onnx.proto: {message: {field: message}}.
PARTS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
#: Fields of a tensor: the file that its values are in, and whether they are (0: they are not).
EXTERNAL_DATA, DATA_LOCATION = 13, 14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def pack(body: bytes, entries: Mapping[str, bytes]) -> bytes:
    """The model with the entries and a hash of all behind it.

    Args:
        body: a serialized ModelProto. entries: {key: UTF-8 text}.
    """
    data = body + b"".join(_entry(key, value) for key, value in entries.items())
    seal = _entry(SEAL, b"0" * HASH)[:-HASH]
    return data + seal + sha256(data + seal).encode()


def require_whole(path: Path, data: bytes) -> None:
    """Check the hash at the end.

    Raises:
        ArtifactError: none there, or another one.
    """
    seal = _entry(SEAL, b"0" * HASH)[:-HASH]
    if not data[:-HASH].endswith(seal):
        raise ArtifactError(
            f"{path}: no edgeshift description at its end: cut short, damaged, or not made by `edgeshift convert`"
        )
    if sha256(data[:-HASH]).encode() != data[-HASH:]:
        raise ArtifactError(f"{path}: it does not match the hash at its end: the file is damaged; copy it again")


def unpack(path: Path, data: bytes, entry: str, limit: int) -> tuple[bytes, int]:
    """One entry of a whole file, and the length of the model before all entries.

    Args:
        path: for messages. data: what ``require_whole`` has passed. entry: its key. limit: of its value, bytes.

    Raises:
        ArtifactError: not a row of fields, no such entry or two, one over the limit, something behind the model that
            is not ours, or a model that needs other files.
    """
    try:
        found, start = _unpack(path, data, entry, limit)
        if not _is_one_file(data[:start]):
            raise ArtifactError(f"{path}: its weights are in another file: not made by `edgeshift convert`")
        return found, start
    except (_MalformedError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: not an ONNX model: {error}; convert it again") from error


def _unpack(path: Path, data: bytes, entry: str, limit: int) -> tuple[bytes, int]:
    found: bytes | None = None
    start = len(data)
    for field in _fields(data, 0, len(data), MAX_FIELDS):
        name = _part(data, field, KEY) if field.number == METADATA else None
        key = data[name.start : name.stop].decode() if name else ""
        if found is None and key != entry:
            continue
        if found is None:
            start = field.begin
            value = _part(data, field, VALUE)
            size = value.stop - value.start
            if size > limit:
                raise ArtifactError(f"{path}: its description claims {size:,} bytes; the limit is {limit:,}")
            found = data[value.start : value.stop]
        elif key == entry:
            raise ArtifactError(f"{path}: it has two descriptions: not made by `edgeshift convert`")
        elif field.number != METADATA:
            # A second graph here would be merged into the first one by every parser, unseen by the model's hash.
            raise ArtifactError(f"{path}: there is more behind its description: not made by `edgeshift convert`")
    if found is None:
        raise ArtifactError(f"{path}: no {entry} inside: not made by `edgeshift convert`")
    return found, start


def _is_one_file(data: bytes) -> bool:
    """True if no tensor of a model, however deep, is in another file: a runtime would open what it is told to."""
    todo = [("model", 0, len(data), 0)]
    left = MAX_ALL_FIELDS
    while todo:
        kind, at, end, depth = todo.pop()
        if depth > MAX_DEPTH:
            raise _MalformedError(f"messages nested more than {MAX_DEPTH} deep")
        fields = _fields(data, at, end, left)
        left -= len(fields)
        for field in fields:
            if kind == "tensor" and field.number == EXTERNAL_DATA:
                return False
            if kind == "tensor" and field.number == DATA_LOCATION and data[field.start : field.stop].strip(b"\0"):
                return False
            if field.number in PARTS[kind]:
                todo.append((PARTS[kind][field.number], field.start, field.stop, depth + 1))
    return True


class _MalformedError(Exception):
    """Not a row of protobuf fields."""


class _Field(NamedTuple):
    """One field: its number, where its tag begins, and where its content starts and stops."""

    number: int
    begin: int
    start: int
    stop: int


def _fields(data: bytes, at: int, end: int, limit: int) -> list[_Field]:
    """The fields of one message, contents not looked into."""
    found: list[_Field] = []
    while at < end:
        if len(found) == limit:
            raise _MalformedError(f"more than {limit} fields")
        begin = at
        tag, at = _varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        start = at
        if kind == _BYTES:
            size, start = _varint(data, at, end)
            at = start + size
        elif kind == _VARINT:
            _, at = _varint(data, at, end)
        elif kind in (_FIXED32, _FIXED64):
            at += 4 if kind == _FIXED32 else 8
        else:
            raise _MalformedError(f"a field of kind {kind}")
        if number == 0 or at > end:
            raise _MalformedError("a field that ends behind its message" if number else "a field without a number")
        found.append(_Field(number, begin, start, at))
    return found


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, lowest first, and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        if at >= end:
            raise _MalformedError("a number that is cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _MalformedError("a number of more than 64 bits")


def _part(data: bytes, field: _Field, number: int) -> _Field:
    """A text of an entry of metadata, empty if it has none; of several, protobuf takes the last."""
    parts = [part for part in _fields(data, field.start, field.stop, MAX_FIELDS) if part.number == number]
    return parts[-1] if parts else _Field(number, field.start, field.start, field.start)


def _entry(key: str, value: bytes) -> bytes:
    name = key.encode()
    content = _bytes(KEY, name) + _bytes(VALUE, value)
    return _bytes(METADATA, content)


def _bytes(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | _BYTES]) + _number(len(content)) + content


def _number(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
