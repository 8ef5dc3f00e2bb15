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

from pathlib import Path

from edgeshift.artifact import protobuf
from edgeshift.artifact.metadata_trailer import Entries
from edgeshift.artifact.protobuf import MalformedError
from edgeshift.errors import ArtifactError

SUFFIX = ".onnx"
#: ModelProto (onnx.proto): field 14 is metadata_props.
ENTRIES = Entries((14,), "an ONNX model")
#: No honest model has nearly as many fields in all of its messages, nor messages as deep.
MAX_ALL_FIELDS, MAX_DEPTH = 1 << 18, 16
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
pack, require_whole = ENTRIES.pack, ENTRIES.require_whole


def unpack(path: Path, data: bytes, entry: str, limit: int) -> tuple[bytes, int]:
    """One entry of a whole file, and the length of the model before all entries.

    Args:
        path: for messages. data: what ``require_whole`` has passed. entry: its key. limit: of its value, bytes.

    Raises:
        ArtifactError: not a row of fields, no such entry or two, one over the limit, something behind the model that
            is not ours, or a model that needs other files.
    """
    try:
        found, start = ENTRIES.unpack(path, data, entry, limit)
        if not _is_one_file(data[:start]):
            raise ArtifactError(f"{path}: its weights are in another file: not made by `edgeshift convert`")
        return found, start
    except (MalformedError, UnicodeDecodeError) as error:
        raise ENTRIES.malformed(path, error) from error


def _is_one_file(data: bytes) -> bool:
    """True if no tensor of a model, however deep, is in another file: a runtime would open what it is told to."""
    todo = [("model", 0, len(data), 0)]
    left = MAX_ALL_FIELDS
    while todo:
        kind, at, end, depth = todo.pop()
        if depth > MAX_DEPTH:
            raise MalformedError(f"messages nested more than {MAX_DEPTH} deep")
        fields = protobuf.fields(data, at, end, left)
        left -= len(fields)
        for field in fields:
            if kind == "tensor" and field.number == EXTERNAL_DATA:
                return False
            if kind == "tensor" and field.number == DATA_LOCATION and data[field.start : field.stop].strip(b"\0"):
                return False
            if field.number in PARTS[kind]:
                todo.append((PARTS[kind][field.number], field.start, field.stop, depth + 1))
    return True
