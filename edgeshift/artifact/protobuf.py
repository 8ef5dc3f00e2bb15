"""Read and write protobuf fields by their lengths, without a schema and without the protobuf package.

Hostile data is therefore refused before another library reads it.
"""

from __future__ import annotations

from typing import NamedTuple

#: Wire types of fields (protobuf.dev/programming-guides/encoding).
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
#: Most bytes of a tag.
TAG_BYTES = 5


class Field(NamedTuple):
    """A field: its number, and the offsets of its tag (``begin``), of its content (``start``), after it (``stop``)."""

    number: int
    begin: int
    start: int
    stop: int


def read_fields(data: bytes, start: int, stop: int, limit: int) -> list[Field]:
    """Return the fields of the message ``data[start:stop]``, without looking into their contents.

    Raises:
        ValueError: the message is not a sequence of fields, or has more fields than the limit.
    """
    fields: list[Field] = []
    at = start
    while at < stop:
        if len(fields) == limit:
            raise ValueError(f"it has more than {limit} protobuf fields")
        begin = at
        tag, at = read_varint(data, at, stop)
        if tag >= 1 << 32 or at - begin > TAG_BYTES:
            # Parsers keep 32 bits of a tag, so that a larger one is another field to them.
            raise ValueError("it has a protobuf tag of more than 32 bits")
        number, wire_type = tag >> 3, tag & 7
        content = at
        if wire_type == BYTES:
            size, content = read_varint(data, at, stop)
            at = content + size
        elif wire_type == VARINT:
            _, at = read_varint(data, at, stop)
        elif wire_type in (FIXED32, FIXED64):
            at += 4 if wire_type == FIXED32 else 8
        else:
            raise ValueError(f"it has a protobuf field with wire type {wire_type}")
        if number == 0 or at > stop:
            raise ValueError(
                f"it has a protobuf field {'that ends after its message' if number else 'without a number'}"
            )
        fields.append(Field(number, begin, content, at))
    return fields


def last_field(data: bytes, message: Field, number: int, limit: int, wire_type: int = BYTES) -> Field:
    """Return the last field with a number and wire type in a message, as protobuf does; or an empty one."""
    fields = [
        field
        for field in read_fields(data, message.start, message.stop, limit)
        if field.number == number and data[field.begin] & 7 == wire_type
    ]
    return fields[-1] if fields else Field(number, message.start, message.start, message.start)


def read_varint(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """Return the integer at an offset, stored with seven bits in a byte and the lowest first, and the offset after it.

    Raises:
        ValueError: the integer is cut short or has more than 64 bits.
    """
    value = 0
    for shift in range(0, 64, 7):
        if at >= stop:
            raise ValueError("it has a protobuf number that is cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80 and value < 1 << 64:
            return value, at
    raise ValueError("it has a protobuf number of more than 64 bits")


def bytes_field(number: int, content: bytes) -> bytes:
    """Return a field that holds bytes: text, or another message."""
    return write_varint(number << 3 | BYTES) + write_varint(len(content)) + content


def write_varint(value: int) -> bytes:
    """Return an integer as ``read_varint`` reads it."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
