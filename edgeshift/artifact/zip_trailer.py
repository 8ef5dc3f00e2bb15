"""Append a zip archive to a graph. Envelope of formats whose runtimes ignore data after the graph.

    [ graph, as the converter wrote it ][ zip archive with the entries; its comment: hash of all before it ]

Runtimes that read a FlatBuffer stop where it ends, so they run the file as it is, and any zip tool lists the entries.
The comment of the archive is the end of the file, so that damage is found before a runtime maps the file.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from edgeshift._system.files import sha256
from edgeshift.errors import ArtifactError

#: Largest number of entries, and largest size in bytes of the archive's list of them.
MAX_ENTRIES = 32
MAX_DIRECTORY = 1 << 14
#: The last record of an archive: signature, two disk numbers, number of entries on this disk and in total, size and
#: offset of the list of entries, length of the comment.
END_RECORD = struct.Struct("<4sHHHHLLH")
#: A record before the last one that may override its numbers: signature and length.
ZIP64_SIGNATURE, ZIP64_LENGTH = b"PK\6\7", 20
#: Length of the hash at the end of the file, hexadecimal digits.
HASH_LENGTH = 64
#: Time stamp of every entry. It is constant, so that the same content gives the same bytes.
TIME_STAMP = (1980, 1, 1, 0, 0, 0)


def pack(body: bytes, entries: Mapping[str, bytes]) -> bytes:
    """Append an archive to a graph (``edgeshift.artifact.file.Envelope``)."""
    file = io.BytesIO()
    file.write(body)
    # Mode "a" would continue the archive of a graph that happens to end in one.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name, TIME_STAMP), data, zipfile.ZIP_DEFLATED)
        archive.comment = b"0" * HASH_LENGTH
    data = file.getvalue()[:-HASH_LENGTH]
    return data + sha256(data).encode()


def require_whole(path: Path, data: bytes) -> None:
    """Check the hash at the end of a file (``edgeshift.artifact.file.Envelope``), and the limits of the archive.

    The limits are checked here, because ``zipfile`` lists all entries first, and there might be millions.
    """
    size = END_RECORD.size
    record = data[-size - HASH_LENGTH : -HASH_LENGTH].rjust(size, b"\0")
    signature, *_, entries, directory, _, comment = END_RECORD.unpack(record)
    if signature != b"PK\5\6" or comment != HASH_LENGTH:
        raise ArtifactError(
            f"{path}: no edgeshift description at its end: cut short, damaged, or not made by `edgeshift convert`"
        )
    if sha256(memoryview(data)[:-HASH_LENGTH]).encode() != data[-HASH_LENGTH:]:
        raise ArtifactError(f"{path}: it does not match the hash at its end: the file is damaged; copy it again")
    if data[-ZIP64_LENGTH - size - HASH_LENGTH :].startswith(ZIP64_SIGNATURE):
        raise ArtifactError(f"{path}: its description is in a zip64 archive, which edgeshift never writes")
    if entries > MAX_ENTRIES or directory > MAX_DIRECTORY:
        raise ArtifactError(f"{path}: {entries} entries follow the graph; the limit is {MAX_ENTRIES}")


def unpack(path: Path, data: bytes, entry: str, limit: int) -> tuple[bytes, int]:
    """Return one entry of a file, and the size of the graph (``edgeshift.artifact.file.Envelope``)."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            info = archive.getinfo(entry)
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # Other methods may allocate gigabytes before they return the first byte.
                method = f"method {info.compress_type}, which edgeshift never uses"
                raise ArtifactError(f"{path}: its description is compressed with {method}")
            if info.file_size > limit:
                raise ArtifactError(f"{path}: its description is {info.file_size:,} bytes; the limit is {limit:,}")
            with archive.open(info) as file:
                content = file.read(limit + 1)
            start = min(other.header_offset for other in entries)
    except zipfile.BadZipFile as error:
        raise ArtifactError(
            f"{path}: no edgeshift description inside: cut short, damaged, or not made by `edgeshift convert` ({error})"
        ) from error
    except KeyError as error:
        raise ArtifactError(f"{path}: no {entry} inside: not made by `edgeshift convert`") from error
    except (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise ArtifactError(f"{path}: its description cannot be unpacked ({error}): the file is damaged") from error
    return content, start
