"""Artifacts with a zip archive after the graph: hostile archives, the check of a graph's tensors, and writing."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from artifact_checks import allocates_less_than, description_of, is_read, refused
from doubles import stream_spec

from edgeshift._system.files import HASH_LENGTH, sha256
from edgeshift.artifact.file import LABELS, SPEC, Artifact, read_artifact, require_tensors, write_artifact
from edgeshift.artifact.spec import MAX_BYTES, encode
from edgeshift.artifact.zip_trailer import MAX_DIRECTORY, MAX_ENTRIES
from edgeshift.errors import ArtifactError, SpecError

BODY = np.random.default_rng(0).integers(0, 256, 2000, np.uint8).tobytes()
#: Signature of a record in an archive's list of entries, and offsets of its fields (APPNOTE 4.3, zip's specification).
CENTRAL, FLAGS, METHOD, PACKED_SIZE, SIZE, OFFSET = b"PK\x01\x02", 8, 10, 20, 24, 42


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "good.tflite"
    write_artifact(path, BODY, stream_spec())
    return path.read_bytes()


def sealed(data: bytes) -> bytes:
    """Replace the hash at the end by the correct one, as an attacker would do."""
    return data[:-HASH_LENGTH] + sha256(data[:-HASH_LENGTH]).encode()


def packed(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, body: bytes = BODY) -> Path:
    """Write a file as ``write_artifact`` does, but with any entries and compression. Its hash is correct."""
    with path.open("wb") as file:
        file.write(body)
        with zipfile.ZipFile(file, "w", method) as archive:
            for name, data in entries.items():
                archive.writestr(name, data)
            archive.comment = b"0" * HASH_LENGTH
    path.write_bytes(sealed(path.read_bytes()))
    return path


def patched(path: Path, field: int, value: bytes, record: int = 0) -> Path:
    """Overwrite a field of one record in the archive's list of entries, and correct the hash."""
    data = bytearray(path.read_bytes())
    at = -1
    for _ in range(record + 1):
        at = data.index(CENTRAL, at + 1)
    data[at + field : at + field + len(value)] = value
    path.write_bytes(sealed(bytes(data)))
    return path


def test_the_file_starts_with_the_graph_and_is_a_zip_archive(tmp_path, good):
    assert good.startswith(BODY)
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        assert archive.namelist() == [SPEC, LABELS]
        assert archive.testzip() is None
        assert archive.read(LABELS).decode() == "red\ngreen\nblue\nnone\n"
        assert archive.read(SPEC) == description_of(BODY)
    assert good[-HASH_LENGTH:].decode() == sha256(good[:-HASH_LENGTH])


def test_an_older_hash_in_the_description_is_replaced(tmp_path):
    stale = stream_spec(body_bytes=1, body_sha256="0" * 64)
    write_artifact(tmp_path / "a.tflite", BODY, stale)
    assert read_artifact(tmp_path / "a.tflite").body == BODY


@pytest.mark.parametrize("body", [b"", b"x", BODY * 500], ids=["empty", "one byte", "a megabyte"])
def test_graphs_of_any_size_read_back(tmp_path, body):
    write_artifact(tmp_path / "a.tflite", body, stream_spec())
    assert read_artifact(tmp_path / "a.tflite").body == body


def test_a_graph_that_ends_in_a_zip_archive_reads_back(tmp_path, good):
    """The description must not be appended to the archive in the graph, because that archive is part of the graph."""
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("other.txt", "other")
    for body in (BODY + other.getvalue(), other.getvalue(), good):
        write_artifact(tmp_path / "a.tflite", body, stream_spec())
        assert read_artifact(tmp_path / "a.tflite").body == body


# --- damage ---------------------------------------------------------------------------------------------------------


