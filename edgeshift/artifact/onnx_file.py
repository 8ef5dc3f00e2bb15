"""Envelope of ONNX artifacts: the description is an entry of the model's ``metadata_props``.

The file is an ordinary .onnx for ONNX Runtime, onnx and Netron. A zip archive, which other artifacts append, would not
work: protobuf parsers would refuse the file.

This module walks the fields of the file by their lengths, without onnx or a runtime, and refuses models that keep their
weights in other files.
"""

from __future__ import annotations

from edgeshift.artifact import protobuf
from edgeshift.artifact.metadata_trailer import MetadataTrailer

#: ModelProto (onnx.proto): field 14 is metadata_props.
TRAILER = MetadataTrailer((14,))
#: Largest number of fields in all messages of a model together, and deepest nesting. Real models have far less.
MAX_ALL_FIELDS, MAX_DEPTH = 1 << 18, 16
#: The messages of onnx.proto that lead to tensors: {message: {field: message in it}}.
MESSAGES = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
#: Fields of a tensor: the file with its values, and whether the values are there (0: they are in the tensor).
EXTERNAL_DATA, DATA_LOCATION = 13, 14
pack, has_hash = TRAILER.pack, TRAILER.has_hash


def unpack(data: bytes, entry: str, limit: int) -> tuple[bytes, int]:
    """Return one entry of a file, and the size of the model before all entries (``MetadataTrailer.unpack``).

    Raises:
        ValueError: as ``MetadataTrailer.unpack``, or the weights of the model are in another file.
    """
    value, size = TRAILER.unpack(data, entry, limit)
    if not _is_one_file(data, size):
        raise ValueError("its weights are in another file")
    return value, size


def _is_one_file(data: bytes, size: int) -> bool:
    """Return True if no tensor of the model ``data[:size]`` is in another file, which a runtime would open."""
    pending = [("model", 0, size, 0)]
    remaining = MAX_ALL_FIELDS
    while pending:
        kind, start, stop, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"it has protobuf messages nested more than {MAX_DEPTH} deep")
        fields = protobuf.read_fields(data, start, stop, remaining)
        remaining -= len(fields)
        for field in fields:
            if kind == "tensor" and field.number == EXTERNAL_DATA:
                return False
            if kind == "tensor" and field.number == DATA_LOCATION and data[field.start : field.stop].strip(b"\0"):
                return False
            if field.number in MESSAGES[kind]:
                pending.append((MESSAGES[kind][field.number], field.start, field.stop, depth + 1))
    return True
