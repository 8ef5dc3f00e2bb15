"""A zip file behind a graph: how artifacts carry their description where the runtime knows where its graph ends.

    [ graph, as the converter wrote it ][ zip: the entries; comment: hash of all before it ]

Runtimes that read a FlatBuffer stop where it ends, so the file runs as it is; any zip tool lists the rest. The
zip's comment ends the file with the hash of everything before it: a damaged file is refused before a runtime maps it.
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

MAX_ENTRIES = 32
MAX_DIRECTORY = 1 << 14
#: The record that ends a zip: signature, two disk numbers, entries here and in all, size and place of the directory,
#: length of the comment.
END = struct.Struct("<4sHHHHLLH")
#: What a zip may have before that record to overrule its numbers: how it begins, and its length.
ZIP64, LOCATOR = b"PK\6\7", 20
#: Length of the hash at the end of the file, hexadecimal.
HASH = 64
#: Same bytes for the same content: no clock in the archive.
STAMP = (1980, 1, 1, 0, 0, 0)


def pack(body: bytes, entries: Mapping[str, bytes]) -> bytes:
    """The graph with the entries and a hash of all behind it.

    Args:
        body: the graph. entries: {name: content}.
    """
    file = io.BytesIO()
    file.write(body)
    # Not mode "a": that would take a body which happens to end in a zip for an archive to be continued.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name, STAMP), data, zipfile.ZIP_DEFLATED)
        archive.comment = b"0" * HASH
    whole = file.getvalue()[:-HASH]
    return whole + sha256(whole).encode()


def require_whole(path: Path, data: bytes) -> None:
    """Check the hash, and the limits of the zip before anything unpacks it (the module would list millions first).

    Raises:
        ArtifactError: no zip at the end, another hash, or over a limit.
    """
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


def unpack(path: Path, data: bytes, entry: str, limit: int) -> tuple[bytes, int]:
    """One entry of a whole file, and where the zip begins.

    Args:
        path: for messages. data: what ``require_whole`` has passed. entry: its name. limit: of its content, bytes.

    Raises:
        ArtifactError: no such entry, one over the limit, or one packed as edgeshift never does.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            info = archive.getinfo(entry)
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # Others may allocate gigabytes before the first byte comes out.
                method = info.compress_type
                raise ArtifactError(f"{path}: its description is packed in a way that edgeshift never uses ({method})")
            if info.file_size > limit:
                raise ArtifactError(f"{path}: its description claims {info.file_size:,} bytes; the limit is {limit:,}")
            with archive.open(info) as file:
                description = file.read(limit + 1)
            start = min(other.header_offset for other in entries)
    except zipfile.BadZipFile as error:
        raise ArtifactError(
            f"{path}: no edgeshift description inside: cut short, damaged, or not made by `edgeshift convert` ({error})"
        ) from error
    except KeyError as error:
        raise ArtifactError(f"{path}: no {entry} inside: not made by `edgeshift convert`") from error
    except (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise ArtifactError(f"{path}: its description cannot be unpacked ({error}): the file is damaged") from error
    return description, start