def test_a_flipped_bit_with_a_correct_hash_is_read_or_refused(tmp_path, good):
    """If an attacker corrects the hash, the change has no effect or the file is refused, but there is no crash."""
    path = tmp_path / "flipped.tflite"
    random = np.random.default_rng(2)
    outcomes = {True: 0, False: 0}
    for at in range(len(BODY), len(good) - HASH_LENGTH):
        for bit in random.choice(8, 2, replace=False):
            data = bytearray(good)
            data[at] ^= 1 << int(bit)
            outcomes[is_read(path, sealed(bytes(data)))] += 1
    assert outcomes[False] > 1000
    assert outcomes[True] > 0, "some bits have no effect, such as those of a date in the archive"
    for at in range(0, len(BODY), 101):
        data = bytearray(good)
        data[at] ^= 1
        assert not is_read(path, sealed(bytes(data)))


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_in_the_archive_with_a_correct_hash_are_read_or_refused(tmp_path, good, seed):
    path = tmp_path / "noise.tflite"
    random = np.random.default_rng(seed)
    for _ in range(300):
        data = bytearray(good)
        for _ in range(int(random.integers(1, 6))):
            at = int(random.integers(len(BODY), len(good) - HASH_LENGTH))
            data[at : at + 4] = random.integers(0, 256, 4, np.uint8).tobytes()
        is_read(path, sealed(bytes(data)))


def test_another_graph_with_the_same_description_is_refused(tmp_path, good):
    path = tmp_path / "swapped.tflite"
    path.write_bytes(sealed(BODY[::-1] + good[len(BODY) :]))
    assert "does not match its hash" in refused(path)


# --- files without a description ------------------------------------------------------------------------------------


def test_paths_without_a_file_are_refused(tmp_path):
    assert "no such file" in refused(tmp_path / "missing.tflite")
    assert "no such file" in refused(tmp_path / "missing" / "a.tflite")
    assert "not a file" in refused(tmp_path)
    os.mkfifo(tmp_path / "pipe.tflite")
    assert "not a file" in refused(tmp_path / "pipe.tflite")
    (tmp_path / "loop.tflite").symlink_to(tmp_path / "loop.tflite")
    refused(tmp_path / "loop.tflite")
    (tmp_path / "plain.tflite").write_bytes(b"")
    refused(tmp_path / "plain.tflite" / "below.tflite")
    refused(tmp_path / ("x" * 300))


def test_a_file_without_read_permission_is_refused(tmp_path, monkeypatch, good):
    path = tmp_path / "a.tflite"
    path.write_bytes(good)

    def deny(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", deny)
    assert refused(path).endswith("cannot be read: Permission denied")


def test_an_archive_without_a_description_is_refused(tmp_path):
    message = refused(packed(tmp_path / "a.tflite", {"other.json": b"{}"}))
    assert message.endswith(f"not made by `edgeshift convert`: it has no {SPEC}; convert the model again")


# --- hostile archives -----------------------------------------------------------------------------------------------


def test_the_helper_of_these_tests_makes_valid_files(tmp_path):
    """This shows that the helper does not cause the refusals below."""
    assert read_artifact(packed(tmp_path / "a.tflite", {SPEC: description_of(BODY), LABELS: b""})).body == BODY
    assert read_artifact(packed(tmp_path / "b.tflite", {SPEC: description_of(BODY)}, zipfile.ZIP_STORED)).body == BODY


def test_a_description_with_a_huge_stated_size_is_refused(tmp_path):
    path = packed(tmp_path / "bomb.tflite", {SPEC: description_of(BODY)})
    for claim in (MAX_BYTES + 1, 0xFFFFFFF0):
        assert f"its description is {claim:,} bytes" in refused(patched(path, SIZE, struct.pack("<I", claim)))


def test_a_description_that_is_larger_than_stated_is_refused(tmp_path):
    path = packed(tmp_path / "bomb.tflite", {SPEC: bytes(64 << 20)})
    with allocates_less_than(24):
        refused(path)
        refused(patched(path, SIZE, struct.pack("<I", 100)))
        refused(patched(path, SIZE, struct.pack("<I", MAX_BYTES)))


def test_other_entries_are_not_decompressed(tmp_path):
    path = packed(tmp_path / "bomb.tflite", {SPEC: description_of(BODY), "bomb": bytes(64 << 20)})
    with allocates_less_than(4):
        assert read_artifact(path).body == BODY


def test_more_entries_than_the_limit_are_refused(tmp_path):
    entries = {SPEC: description_of(BODY), **{f"{i}": b"" for i in range(1000)}}
    message = refused(packed(tmp_path / "many.tflite", entries))
    assert f"1001 entries follow the graph; the limit is {MAX_ENTRIES}" in message
    few = {SPEC: description_of(BODY), **{f"{i}": b"" for i in range(MAX_ENTRIES)}}
    assert f"{MAX_ENTRIES + 1} entries" in refused(packed(tmp_path / "few.tflite", few))
    few.popitem()
    assert read_artifact(packed(tmp_path / "few.tflite", few)).body == BODY


def test_a_list_of_entries_over_the_limit_is_refused(tmp_path):
    """Two entries are enough if one has a very long name."""
    path = packed(tmp_path / "long.tflite", {SPEC: description_of(BODY), "x" * MAX_DIRECTORY: b""})
    assert f"the limit is {MAX_DIRECTORY:,}" in refused(path)


def test_a_zip64_archive_is_refused(tmp_path):
    """zip64 repeats the number of entries as a 64-bit number. Python uses that one, which may be in the millions."""
    entries = {SPEC: description_of(BODY), **{f"{i}": b"" for i in range(1000)}}
    data = packed(tmp_path / "many.tflite", entries).read_bytes()
    head, end = data[: -22 - HASH_LENGTH], bytearray(data[-22 - HASH_LENGTH :])
    (size, offset) = struct.unpack_from("<LL", end, 12)
    assert end.startswith(b"PK\x05\x06") and head[offset:].startswith(CENTRAL)
    record = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1001, 1001, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(head), 1)
    struct.pack_into("<HHLL", end, 8, 1, 1, 100, offset)
    path = tmp_path / "zip64.tflite"
    path.write_bytes(sealed(head + record + locator + bytes(end)))
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == 1001, "Python uses the larger numbers"
    assert "zip64" in refused(path)


