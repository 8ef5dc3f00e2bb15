"""Facts about a video file that OpenCV does not report, read from the start of each part of its container."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

#: Suffixes of raw streams, which have no times, as cameras of the Raspberry Pi write them.
RAW = (".h264", ".264", ".h265", ".265", ".hevc", ".mjpeg", ".mjpg")
#: Types of the boxes that an MP4 or MOV file may begin with.
MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
#: First bytes of a Matroska or WebM file.
MATROSKA = b"\x1a\x45\xdf\xa3"
#: Largest number of boxes to look at.
MAX_BOXES = 10_000
#: First bytes of a raw H.264 or H.265 stream: a start code, and a unit that such a stream begins with.
RAW_STARTS = tuple(
    b"\x00\x00\x01" + unit for unit in (b"\x67", b"\x27", b"\x47", b"\x09", b"\x06", b"\x40\x01", b"\x46\x01")
)


def is_raw(head: bytes, suffix: str) -> bool:
    """Return True for a raw H.264, H.265 or motion JPEG stream, which has no times.

    Args:
        head: the first 12 bytes of the file, or more.
        suffix: the suffix of its name, which decides for a stream whose start is damaged or missing.
    """
    if head.startswith(b"\xff\xd8\xff") or head.removeprefix(b"\x00").startswith(RAW_STARTS):
        return True
    container = head[4:8] in MP4_BOXES or head.startswith((MATROSKA, b"RIFF"))
    return suffix.lower() in RAW and not container


def is_cut_short(path: Path) -> bool:
    """Return True if the container of a video is longer than its file: MP4, MOV, Matroska, WebM and AVI.

    Other containers do not state their length. For them, and for files that cannot be read, the result is False.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            head = file.read(12)
            if head[4:8] in MP4_BOXES:
                return _mp4_end(file, size) > size
            if head.startswith(MATROSKA):
                return _matroska_end(file) > size
            if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
                return 8 + int.from_bytes(head[4:8], "little") > size
    except OSError:
        pass
    return False


def _mp4_end(file: BinaryIO, size: int) -> int:
    """Return the position at which the last box ends, bytes."""
    position = 0
    for _ in range(MAX_BOXES):
        file.seek(position)
        head = file.read(16)
        if len(head) < 8:
            break
        length = int.from_bytes(head[:4], "big")
        if length == 1:  # the length has 64 bits and follows the type
            length = int.from_bytes(head[8:16], "big")
        if length == 0:  # to the end of the file
            return size
        if length < 8:  # not a box
            break
        position += length
    return position


def _matroska_end(file: BinaryIO) -> int:
    """Return the position at which the segment ends, bytes; 0: it states no length."""
    file.seek(4)
    header = _vint(file)
    if header is None:
        return 0
    file.seek(header, 1)
    if file.read(4) != b"\x18\x53\x80\x67":
        return 0
    length = _vint(file)
    return 0 if length is None else file.tell() + length


def _vint(file: BinaryIO) -> int | None:
    """Read a number of variable length; None: it is marked as unknown, or damaged."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    rest = file.read(width - 1)
    value = int.from_bytes(bytes([first[0] & ((1 << (8 - width)) - 1)]) + rest, "big")
    return None if len(rest) < width - 1 or value == (1 << 7 * width) - 1 else value
