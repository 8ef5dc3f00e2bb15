"""Artifacts that carry their description: a graph with a zip file behind it.

    [ graph, as the converter wrote it ][ zip: edgeshift/spec.json, labels.txt ]

Runtimes that read a FlatBuffer stop where it ends, so the file runs as it is; any zip tool lists the rest. The spec
holds the hash of the graph: a damaged file is refused before a runtime maps it.
"""

from __future__ import annotations

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
MAX_FILE = 1 << 30
#: Same bytes for the same content: no clock in the archive.
STAMP = (1980, 1, 1, 0, 0, 0)


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
    """
    spec = msgspec.structs.replace(spec, body_bytes=len(body), body_sha256=sha256(body))
    with whole_file(path) as temporary:
        temporary.write_bytes(body)
        with zipfile.ZipFile(temporary, "a", zipfile.ZIP_DEFLATED) as archive:
            for name, data in ((SPEC, encode(spec)), (LABELS, "\n".join(spec.labels).encode() + b"\n")):
                archive.writestr(zipfile.ZipInfo(name, STAMP), data, zipfile.ZIP_DEFLATED)
    return spec


def read_artifact(path: Path) -> Artifact:
    """Read an artifact and check that it is whole.

    Raises:
        ArtifactError: not a file, too large, no description inside, or a graph that is not the one it describes.
        SpecError: a description that is not valid.
    """
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file" if not path.exists() else f"{path}: not a file")
    size = path.stat().st_size
    if size > MAX_FILE:
        raise ArtifactError(f"{path}: {size:,} bytes; the limit for an artifact is {MAX_FILE:,}")
    data = path.read_bytes()
    spec, start = _read_spec(path)
    if spec.body_sha256 is None or spec.body_bytes != start:
        raise ArtifactError(
            f"{path}: the graph is {start:,} bytes, its description says {spec.body_bytes:,}: "
            "the file is damaged; copy it again"
        )
    body = data[:start]
    if sha256(body) != spec.body_sha256:
        raise ArtifactError(f"{path}: the graph does not match its hash: the file is damaged; copy it again")
    return Artifact(path, spec, body)


def _read_spec(path: Path) -> tuple[StreamSpec, int]:
    """The description, and where the zip begins."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES:
                raise ArtifactError(f"{path}: {len(entries)} entries behind the graph; the limit is {MAX_ENTRIES}")
            entry = archive.getinfo(SPEC)
            if entry.file_size > MAX_BYTES:
                raise ArtifactError(
                    f"{path}: its description claims {entry.file_size:,} bytes; the limit is {MAX_BYTES:,}"
                )
            with archive.open(entry) as file:
                data = file.read(MAX_BYTES + 1)
            start = min(other.header_offset for other in entries)
    except zipfile.BadZipFile as error:
        raise ArtifactError(
            f"{path}: no edgeshift description inside: cut short, damaged, or not made by `edgeshift convert` ({error})"
        ) from error
    except KeyError as error:
        raise ArtifactError(f"{path}: no {SPEC} inside: not made by `edgeshift convert`") from error
    except (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise ArtifactError(f"{path}: its description cannot be unpacked ({error}): the file is damaged") from error
    return decode(data, str(path)), start