def test_a_description_that_overlaps_with_the_next_entry_is_refused(tmp_path):
    path = packed(tmp_path / "a.tflite", {SPEC: description_of(BODY), LABELS: b"red"})
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo(SPEC).compress_size
    read_artifact(patched(path, PACKED_SIZE, struct.pack("<L", size)))
    assert "overlaps with another part" in refused(patched(path, PACKED_SIZE, struct.pack("<L", size + 1)))


def test_an_encrypted_description_is_refused(tmp_path):
    path = packed(tmp_path / "secret.tflite", {SPEC: description_of(BODY)})
    assert "cannot be unpacked" in refused(patched(path, FLAGS, b"\x01"))


@pytest.mark.parametrize("method", [1, 6, 9, 12, 14, 93, 95, 99, 0xFFFF])
def test_an_unknown_compression_method_is_refused(tmp_path, method):
    path = packed(tmp_path / "odd.tflite", {SPEC: description_of(BODY)})
    assert "never uses" in refused(patched(path, METHOD, struct.pack("<H", method)))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
def test_another_compression_method_is_refused(tmp_path, method):
    """LZMA allocates a dictionary whose size is in the file, up to 4 GiB, before it returns the first byte."""
    assert "never uses" in refused(packed(tmp_path / "odd.tflite", {SPEC: description_of(BODY)}, method))


def test_damaged_compressed_data_is_refused(tmp_path):
    path = packed(tmp_path / "a.tflite", {SPEC: description_of(BODY)})
    data = bytearray(path.read_bytes())
    start = data.index(SPEC.encode()) + len(SPEC)
    for at in range(start, start + 60):
        broken = bytearray(data)
        broken[at] ^= 0xFF
        path.write_bytes(sealed(bytes(broken)))
        refused(path)


def test_wrong_offsets_of_entries_are_refused(tmp_path):
    path = packed(tmp_path / "a.tflite", {SPEC: description_of(BODY), LABELS: b"x"})
    good = path.read_bytes()
    for offset in (0, 1, len(BODY) - 1, len(BODY) + 1, len(good), 0x7FFFFFFF, 0xFFFFFFFF):
        path.write_bytes(good)
        refused(patched(path, OFFSET, struct.pack("<I", offset)))
        # The labels are never read, but they must be after the graph as well.
        path.write_bytes(good)
        patched(path, OFFSET, struct.pack("<I", offset), record=1)
        # With an offset of len(BODY) + 1 they overlap the description, which newer versions of zipfile refuse.
        if offset != len(BODY) + 1:
            assert is_read(path, path.read_bytes()) == (offset > len(BODY))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is not valid"),
        (b'{"version":1,"x":' + b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe", "is not valid"),
        (b'{"version": 99}', "update edgeshift"),
    ],
    ids=["empty", "nested", "bytes", "version"],
)
def test_an_invalid_description_is_refused(tmp_path, data, words):
    assert words in refused(packed(tmp_path / "a.tflite", {SPEC: data}))


