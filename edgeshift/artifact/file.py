"""Artifacts that carry their description: one file to copy, checked before any runtime sees it.

How graph and description share a file depends on what else reads it, so each target names the module that packs them
(``Target.envelope`` in ``edgeshift.targets``). Every envelope ends the file with the hash of everything before it, and
leaves the graph, byte by byte, as the converter wrote it. A Core ML artifact is a folder, not a file.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import msgspec

from edgeshift._system.files import atomic_folder, atomic_write, sha256
from edgeshift.artifact.spec import MAX_BYTES, StreamSpec, decode, encode
from edgeshift.errors import ArtifactError
from edgeshift.targets import target_of

SPEC = "edgeshift/spec.json"
LABELS = "labels.txt"
MAX_FILE = 1 << 30


class Envelope(Protocol):
    """How graph and description become one file. A Protocol, because modules cannot inherit."""

    def pack(self, body: bytes, entries: Mapping[str, bytes]) -> bytes:
        """One file, its last bytes the hash of all others."""
        ...

    def require_whole(self, path: Path, data: bytes) -> None:
        """Raise an ``ArtifactError`` for a file that is not what its hash says, or over its limits."""
        ...

    def unpack(self, path: Path, data: bytes, entry: str, limit: int) -> tuple[bytes, int]:
        """One entry of at most ``limit`` bytes, and the length of the graph."""
        ...


class Folder(Protocol):
    """How an artifact that is a folder becomes one row of bytes, and back."""

    def read(self, path: Path, limit: int) -> bytes:
        """All of it; an ``ArtifactError`` for what is not ours, or over the limit."""
        ...

    def write(self, path: Path, data: bytes) -> None:
        """Write it into an empty folder."""
        ...

    def is_package(self, path: Path) -> bool:
        """True for a folder that may be replaced."""
        ...


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
    entries = {SPEC: description, LABELS: "\n".join(spec.labels).encode() + b"\n"}
    folder = _folder(path)
    try:
        require_free(path)
        data = _envelope(path).pack(body, entries)
        if folder is None:
            with atomic_write(path) as temporary:
                temporary.write_bytes(data)
        else:
            with atomic_folder(path) as temporary:
                folder.write(temporary, data)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be written: {error.strerror or error}") from error
    return spec


def require_free(path: Path) -> None:
    """The place of a new artifact is free, or taken by what may be replaced: a file by a file, a package by a package.

    Raises:
        ArtifactError: it is not.
    """
    folder = _folder(path)
    if folder is None and path.is_dir():
        raise ArtifactError(f"{path}: cannot be written: it is a folder; the artifact is a file")
    if folder is not None and path.exists() and not (path.is_dir() and folder.is_package(path)):
        raise ArtifactError(f"{path}: cannot be written: what is there is not a package of that kind; move it away")


def artifact_size(path: Path) -> int:
    """Bytes of an artifact, file or folder."""
    return sum(part.stat().st_size for part in (path, *path.rglob("*")) if part.is_file())


def read_artifact(path: Path) -> Artifact:
    """Read an artifact and check that it is whole.

    Raises:
        ArtifactError: not a file, too large, no description inside, or a graph that is not the one it describes.
        SpecError: a description that is not valid.
    """
    data, envelope = artifact_bytes(path), _envelope(path)
    envelope.require_whole(path, data)
    description, start = envelope.unpack(path, data, SPEC, MAX_BYTES)
    spec = decode(description, str(path))
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


def artifact_bytes(path: Path) -> bytes:
    """All of an artifact, file or folder, unchecked.

    Raises:
        ArtifactError: it is not there, over the limit, or cannot be read.
    """
    folder = _folder(path)
    try:
        if folder is not None:
            return folder.read(path, MAX_FILE)
        if not path.is_file():
            raise ArtifactError(f"{path}: no such file" if not path.exists() else f"{path}: not a file")
        size = path.stat().st_size
        if size > MAX_FILE:
            raise ArtifactError(f"{path}: {size:,} bytes; the limit for an artifact is {MAX_FILE:,}")
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error


def _envelope(path: Path) -> Envelope:
    target = target_of(path)
    name = "zip_trailer" if target is None else target.envelope
    return cast("Envelope", importlib.import_module(f"edgeshift.artifact.{name}"))


def _folder(path: Path) -> Folder | None:
    target = target_of(path)
    return cast("Folder", _envelope(path)) if target is not None and target.is_folder else None
