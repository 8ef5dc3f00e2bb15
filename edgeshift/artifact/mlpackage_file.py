"""Core ML packages (.mlpackage): a folder for Xcode, handled here as one row of bytes.

    [ one line of JSON: sizes of all files but the last ][ those files ][ model.mlmodel ][ entries and hash ]

The description (``appended``) is user metadata of the model, so that Xcode and coremltools show it. The hash at the end
is over all files: what is not as it was written is refused before coremltools sees any of it. A package of ours has
three files and no others; links are not followed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from edgeshift.artifact.metadata_trailer import Entries
from edgeshift.artifact.protobuf import MalformedError
from edgeshift.errors import ArtifactError

SUFFIX = ".mlpackage"
MANIFEST = "Manifest.json"
WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"
MODEL = "Data/com.apple.CoreML/model.mlmodel"
#: The model is last: the entries are behind it. A program with nothing large in it has no file of weights.
FILES = (MANIFEST, WEIGHTS, MODEL)
#: Model.proto: field 2 of a Model is its description, 100 of that the metadata, 100 of that the user's own.
ENTRIES = Entries((2, 100, 100), "a Core ML model")

pack, require_whole = ENTRIES.pack, ENTRIES.require_whole


def unpack(path: Path, data: bytes, entry: str, limit: int) -> tuple[bytes, int]:
    """One entry of a whole package, and the length of the package without entries.

    Args:
        path: for messages. data: what ``require_whole`` has passed. entry: its key. limit: of its value, bytes.

    Raises:
        ArtifactError: not a package, no such entry or two, one over the limit, or something behind the model.
    """
    try:
        return ENTRIES.unpack(path, data, entry, limit, len(data) - len(split(data)[MODEL]))
    except (MalformedError, ValueError) as error:
        raise ENTRIES.malformed(path, error) from error


def read(path: Path, limit: int) -> bytes:
    """A package as one row of bytes.

    Args:
        path: the folder. limit: bytes of all its files.

    Raises:
        ArtifactError: not a package, or something in it that edgeshift never writes.
        OSError: it cannot be read.
    """
    if not path.is_dir():
        raise ArtifactError(
            f"{path}: no such file" if not path.exists() else f"{path}: not a folder, which a Core ML package is"
        )
    _require_ours(path)
    sizes = {name: (path / name).stat().st_size for name in FILES if (path / name).is_file()}
    for name in (MANIFEST, MODEL):
        if name not in sizes:
            raise ArtifactError(f"{path}: {name} is missing: the package is damaged; copy it again, with all in it")
    if sum(sizes.values()) > limit:
        raise ArtifactError(f"{path}: {sum(sizes.values()):,} bytes; the limit for an artifact is {limit:,}")
    return joined({name: (path / name).read_bytes() for name in sizes})


def joined(files: dict[str, bytes]) -> bytes:
    """The files of a package, {name: content}, as one row of bytes."""
    names = [name for name in FILES if name in files]
    header = json.dumps({name: len(files[name]) for name in names[:-1]}).encode() + b"\n"
    return b"".join([header, *(files[name] for name in names)])


def split(data: bytes) -> dict[str, bytes]:
    """The opposite of ``joined``.

    Raises:
        ValueError: not what that made.
    """
    at = data.index(b"\n") + 1
    found: dict[str, bytes] = {}
    for name, size in json.loads(data[:at]).items():
        found[name] = data[at : at + size]
        at += size
    found[MODEL] = data[at:]
    return found


def write(path: Path, data: bytes) -> None:
    """Write a package into an empty folder.

    The folder of weights is there even if no file is in it: the manifest names it.
    """
    (path / WEIGHTS).parent.mkdir(parents=True, exist_ok=True)
    for name, content in split(data).items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def is_package(path: Path) -> bool:
    """True for a folder that may be replaced by a package."""
    return (path / MANIFEST).is_file() or not any(path.iterdir())


def _require_ours(path: Path) -> None:
    """Nothing but our files, and no links; a folder of millions of others is left at the first of them."""
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(path / folder) as entries:
            for entry in entries:
                name = f"{folder}/{entry.name}".lstrip("/")
                inside = [file for file in FILES if file == name or file.startswith(f"{name}/")]
                if entry.is_symlink():
                    raise ArtifactError(f"{path}: {_printable(name)} is a link, which edgeshift never writes")
                if name in FILES and entry.is_file():
                    continue
                if not inside or not entry.is_dir():
                    raise ArtifactError(
                        f"{path}: {_printable(name)} does not belong there: not made by `edgeshift convert`"
                    )
                folders.append(name)


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name)[:100]
