"""The little of protobuf that artifacts need: walking a message's fields by their lengths, and writing one.

Neither a schema nor a parser is involved: a description is read, and damage found, before any other library sees a
file.
"""

from __future__ import annotations

from typing import NamedTuple

#: Kinds of fields on the wire (protobuf.dev/programming-guides/encoding).
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class MalformedError(Exception):
    """Not a row of protobuf fields."""


class Field(NamedTuple):
    """One field: its number, where its tag begins, and where its content starts and stops."""

    number: int
    begin: int
    start: int
    stop: int


def fields(data: bytes, at: int, end: int, limit: int) -> list[Field]:
    """The fields of one message, contents not looked into.

    Args:
        data: which it is in. at, end: where. limit: of the number of fields.

    Raises:
        MalformedError: not a row of fields, or more than the limit.
    """
    found: list[Field] = []
    while at < end:
        if len(found) == limit:
            raise MalformedError(f"more than {limit} fields")
        begin = at
        tag, at = varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        start = at
        if kind == BYTES:
            size, start = varint(data, at, end)
            at = start + size
        elif kind == VARINT:
            _, at = varint(data, at, end)
        elif kind in (FIXED32, FIXED64):
            at += 4 if kind == FIXED32 else 8
        else:
            raise MalformedError(f"a field of kind {kind}")
        if number == 0 or at > end:
            raise MalformedError("a field that ends behind its message" if number else "a field without a number")
        found.append(Field(number, begin, start, at))
    return found


def last(data: bytes, message: Field, number: int, limit: int) -> Field:
    """A field of a message, empty if there is none; of several, protobuf takes the last."""
    parts = [part for part in fields(data, message.start, message.stop, limit) if part.number == number]
    return parts[-1] if parts else Field(number, message.start, message.start, message.start)


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, lowest first, and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        if at >= end:
            raise MalformedError("a number that is cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise MalformedError("a number of more than 64 bits")


def content(number: int, value: bytes) -> bytes:
    """A field that holds bytes: text, or another message."""
    return to_varint(number << 3 | BYTES) + to_varint(len(value)) + value


def to_varint(value: int) -> bytes:
    """The opposite of ``varint``."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
