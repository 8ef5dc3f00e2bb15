"""Behaviour of all file formats of artifacts: a written file can be read, and damage is found."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from artifact_checks import allocates_less_than, is_read, refused, spec_of
from doubles import stream_spec

from edgeshift.artifact import protobuf
from edgeshift.artifact.file import MAX_FILE, Artifact, read_artifact, write_artifact

NOISE = np.random.default_rng(0).integers(0, 256, 2000, np.uint8).tobytes()
#: {suffix: graph}. A zip archive may follow any bytes; metadata must follow a protobuf message.
BODIES = {".tflite": NOISE, ".onnx": b"\x08\x08" + protobuf.bytes_field(7, protobuf.bytes_field(9, NOISE))}


@pytest.fixture(params=BODIES)
def artifact(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "deep" / f"good{request.param}"
    write_artifact(path, BODIES[request.param], stream_spec())
    return path


def test_a_written_artifact_reads_back(artifact: Path) -> None:
    body = BODIES[artifact.suffix]
    assert read_artifact(artifact) == Artifact(artifact, spec_of(body), body)
    assert artifact.read_bytes().startswith(body)
    assert [path.name for path in artifact.parent.iterdir()] == [artifact.name]


def test_the_same_content_gives_the_same_bytes(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = artifact.with_name(f"other name{artifact.suffix}")
    monkeypatch.setattr(time, "time", lambda: 4e9)
    write_artifact(other, BODIES[artifact.suffix], stream_spec())
    assert other.read_bytes() == artifact.read_bytes()


def test_an_existing_artifact_is_replaced(artifact: Path) -> None:
    good = artifact.read_bytes()
    artifact.write_bytes(b"old")
    write_artifact(artifact, BODIES[artifact.suffix], stream_spec())
    assert artifact.read_bytes() == good


def test_a_suffix_in_capitals_is_the_same_format(artifact: Path) -> None:
    assert is_read(artifact.with_suffix(artifact.suffix.upper()), artifact.read_bytes())


def test_a_file_that_is_cut_short_anywhere_is_refused(artifact: Path) -> None:
    good, size = artifact.read_bytes(), len(BODIES[artifact.suffix])
    lengths = {*range(0, len(good), max(1, len(good) // 60)), *range(size - 3, size + 3)}
    for length in sorted(lengths | set(range(len(good) - 100, len(good)))):
        expected = "copy it again" if length else "its content is an empty file, not an artifact"
        assert expected in refused(artifact, good[:length])


def test_a_file_with_additional_bytes_is_refused(artifact: Path) -> None:
    good = artifact.read_bytes()
    for data in (good + b"\0", good + b"\n", good + b"x" * 100, b"\0" + good):
        assert "damaged" in refused(artifact, data)
    refused(artifact, good + good)  # an artifact after an artifact looks like one with a longer graph


def test_a_flipped_bit_anywhere_is_found(artifact: Path) -> None:
    good, size = artifact.read_bytes(), len(BODIES[artifact.suffix])
    random = np.random.default_rng(1)
    for at in [*range(0, size, 37), *range(size, len(good))]:
        data = bytearray(good)
        data[at] ^= 1 << int(random.integers(8))
        assert "copy it again" in refused(artifact, bytes(data)), f"byte {at}"


@pytest.mark.parametrize(
    "data",
    [b"", b"x", bytes(1000), NOISE, b"PK\x05\x06" + bytes(18), b"PK\x05\x06\x40\0" + bytes(64)],
    ids=["empty", "x", "zeros", "noise", "zip", "zip with a hash"],
)
def test_a_file_without_a_description_is_refused(artifact: Path, data: bytes) -> None:
    message = refused(artifact, data)
    assert "edgeshift convert" in message or "file, not an artifact; copy or download it again" in message


def test_a_file_over_the_limit_is_not_read(artifact: Path) -> None:
    with artifact.open("wb") as file:
        file.truncate(MAX_FILE + 1)
    with allocates_less_than(1):
        assert f"the limit for an artifact is {MAX_FILE:,}" in refused(artifact)


def test_an_artifact_with_the_suffix_of_another_format_is_refused(artifact: Path) -> None:
    other = next(suffix for suffix in BODIES if suffix != artifact.suffix)
    assert "no edgeshift description" in refused(artifact.with_suffix(other), artifact.read_bytes())
