"""Read and write artifacts: a graph and its description in one file.

    [ graph, as the converter wrote it ][ entries: the description and the labels ][ hash of everything before it ]

How the entries are stored depends on the programs that read the format, so each target names a module that packs them,
its envelope (``Target.envelope`` in ``edgeshift.targets``). A Core ML artifact is a folder, not a file.
"""

from __future__ import annotations

import hashlib
import importlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast

import msgspec

from edgeshift._system.file_kind import kind_of_content, kind_of_suffix
from edgeshift._system.files import HASH_LENGTH, atomic_folder, atomic_write, sha256
from edgeshift._system.text import printable
from edgeshift.artifact.spec import MAX_BYTES, StreamSpec, decode, encode
from edgeshift.errors import ArtifactError, ArtifactWarning, NotAnArtifactError, one_line
from edgeshift.targets import TARGETS, target_of

#: Names of the entries in an artifact: the description, and its labels as text for people.
SPEC, LABELS = "edgeshift/spec.json", "labels.txt"
#: What is said of an artifact that was written with ``edgeshift convert --force``.
FAILED = "it FAILED its comparison with the original, and was written with --force"
#: Largest artifact, bytes.
MAX_FILE = 1 << 30


class Envelope(Protocol):
    """A module that packs a graph and its description into one file. A Protocol, because modules cannot inherit."""

    def pack(self, body: bytes, entries: Mapping[str, bytes]) -> bytes:
        """Return the content of a file up to its hash: the graph, and the entries {name: content}."""

    def has_hash(self, data: bytes) -> bool:
        """Return True if the data ends as ``pack`` ends it, with ``HASH_LENGTH`` bytes after that."""

    def unpack(self, data: bytes, entry: str, limit: int) -> tuple[bytes, int]:
        """Return one entry of content for which ``has_hash`` is True, and the size of the graph in bytes.

        Raises:
            ValueError: the entry is missing, larger than ``limit`` bytes, or not written as edgeshift does it.
        """


class Folder(Protocol):
    """A module that converts an artifact that is a folder to bytes and back."""

    def read(self, path: Path, limit: int) -> bytes:
        """Return all files as bytes. Raise ArtifactError for unknown files, or for more than ``limit`` bytes."""

    def write(self, path: Path, data: bytes) -> None:
        """Write the files into an empty folder."""

    def is_package(self, path: Path) -> bool:
        """Return True for a folder that an artifact may replace."""


#: {name: (shape, dtype)} of the tensors that are a graph's inputs or outputs.
Tensors = dict[str, tuple[tuple[int, ...], str]]


class Artifact(msgspec.Struct, frozen=True):
    """An artifact that was read and checked.

    Attributes:
        path: path of the artifact.
        spec: its description.
        body: the graph, as the converter wrote it.
    """

    path: Path
    spec: StreamSpec
    body: bytes


def write_artifact(path: Path, body: bytes, spec: StreamSpec) -> StreamSpec:
    """Write a graph and its description as one artifact. If this fails, an older artifact at the path is unchanged.

    Args:
        path: path of the artifact. Its suffix decides the format.
        body: the graph.
        spec: the description. Size and hash of the graph are added to it.

    Returns:
        The description as written.

    Raises:
        SpecError: the description could not be read again, for instance because a number in it is not finite.
        ArtifactError: the artifact cannot be written.
    """
    spec = msgspec.structs.replace(spec, body_bytes=len(body), body_sha256=sha256(body))
    description = encode(spec)
    decode(description, str(path))
    entries = {SPEC: description, LABELS: "\n".join(spec.labels).encode() + b"\n"}
    folder = _folder(path)
    try:
        require_replaceable(path)
        data = _envelope(path).pack(body, entries)
        data += sha256(data).encode()
        if folder is None:
            with atomic_write(path) as temporary:
                temporary.write_bytes(data)
        else:
            with atomic_folder(path) as temporary:
                folder.write(temporary, data)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be written: {error.strerror or error}") from error
    return spec


def require_replaceable(path: Path) -> None:
    """Check that a new artifact may be written to a path. A file may replace a file, and a package a package.

    Raises:
        ArtifactError: the path holds something else.
    """
    folder = _folder(path)
    if folder is None and path.is_dir():
        raise ArtifactError(f"{path}: cannot be written: it is a folder, but the artifact is a file")
    if folder is not None and path.exists() and not (path.is_dir() and folder.is_package(path)):
        raise ArtifactError(f"{path}: cannot be written: it exists and is not a package of this kind; move it away")


def artifact_size(path: Path) -> int:
    """Return the size of an artifact in bytes."""
    return sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())


