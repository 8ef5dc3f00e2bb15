"""Artifacts that carry their description: a graph with a zip file behind it.

    [ graph, as the converter wrote it ][ zip: edgeshift/spec.json, labels.txt; comment: hash of all before it ]

Runtimes that read a FlatBuffer stop where it ends, so the file runs as it is; any zip tool lists the rest. The
zip's comment ends the file with the hash of everything before it: a damaged file is refused before a runtime maps it.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgeshift.errors import ArtifactError
from edgeshift.files import sha256, whole_file
from edgeshift.spec import MAX_BYTES, StreamSpec, decode, encode

SPEC = "edgeshift/spec.json"
LABELS = "labels.txt"
MAX_ENTRIES = 32
MAX_DIRECTORY = 1 << 14
#: The record that ends a zip: signature, two disk numbers, entries here and in all, size and place of the directory,
#: length of the comment.
END = struct.Struct("<4sHHHHLLH")
#: What a zip may have before that record to overrule its numbers: how it begins, and its length.
ZIP64, LOCATOR = b"PK\6\7", 20
MAX_FILE = 1 << 30
#: Length of the hash at the end of the file, hexadecimal.
HASH = 64
#: Same bytes for the same content: no clock in the archive.
STAMP = (1980, 1, 1, 0, 0, 0)


#: {tensor: (shape, dtype)} of a graph's inputs or outputs.
Boundary = dict[str, tuple[tuple[int, ...], str]]


@dataclass(frozen=True)
class Artifact:
    """An artifact that was read and checked. ``body`` is the graph without what we put behind it."""

    path: Path
    spec: StreamSpec
    body: bytes


def write_artifact(path: Path, body: bytes, spec: StreamSpec) -> StreamSpec:
    """Write graph and spec as one file, whole or not at all.

    Returns:
        The spec as written, with size and hash of the graph.

    Raises:
        SpecError: a spec that could not be read again, such as one with a number that is not finite.
        ArtifactError: no place to write.
    """
    spec = msgspec.structs.replace(spec, body_bytes=len(body), body_sha256=sha256(body))
    description = encode(spec)
    decode(description, str(path))
    try:
        with whole_file(path) as temporary:
            _write(temporary, body, {SPEC: description, LABELS: "\n".join(spec.labels).encode() + b"\n"})
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be written: {error.strerror or error}") from error
    return spec


def read_artifact(path: Path) -> Artifact:
    """Read an artifact and check that it is whole.

    Raises:
        ArtifactError: not a file, too large, no description inside, or a graph that is not the one it describes.
        SpecError: a description that is not valid.
    """
    data = _read(path)
    _require_whole(path, data)
    spec, start = _read_spec(path, data)
    if spec.body_sha256 is None or spec.body_bytes != start:
        raise ArtifactError(
            f"{path}: the graph is {start:,} bytes, its description says {spec.body_bytes:,}: "
            "the file is damaged; copy it again"
        )
    body = data[:start]
    if sha256(body) != spec.body_sha256:
        raise ArtifactError(f"{path}: the graph does not match its hash: the file is damaged; copy it again")
    return Artifact(path, spec, body)


def require_fit(artifact: Artifact, inputs: Boundary, outputs: Boundary) -> None:
    """The graph's own tensors must be those that the description promises, and no others.

    Args:
        artifact: what is being loaded. inputs, outputs: what the runtime found in its graph.

    Raises:
        ArtifactError: they differ.
    """
    spec = artifact.spec
    states = {state.name: (state.shape, state.dtype) for state in spec.states}
    for side, found, tensor in (("inputs", inputs, spec.input), ("outputs", outputs, spec.output)):
        wanted = {tensor.name: (tensor.shape, tensor.dtype), **states}
        for name in wanted | found:
            has, want = found.get(name, "nothing"), wanted.get(name, "nothing")
            if has != want:
                raise ArtifactError(
                    f"{artifact.path}: among the graph's {side}, {name!r} is {has}; its description promises {want}"
                )


def _write(path: Path, body: bytes, entries: dict[str, bytes]) -> None:
    with path.open("w+b") as file:
        file.write(body)
        # Not mode "a": that would take a body which happens to end in a zip for an archive to be continued.
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in entries.items():
                archive.writestr(zipfile.ZipInfo(name, STAMP), data, zipfile.ZIP_DEFLATED)
            archive.comment = b"0" * HASH
        file.seek(0)
        digest = sha256(file.read()[:-HASH])
        file.seek(-HASH, os.SEEK_END)
        file.write(digest.encode())


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise ArtifactError(f"{path}: no such file" if not path.exists() else f"{path}: not a file")
        size = path.stat().st_size
        if size > MAX_FILE:
            raise ArtifactError(f"{path}: {size:,} bytes; the limit for an artifact is {MAX_FILE:,}")
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error


def _require_whole(path: Path, data: bytes) -> None:
    """Check the hash, and the limits of the zip before anything unpacks it (the module would list millions first)."""
    signature, *_, entries, directory, _, comment = END.unpack(data[-END.size - HASH : -HASH].rjust(END.size, b"\0"))
    if signature != b"PK\5\6" or comment != HASH:
        raise ArtifactError(
            f"{path}: no edgeshift description at its end: cut short, damaged, or not made by `edgeshift convert`"
        )
    if sha256(data[:-HASH]).encode() != data[-HASH:]:
        raise ArtifactError(f"{path}: it does not match the hash at its end: the file is damaged; copy it again")
    if data[-LOCATOR - END.size - HASH :].startswith(ZIP64):
        raise ArtifactError(f"{path}: packed as a zip64, which edgeshift never does")
    if entries > MAX_ENTRIES or directory > MAX_DIRECTORY:
        raise ArtifactError(f"{path}: {entries} entries behind the graph; the limit is {MAX_ENTRIES}")


def _read_spec(path: Path, data: bytes) -> tuple[StreamSpec, int]:
    """The description, and where the zip begins."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            entry = archive.getinfo(SPEC)
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # Others may allocate gigabytes before the first byte comes out.
                method = entry.compress_type
                raise ArtifactError(f"{path}: its description is packed in a way that edgeshift never uses ({method})")
            if entry.file_size > MAX_BYTES:
                raise ArtifactError(
                    f"{path}: its description claims {entry.file_size:,} bytes; the limit is {MAX_BYTES:,}"
                )
            with archive.open(entry) as file:
                description = file.read(MAX_BYTES + 1)
            start = min(other.header_offset for other in entries)
    except zipfile.BadZipFile as error:
        raise ArtifactError(
            f"{path}: no edgeshift description inside: cut short, damaged, or not made by `edgeshift convert` ({error})"
        ) from error
    except KeyError as error:
        raise ArtifactError(f"{path}: no {SPEC} inside: not made by `edgeshift convert`") from error
    except (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise ArtifactError(f"{path}: its description cannot be unpacked ({error}): the file is damaged") from error
    return decode(description, str(path)), start
