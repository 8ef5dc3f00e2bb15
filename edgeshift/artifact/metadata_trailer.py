"""Append metadata to a protobuf model. Envelope of formats whose parsers read the whole file, ONNX and Core ML.

    [ model, as the converter wrote it ][ edgeshift/spec.json ][ labels.txt ][ edgeshift/sha256: hash of all before it ]

The fields of a protobuf message may be in any order, a repeated field may continue anywhere in it, and a message that
occurs twice is merged. Metadata appended to a model is therefore metadata of the model for every parser, and the model
stays, byte for byte, as it was converted and hashed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeshift._system.files import sha256
from edgeshift.artifact import protobuf
from edgeshift.artifact.protobuf import Field, MalformedError
from edgeshift.errors import ArtifactError

#: Key of the entry that holds the hash, and the length of a hash in hexadecimal digits.
HASH_KEY, HASH_LENGTH = "edgeshift/sha256", 64
#: Numbers of the two fields of an entry.
KEY, VALUE = 1, 2
#: Largest number of fields in a model's outermost message. Real models have far fewer.
MAX_FIELDS = 4096


@dataclass(frozen=True)
class MetadataTrailer:
    """The envelope of a format of models (``edgeshift.artifact.file.Envelope``).

    Attributes:
        path_of_entries: numbers of the nested fields that lead from the outermost message to an entry.
        kind: name of the format in error messages.
    """

    path_of_entries: tuple[int, ...]
    kind: str

    def pack(self, body: bytes, entries: Mapping[str, bytes]) -> bytes:
        """Append entries of UTF-8 text, and the hash of everything before, to data that ends with a model."""
        data = body + b"".join(self.entry(key, value) for key, value in entries.items()) + self._hash_prefix
        return data + sha256(data).encode()

    def require_whole(self, path: Path, data: bytes) -> None:
        """Check the hash at the end of a file."""
        if not data[:-HASH_LENGTH].endswith(self._hash_prefix):
            raise ArtifactError(
                f"{path}: no edgeshift description at its end: cut short, damaged, or not made by `edgeshift convert`"
            )
        if sha256(memoryview(data)[:-HASH_LENGTH]).encode() != data[-HASH_LENGTH:]:
            raise ArtifactError(f"{path}: it does not match the hash at its end: the file is damaged; copy it again")

    def unpack(self, path: Path, data: bytes, entry: str, limit: int, at: int = 0) -> tuple[bytes, int]:
        """Return one entry of a file, and the offset of the first entry. The model starts at the offset ``at``.

        Raises:
            ArtifactError: the entry is missing, occurs twice or is too large, something else follows the model, or the
                data is not a sequence of fields.
        """
        try:
            return self._unpack(path, data, entry, limit, at)
        except (MalformedError, UnicodeDecodeError) as error:
            raise self.malformed(path, error) from error

    def malformed(self, path: Path, error: Exception) -> ArtifactError:
        """Return the error for data that is not a model of this format."""
        return ArtifactError(f"{path}: not {self.kind}: {error}; convert it again")

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

    def _unpack(self, path: Path, data: bytes, entry: str, limit: int, at: int) -> tuple[bytes, int]:
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
                    raise ArtifactError(f"{path}: its description is {size:,} bytes; the limit is {limit:,}")
                value = data[value_field.start : value_field.stop]
            elif key == entry:
                raise ArtifactError(f"{path}: it has two descriptions: not made by `edgeshift convert`")
            elif message is None:
                # Parsers would merge another model here into the first one, which is the only one that is hashed.
                raise ArtifactError(f"{path}: data follows its description: not made by `edgeshift convert`")
        if value is None:
            raise ArtifactError(f"{path}: no {entry} inside: not made by `edgeshift convert`")
        return value, start

    def _entry_in(self, data: bytes, field: Field) -> Field | None:
        """Return the entry in a field of the outermost message; None if the field holds something else as well."""
        if field.number != self.path_of_entries[0]:
            return None
        for number in self.path_of_entries[1:]:
            try:
                inner = protobuf.read_fields(data, field.start, field.stop, 1)
            except MalformedError:
                return None
            if [part.number for part in inner] != [number]:
                return None
            field = inner[0]
        return field
