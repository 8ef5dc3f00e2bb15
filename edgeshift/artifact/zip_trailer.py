"""The envelope of formats whose runtimes ignore data after the graph: a zip archive is appended to the graph.

Runtimes that read a FlatBuffer stop where it ends, so they run the file as it is, and any zip tool lists the entries.
The comment of an archive is the end of the file, so it holds the hash.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

from edgeshift._system.files import HASH_LENGTH

#: Largest number of entries, and largest size in bytes of the archive's list of them.
MAX_ENTRIES = 32
MAX_DIRECTORY = 1 << 14
#: The last record of an archive: signature, two disk numbers, number of entries on this disk and in total, size and
#: offset of the list of entries, length of the comment.
END_RECORD = struct.Struct("<4sHHHHLLH")
#: Size in bytes of the header before an entry's name and content.
FILE_HEADER = 30
#: A record before the last one that may override its numbers: signature and length.
ZIP64_SIGNATURE, ZIP64_LENGTH = b"PK\6\7", 20
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
    return file.getvalue()[:-HASH_LENGTH]


def has_hash(data: bytes) -> bool:
    """Return True if the data ends with a zip archive whose comment has the length of a hash."""
    record = data[-END_RECORD.size - HASH_LENGTH : -HASH_LENGTH].rjust(END_RECORD.size, b"\0")
    return record.startswith(b"PK\5\6") and record.endswith(struct.pack("<H", HASH_LENGTH))


def unpack(data: bytes, entry: str, limit: int) -> tuple[bytes, int]:
    """Return one entry of a file, and the size of the graph (``edgeshift.artifact.file.Envelope``)."""
    # The limits are checked before zipfile reads the list of all entries, of which there might be millions.
    end = len(data) - HASH_LENGTH - END_RECORD.size
    *_, count, directory, _, _ = END_RECORD.unpack_from(data, end)
    if data.startswith(ZIP64_SIGNATURE, max(0, end - ZIP64_LENGTH)):
        raise ValueError("its description is in a zip64 archive")
    if count > MAX_ENTRIES:
        raise ValueError(f"{count} entries follow the graph; the limit is {MAX_ENTRIES}")
    if directory > MAX_DIRECTORY:
        raise ValueError(f"the names of its entries take {directory:,} bytes; the limit is {MAX_DIRECTORY:,}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            info = archive.getinfo(entry)
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # Other methods may allocate gigabytes before they return the first byte.
                raise ValueError(
                    f"its description has compression method {info.compress_type}, which edgeshift never uses"
                )
            if info.file_size > limit:
                raise ValueError(f"its description is {info.file_size:,} bytes; the limit is {limit:,}")
            # Only newer versions of zipfile check this.
            starts = [other.header_offset for other in entries if other.header_offset > info.header_offset]
            content_end = info.header_offset + FILE_HEADER + len(entry) + info.compress_size
            if content_end > min([*starts, end - directory]):
                raise ValueError("its description overlaps with another part of the file")
            with archive.open(info) as file:
                content = file.read(limit + 1)
    except KeyError as error:
        raise ValueError(f"it has no {entry}") from error
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise ValueError(f"its description cannot be unpacked: {error}") from error
    return content, min(other.header_offset for other in entries)
