"""The envelope of ONNX and Core ML, whose parsers read the whole file: metadata is appended to a protobuf model.

The fields of a protobuf message may be in any order, a repeated field may continue anywhere in it, and a message that
occurs twice is merged. Every parser therefore reads entries that were appended to a model as metadata of the model. The
last entry holds the hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgeshift._system.files import HASH_LENGTH
from edgeshift.artifact import protobuf
from edgeshift.artifact.protobuf import Field

#: Key of the entry that holds the hash.
HASH_KEY = "edgeshift/sha256"
#: Numbers of the two fields of an entry.
KEY, VALUE = 1, 2
#: Largest number of fields in a model's outermost message. Real models have far fewer.
MAX_FIELDS = 4096


@dataclass(frozen=True)
class MetadataTrailer:
    """The envelope of a format of models (``edgeshift.artifact.file.Envelope``).

    ``path_of_entries`` are the numbers of the nested fields that lead from the outermost message to an entry.
    """

    path_of_entries: tuple[int, ...]

    def pack(self, body: bytes, entries: Mapping[str, bytes]) -> bytes:
        """Append entries of UTF-8 text to data that ends with a model, and the entry of the hash without the hash."""
        return body + b"".join(self.entry(key, value) for key, value in entries.items()) + self._hash_prefix

    def has_hash(self, data: bytes) -> bool:
        """Return True if the data ends with the entry of the hash."""
        return data.endswith(self._hash_prefix, 0, -HASH_LENGTH)

    def unpack(self, data: bytes, entry: str, limit: int, at: int = 0) -> tuple[bytes, int]:
        """Return one entry of a file, and the offset of the first entry. The model starts at the offset ``at``.

        Raises:
            ValueError: the entry is missing, occurs twice or is too large, something else follows the model, or the
                data is not a sequence of fields.
        """
        value: bytes | None = None
        start = len(data)
        for field in protobuf.read_fields(data, at, len(data), MAX_FIELDS):
            message = self._entry_in(data, field)
            key_field = protobuf.last_field(data, message, KEY, MAX_FIELDS) if message else None
            key = data[key_field.start : key_field.stop].decode() if key_field else ""
            if value is None and key != entry:
                continue
            if value is None and message is not None:
                start = field.begin
                value_field = protobuf.last_field(data, message, VALUE, MAX_FIELDS)
                size = value_field.stop - value_field.start
                if size > limit:
                    raise ValueError(f"its description is {size:,} bytes; the limit is {limit:,}")
                value = data[value_field.start : value_field.stop]
            elif key == entry:
                raise ValueError("it has two descriptions")
            elif message is None:
                # Parsers would merge another model here into the first one, which is the only one that is hashed.
                raise ValueError("data follows its description")
        if value is None:
            raise ValueError(f"it has no {entry}")
        return value, start

    def entry(self, key: str, value: bytes) -> bytes:
        """Return a key and its value as a serialized message."""
        message = protobuf.bytes_field(KEY, key.encode()) + protobuf.bytes_field(VALUE, value)
        for number in reversed(self.path_of_entries):
            message = protobuf.bytes_field(number, message)
        return message

    @property
    def _hash_prefix(self) -> bytes:
        """The entry of the hash, without the hash."""
        return self.entry(HASH_KEY, b"0" * HASH_LENGTH)[:-HASH_LENGTH]

    def _entry_in(self, data: bytes, field: Field) -> Field | None:
        """Return the entry in a field of the outermost message; None if the field holds something else as well."""
        if field.number != self.path_of_entries[0]:
            return None
        for number in self.path_of_entries[1:]:
            try:
                inner = protobuf.read_fields(data, field.start, field.stop, 1)
            except ValueError:
                return None
            if [part.number for part in inner] != [number]:
                return None
            field = inner[0]
        return field
