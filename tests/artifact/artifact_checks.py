"""Helpers of the tests of artifacts: reading hostile files, and limiting the memory that reading allocates."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from doubles import stream_spec

from edgeshift._system.files import sha256
from edgeshift.artifact.file import read_artifact
from edgeshift.artifact.spec import StreamSpec, encode
from edgeshift.errors import ArtifactError, SpecError


def refused(path: Path, data: bytes | None = None) -> str:
    """Check that an artifact is refused with one line that names the file, and return that message.

    ``data``, if given, is written to the path first.
    """
    if data is not None:
        path.write_bytes(data)
    with pytest.raises((ArtifactError, SpecError)) as caught:
        read_artifact(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and len(message) < 600
    assert caught.value.status == 2
    return message


def is_read(path: Path, data: bytes) -> bool:
    """Return True if an artifact with this content is read, and False if it is refused in one line."""
    path.write_bytes(data)
    try:
        read_artifact(path)
    except (ArtifactError, SpecError) as error:
        assert "\n" not in str(error)
        return False
    return True


def spec_of(body: bytes) -> StreamSpec:
    """Return the description that ``write_artifact`` writes for a graph."""
    return msgspec.structs.replace(stream_spec(), body_bytes=len(body), body_sha256=sha256(body))


def description_of(body: bytes) -> bytes:
    """Return the description of a graph as JSON."""
    return encode(spec_of(body))


@contextmanager
def allocates_less_than(megabytes: int) -> Iterator[None]:
    """Check that the memory that Python allocates in the block is less than this at any time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes << 20
    finally:
        tracemalloc.stop()
