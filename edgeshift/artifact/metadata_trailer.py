"""Text under keys behind a protobuf message: how artifacts carry their description where a parser reads the whole file.

    [ message, as the converter wrote it ][ edgeshift/spec.json ][ labels.txt ][ edgeshift/sha256: of all before it ]

A message is a row of fields in any order, a repeated field goes on wherever it comes up again, and a message that comes
up again is merged with the first: metadata written behind a model is metadata of the model, for every parser. So the
model is still, byte by byte, what was converted and hashed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeshift._system.files import sha256
from edgeshift.artifact import protobuf
from edgeshift.artifact.protobuf import Field, MalformedError
from edgeshift.errors import ArtifactError

#: The key under which the hash is, and the length of that in hexadecimal.
SEAL, HASH = "edgeshift/sha256", 64
#: Of an entry: field 1 is its key, field 2 its value.
KEY, VALUE = 1, 2
#: No honest model has nearly as many fields in its outermost message.
MAX_FIELDS = 4096


@dataclass(frozen=True)
class Entries:
    """Where a kind of model keeps them.

    Attributes:
        numbers: of the fields from the outermost message to an entry, each inside the one before.
        kind: what the message is called in errors.
    """

    numbers: tuple[int, ...]
    kind: str

    def pack(self, body: bytes, entries: Mapping[str, bytes]) -> bytes:
        """The message with the entries and a hash of all behind it.

        Args:
            body: a serialized message, or anything with one at its end. entries: {key: UTF-8 text}.
        """
        data = body + b"".join(self._entry(key, value) for key, value in entries.items())
        seal = self._entry(SEAL, b"0" * HASH)[:-HASH]
        return data + seal + sha256(data + seal).encode()

    def require_whole(self, path: Path, data: bytes) -> None:
        """Check the hash at the end.

        Raises:
            ArtifactError: none there, or another one.
        """
        seal = self._entry(SEAL, b"0" * HASH)[:-HASH]
        if not data[:-HASH].endswith(seal):
            raise ArtifactError(
                f"{path}: no edgeshift description at its end: cut short, damaged, or not made by `edgeshift convert`"
            )
        if sha256(data[:-HASH]).encode() != data[-HASH:]:
            raise ArtifactError(f"{path}: it does not match the hash at its end: the file is damaged; copy it again")

    def unpack(self, path: Path, data: bytes, entry: str, limit: int, at: int = 0) -> tuple[bytes, int]:
        """One entry of a whole file, and where the first of the entries begins.

        Args:
            path: for messages. data: what ``require_whole`` has passed. entry: its key. limit: of its value, bytes.
            at: where the message begins.

        Raises:
            ArtifactError: no such entry or two, one over the limit, or something behind the model that is not ours.
            MalformedError: not a row of fields. UnicodeDecodeError: a key that is not text.
        """
        found: bytes | None = None
        start = len(data)
        for field in protobuf.fields(data, at, len(data), MAX_FIELDS):
            pair = self._pair(data, field)
            name = protobuf.last(data, pair, KEY, MAX_FIELDS) if pair else None
            key = data[name.start : name.stop].decode() if name else ""
            if found is None and key != entry:
                continue
            if found is None and pair is not None:
                start = field.begin
                value = protobuf.last(data, pair, VALUE, MAX_FIELDS)
                size = value.stop - value.start
                if size > limit:
                    raise ArtifactError(f"{path}: its description claims {size:,} bytes; the limit is {limit:,}")
                found = data[value.start : value.stop]
            elif key == entry:
                raise ArtifactError(f"{path}: it has two descriptions: not made by `edgeshift convert`")
            elif pair is None:
                # A second model here would be merged into the first one by every parser, unseen by the model's hash.
                raise ArtifactError(f"{path}: there is more behind its description: not made by `edgeshift convert`")
        if found is None:
            raise ArtifactError(f"{path}: no {entry} inside: not made by `edgeshift convert`")
        return found, start

    def malformed(self, path: Path, error: Exception) -> ArtifactError:
        """The error for what ``unpack`` could not walk."""
        return ArtifactError(f"{path}: not {self.kind}: {error}; convert it again")

    def _pair(self, data: bytes, field: Field) -> Field | None:
        """The entry that a field of the outermost message is, if it is one and nothing else."""
        if field.number != self.numbers[0]:
            return None
        for number in self.numbers[1:]:
            try:
                inside = protobuf.fields(data, field.start, field.stop, 1)
            except MalformedError:
                return None
            if [part.number for part in inside] != [number]:
                return None
            field = inside[0]
        return field

    def _entry(self, key: str, value: bytes) -> bytes:
        message = protobuf.content(KEY, key.encode()) + protobuf.content(VALUE, value)
        for number in reversed(self.numbers):
            message = protobuf.content(number, message)
        return message
