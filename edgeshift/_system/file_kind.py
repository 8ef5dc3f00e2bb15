"""What a file is that is not what a command expects, in words for an error message."""

from __future__ import annotations

import mimetypes
from pathlib import Path

#: (position, first bytes, what such a file is).
SIGNATURES = (
    (4, b"ftyp", "a video"),
    (0, b"\x1a\x45\xdf\xa3", "a video"),
    (8, b"AVI LIST", "a video"),
    (0, b"\x89PNG", "a picture"),
    (0, b"\xff\xd8\xff", "a picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"version https://git-lfs", "a pointer of Git LFS (git lfs pull gets the file itself)"),
)
#: {type of a file by its suffix: what it is}, for types whose group does not say it.
TYPES = {"application/json": "a JSON file", "application/zip": "a zip archive", "application/pdf": "a PDF document"}
#: {group of types: what such a file is}.
GROUPS = {"video": "a video", "image": "a picture", "audio": "a sound file", "text": "a text file"}


def kind_of_content(head: bytes) -> str | None:
    """Return what a file is by its first bytes, such as "a video"; None: not known."""
    for position, signature, kind in SIGNATURES:
        if head[position:].startswith(signature):
            return kind
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not text or any(byte < 0x20 and byte not in b"\t\n\f\r" for byte in head):
        return None if head else "an empty file"
    if text.lower().startswith((b"<!doctype html", b"<html")):
        return "a web page"
    return "a JSON file" if text.startswith((b"{", b"[")) else "a text file"


def kind_of_suffix(path: Path) -> str | None:
    """Return what files with this suffix are, such as "a video"; None: not known."""
    guessed, _ = mimetypes.guess_type(f"file{path.suffix.lower()}")
    if guessed is None:
        return None
    return TYPES.get(guessed) or GROUPS.get(guessed.partition("/")[0])