@pytest.mark.parametrize("body_bytes", [0, 1, len(BODY) - 1, len(BODY) + 1, 1 << 31])
def test_a_description_with_another_size_of_the_graph_is_refused(tmp_path, body_bytes):
    spec = stream_spec(body_bytes=body_bytes, body_sha256=sha256(BODY))
    message = refused(packed(tmp_path / "a.tflite", {SPEC: encode(spec)}))
    assert f"the graph ({len(BODY):,} bytes) does not match its hash or size ({body_bytes:,} bytes)" in message


def test_a_description_without_a_hash_is_refused(tmp_path):
    spec = stream_spec(body_bytes=len(BODY))
    assert "does not match its hash" in refused(packed(tmp_path / "a.tflite", {SPEC: encode(spec)}))


# --- tensors of the graph -------------------------------------------------------------------------------------------

DESCRIBED = (
    {"frame": ((1, 64, 64, 3), "float32"), "state_level": ((1, 1, 1, 3), "float32")},
    {"logits": ((1, 4), "float32"), "state_level": ((1, 1, 1, 3), "float32")},
)


def check_tensors(inputs: object, outputs: object) -> None:
    require_tensors(Artifact(Path("a.tflite"), stream_spec(), b""), inputs, outputs)  # type: ignore[arg-type]


def test_a_graph_with_the_described_tensors_is_accepted():
    check_tensors(*DESCRIBED)


@pytest.mark.parametrize(
    ("side", "change", "words"),
    [
        (0, {"frame": ((1, 64, 64, 3), "int8")}, "input 'frame' of the graph is ((1, 64, 64, 3), 'int8'), but"),
        (0, {"frame": ((1, 3, 64, 64), "float32")}, "input 'frame'"),
        (0, {"state_level": ((1, 1, 1, 4), "float32")}, "input 'state_level'"),
        (1, {"state_level": ((1, 1, 1, 4), "float32")}, "output 'state_level'"),
        (1, {"logits": ((1, 5), "float32")}, "output 'logits'"),
        (0, {"state_level": None}, "input 'state_level' of the graph is missing"),
        (1, {"state_level": None}, "output 'state_level' of the graph is missing"),
        (1, {"logits": None}, "output 'logits' of the graph is missing"),
        (0, {"state_more": ((1,), "float32")}, "but the description says nothing"),
        (1, {"state_more": ((1,), "float32")}, "but the description says nothing"),
    ],
)
def test_a_graph_with_other_tensors_is_refused(side, change, words):
    given = [dict(part) for part in DESCRIBED]
    given[side].update(change)
    given[side] = {name: value for name, value in given[side].items() if value is not None}
    with pytest.raises(ArtifactError) as caught:
        check_tensors(*given)
    assert words in str(caught.value) and "\n" not in str(caught.value)


# --- writing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), zlib.error("odd")])
@pytest.mark.parametrize("before", [None, b"an older one"], ids=["new", "replacing"])
def test_a_failure_while_writing_leaves_the_folder_as_it_was(tmp_path, monkeypatch, error, before):
    path = tmp_path / "a.tflite"
    if before is not None:
        path.write_bytes(before)

    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    with pytest.raises(ArtifactError if isinstance(error, OSError) else type(error)) as caught:
        write_artifact(path, BODY, stream_spec())
    if isinstance(error, OSError):
        assert str(caught.value) == f"{path}: cannot be written: No space left on device"
    assert [p.name for p in tmp_path.iterdir()] == ([] if before is None else ["a.tflite"])
    assert before is None or path.read_bytes() == before


def test_a_path_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file" / "a.tflite", tmp_path, tmp_path / ("x" * 300 + ".tflite")):
        with pytest.raises(ArtifactError, match="cannot be written") as caught:
            write_artifact(path, BODY, stream_spec())
        assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_description_that_could_not_be_read_again_is_not_written(tmp_path, number):
    """JSON has no NaN or infinity. They would be written as null, which is refused when the file is read."""
    spec = stream_spec(frame_spacing=number, check=None)
    broken = msgspec.structs.replace(spec, output=msgspec.structs.replace(spec.output, scale=number))
    with pytest.raises(SpecError, match="scale"):
        write_artifact(tmp_path / "a.tflite", BODY, broken)
    assert list(tmp_path.iterdir()) == []