def read_artifact(path: Path) -> Artifact:
    """Read an artifact and check that it is complete and undamaged.

    Raises:
        ArtifactError: there is no file, or it is too large, damaged, or not made by edgeshift.
        SpecError: the description is not valid.
    """
    data, envelope = artifact_bytes(path), _envelope(path)
    if not envelope.has_hash(data):
        raise _without_description(path, data[:512])
    try:
        description, size = envelope.unpack(data, SPEC, MAX_BYTES)
    except ValueError as error:
        _checked_hash(path, data, 0)
        reason = printable(one_line(error))
        raise ArtifactError(f"{path}: not made by `edgeshift convert`: {reason}; convert the model again") from error
    body_sha256 = _checked_hash(path, data, size)
    spec = decode(description, str(path))
    if (spec.body_bytes, spec.body_sha256) != (size, body_sha256):
        raise ArtifactError(
            f"{path}: the graph ({size:,} bytes) does not match its hash or size ({spec.body_bytes:,} bytes) in the "
            "description: another program has changed the file; convert the model again"
        )
    if spec.problems:
        warnings.warn(f"{path}: {FAILED}: {'; '.join(spec.problems)}", ArtifactWarning, stacklevel=2)
    return Artifact(path, spec, data[:size])


def require_tensors(artifact: Artifact, inputs: Tensors, outputs: Tensors) -> None:
    """Check that a graph has exactly the inputs and outputs of its description.

    Args:
        artifact: the artifact that is loaded.
        inputs: inputs of the graph, as the runtime reports them.
        outputs: outputs of the graph, as the runtime reports them.

    Raises:
        ArtifactError: a tensor is missing, is not described, or has another shape or type.
    """
    spec = artifact.spec
    states = {state.name: (state.shape, state.dtype) for state in spec.states}
    for kind, actual, tensor in (("input", inputs, spec.input), ("output", outputs, spec.output)):
        expected = {tensor.name: (tensor.shape, tensor.dtype), **states}
        for name in expected | actual:
            if actual.get(name) != expected.get(name):
                raise ArtifactError(
                    f"{artifact.path}: {kind} {name!r} of the graph is {actual.get(name, 'missing')}, but the "
                    f"description says {expected.get(name, 'nothing')}; convert the model again"
                )


def artifact_bytes(path: Path) -> bytes:
    """Return the content of an artifact as bytes, unchecked.

    Raises:
        ArtifactError: the artifact does not exist, is larger than the limit, or cannot be read.
    """
    folder = _folder(path)
    try:
        if folder is not None:
            return folder.read(path, MAX_FILE)
        if not path.is_file():
            raise ArtifactError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
        if (size := path.stat().st_size) > MAX_FILE:
            raise ArtifactError(f"{path}: the file has {size:,} bytes; the limit for an artifact is {MAX_FILE:,}")
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error


def _checked_hash(path: Path, data: bytes, size: int) -> str:
    """Check the hash at the end of a file, and return the hash of its first ``size`` bytes, computed in the same pass.

    Raises:
        ArtifactError: the file does not match the hash at its end.
    """
    view = memoryview(data)
    hasher = hashlib.sha256(view[:size])
    beginning = hasher.hexdigest()
    hasher.update(view[size:-HASH_LENGTH])
    if hasher.hexdigest().encode() != view[-HASH_LENGTH:]:
        raise ArtifactError(f"{path}: it does not match the hash at its end: the file is damaged; copy it again")
    return beginning


def _without_description(path: Path, head: bytes) -> ArtifactError:
    """Return the error for a file without a description: it is something else, or a damaged artifact."""
    target = target_of(path)
    kind = None if target is not None and target.is_folder else kind_of_content(head)
    if target is None:
        suffixes = ", ".join(known.suffix for known in TARGETS.values())
        what = kind or kind_of_suffix(path)
        is_what = f"it is {what}, not an artifact" if what else "it is not an artifact"
        return NotAnArtifactError(f"{path}: {is_what}; give a file that `edgeshift convert` has written ({suffixes})")
    if kind is not None:
        return NotAnArtifactError(f"{path}: its content is {kind}, not an artifact; copy or download it again")
    return ArtifactError(
        f"{path}: no edgeshift description at its end: cut short, damaged, or not made by `edgeshift convert`; "
        "copy it again, or convert the model"
    )


def _envelope(path: Path) -> Envelope:
    target = target_of(path)
    name = "zip_trailer" if target is None else target.envelope
    return cast("Envelope", importlib.import_module(f"edgeshift.artifact.{name}"))


def _folder(path: Path) -> Folder | None:
    target = target_of(path)
    return cast("Folder", _envelope(path)) if target is not None and target.is_folder else None
