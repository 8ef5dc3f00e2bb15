"""Envelope of Core ML packages (.mlpackage). A package is a folder, which is handled as one sequence of bytes:

    [ one line of JSON: sizes of all files but the last ][ those files ][ model.mlmodel ][ entries and hash ]

The entries are user metadata of the model, which Xcode and coremltools display. The hash at the end covers all files.
A package of edgeshift has at most three files, and no links.
"""

from __future__ import annotations

import json
from pathlib import Path

from edgeshift._system.text import printable
from edgeshift.artifact.metadata_trailer import MetadataTrailer
from edgeshift.errors import ArtifactError

SUFFIX = ".mlpackage"
MANIFEST = "Manifest.json"
WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"
MODEL = "Data/com.apple.CoreML/model.mlmodel"
#: The model is the last file, because the entries follow it. A program without large constants has no file of weights.
FILES = (MANIFEST, WEIGHTS, MODEL)
#: Model.proto: field 2 of a Model is its description, field 100 of that its metadata, field 100 of that the user's own.
TRAILER = MetadataTrailer((2, 100, 100))
pack, has_hash = TRAILER.pack, TRAILER.has_hash


def unpack(data: bytes, entry: str, limit: int) -> tuple[bytes, int]:
    """Return one entry of a package, and the size of the package without entries (``MetadataTrailer.unpack``)."""
    return TRAILER.unpack(data, entry, limit, at=len(data) - len(split_files(data)[MODEL]))


def read(path: Path, limit: int) -> bytes:
    """Return the files of a package as one sequence of bytes, at most ``limit``.

    Raises:
        ArtifactError: the path is not a package, is too large, or holds something that edgeshift never writes.
        OSError: a file cannot be read.
    """
    if not path.is_dir():
        reason = (
            "not a folder, but a Core ML package is one; copy the whole folder" if path.exists() else "no such file"
        )
        raise ArtifactError(f"{path}: {reason}")
    _require_known_files(path)
    sizes = {name: (path / name).stat().st_size for name in FILES if (path / name).is_file()}
    for name in (MANIFEST, MODEL):
        if name not in sizes:
            raise ArtifactError(f"{path}: {name} is missing: the package is damaged; copy the whole folder again")
    if (total := sum(sizes.values())) > limit:
        raise ArtifactError(f"{path}: the package has {total:,} bytes; the limit for an artifact is {limit:,}")
    return join_files({name: (path / name).read_bytes() for name in sizes})


def join_files(files: dict[str, bytes]) -> bytes:
    """Return the files of a package, {name: content}, as one sequence of bytes."""
    names = [name for name in FILES if name in files]
    header = json.dumps({name: len(files[name]) for name in names[:-1]}).encode() + b"\n"
    return b"".join([header, *(files[name] for name in names)])


def split_files(data: bytes) -> dict[str, bytes]:
    """Return {name: content} of the files that ``join_files`` has joined.

    Raises:
        ValueError: the data was not made by ``join_files``.
    """
    at = data.index(b"\n") + 1
    files: dict[str, bytes] = {}
    for name, size in json.loads(data[:at]).items():
        files[name] = data[at : at + size]
        at += size
    files[MODEL] = data[at:]
    return files


def write(path: Path, data: bytes) -> None:
    """Write a package, given as one sequence of bytes, into an empty folder."""
    # The manifest lists the folder of weights, so it must exist even if it is empty.
    (path / WEIGHTS).parent.mkdir(parents=True, exist_ok=True)
    for name, content in split_files(data).items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def is_package(path: Path) -> bool:
    """Return True for a folder that a package may replace: another package, or an empty folder."""
    return (path / MANIFEST).is_file() or not any(path.iterdir())


def _require_known_files(path: Path) -> None:
    """Raise ArtifactError at the first link, unknown file or unknown folder in a package."""
    for entry in path.rglob("*"):  # does not follow links
        name = entry.relative_to(path).as_posix()
        is_parent = any(file.startswith(f"{name}/") for file in FILES)
        shown = printable(name[:100])
        if entry.is_symlink():
            raise ArtifactError(f"{path}: {shown} is a link, which edgeshift never writes; copy the files themselves")
        if not (entry.is_dir() if is_parent else name in FILES and entry.is_file()):
            raise ArtifactError(f"{path}: {shown} does not belong there: not made by `edgeshift convert`; remove it")
