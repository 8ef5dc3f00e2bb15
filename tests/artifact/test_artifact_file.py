"""One file that carries its description: what is written is read, and nothing else is believed."""

from __future__ import annotations

import io
import os
import struct
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from doubles import stream_spec

from edgeshift._system.files import sha256
from edgeshift.artifact.file import LABELS, MAX_FILE, SPEC, Artifact, read_artifact, require_tensors, write_artifact
from edgeshift.artifact.spec import MAX_BYTES, encode
from edgeshift.artifact.zip_trailer import HASH_LENGTH, MAX_DIRECTORY, MAX_ENTRIES
from edgeshift.errors import ArtifactError, SpecError

BODY = np.random.default_rng(0).integers(0, 256, 2000, np.uint8).tobytes()
#: Offsets of the fields of a zip's records, from its specification (APPNOTE 4.3).
CENTRAL, FLAGS, METHOD, SIZE, OFFSET = b"PK\x01\x02", 8, 10, 24, 42


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "good.tflite"
    write_artifact(path, BODY, stream_spec())
    return path.read_bytes()


def sealed(data: bytes) -> bytes:
    """The bytes with the hash at their end made right, as whoever means harm would."""
    return data[:-HASH_LENGTH] + sha256(data[:-HASH_LENGTH]).encode()


def refused(path: Path) -> str:
    """The message, after checking that it is one line that names the file."""
    with pytest.raises((ArtifactError, SpecError)) as caught:
        read_artifact(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and len(message) < 600
    return message


def survives(path: Path, data: bytes) -> bool:
    """True if the file is read, False if it is refused in one line. Anything else is an error of the test."""
    path.write_bytes(data)
    try:
        read_artifact(path)
    except (ArtifactError, SpecError) as error:
        assert "\n" not in str(error)
        return False
    return True


def packed(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, body: bytes = BODY) -> Path:
    """A file as ``write_artifact`` makes it, with any entries, and with the hash of all."""
    with path.open("wb") as file:
        file.write(body)
        with zipfile.ZipFile(file, "w", method) as archive:
            for name, data in entries.items():
                archive.writestr(name, data)
            archive.comment = b"0" * HASH_LENGTH
    path.write_bytes(sealed(path.read_bytes()))
    return path


def described(body: bytes = BODY) -> bytes:
    return encode(msgspec.structs.replace(stream_spec(), body_bytes=len(body), body_sha256=sha256(body)))


def patched(path: Path, field: int, value: bytes, record: int = 0) -> Path:
    """One field of a record of the zip's directory overwritten."""
    data = bytearray(path.read_bytes())
    at = -1
    for _ in range(record + 1):
        at = data.index(CENTRAL, at + 1)
    data[at + field : at + field + len(value)] = value
    path.write_bytes(sealed(bytes(data)))
    return path


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "deep" / "er" / "a.tflite"
    spec = write_artifact(path, BODY, stream_spec())
    assert spec == msgspec.structs.replace(stream_spec(), body_bytes=len(BODY), body_sha256=sha256(BODY))
    assert read_artifact(path) == Artifact(path, spec, BODY)
    assert [p.name for p in path.parent.iterdir()] == ["a.tflite"]


def test_the_file_starts_with_the_graph_and_is_a_zip(tmp_path, good):
    assert good.startswith(BODY)
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        assert archive.namelist() == [SPEC, LABELS]
        assert archive.testzip() is None
        assert archive.read(LABELS).decode() == "red\ngreen\nblue\nnone\n"
        assert archive.read(SPEC) == described()
    assert good[-HASH_LENGTH:].decode() == sha256(good[:-HASH_LENGTH])


def test_an_older_hash_in_the_spec_is_replaced(tmp_path):
    stale = stream_spec(body_bytes=1, body_sha256="0" * 64)
    write_artifact(tmp_path / "a.tflite", BODY, stale)
    assert read_artifact(tmp_path / "a.tflite").body == BODY


@pytest.mark.parametrize("body", [b"", b"x", BODY * 500], ids=["empty", "one byte", "a megabyte"])
def test_a_graph_of_any_size(tmp_path, body):
    write_artifact(tmp_path / "a.tflite", body, stream_spec())
    assert read_artifact(tmp_path / "a.tflite").body == body


def test_a_graph_that_ends_in_a_zip_of_its_own(tmp_path, good):
    """It must not be taken for an archive to be continued: that would cut the graph."""
    stranger = io.BytesIO()
    with zipfile.ZipFile(stranger, "w") as archive:
        archive.writestr("other.txt", "other")
    for body in (BODY + stranger.getvalue(), stranger.getvalue(), good):
        write_artifact(tmp_path / "a.tflite", body, stream_spec())
        assert read_artifact(tmp_path / "a.tflite").body == body


def test_the_same_content_gives_the_same_bytes(tmp_path, monkeypatch, good):
    monkeypatch.setattr(time, "time", lambda: 4e9)
    write_artifact(tmp_path / "other name.tflite", BODY, stream_spec())
    assert (tmp_path / "other name.tflite").read_bytes() == good


def test_an_artifact_that_is_there_is_replaced(tmp_path, good):
    path = tmp_path / "a.tflite"
    path.write_bytes(b"old")
    write_artifact(path, BODY, stream_spec())
    assert path.read_bytes() == good


# --- damage ---------------------------------------------------------------------------------------------------------


def test_cut_short_anywhere(tmp_path, good):
    path = tmp_path / "cut.tflite"
    lengths = {*range(0, len(good), max(1, len(good) // 60)), *range(len(BODY) - 3, len(BODY) + 3)}
    lengths |= set(range(len(good) - 100, len(good)))
    for length in sorted(lengths):
        path.write_bytes(good[:length])
        refused(path)


def test_longer_than_it_was(tmp_path, good):
    path = tmp_path / "long.tflite"
    for extra in (b"\0", b"\n", b"x" * 100, good):
        path.write_bytes(good + extra)
        if extra is not good:  # an artifact behind an artifact is an artifact with a longer graph: caught by its size
            assert "damaged" in refused(path)
        else:
            refused(path)
    path.write_bytes(b"\0" + good)
    assert "damaged" in refused(path)


def test_a_single_flipped_bit_anywhere(tmp_path, good):
    path = tmp_path / "flipped.tflite"
    random = np.random.default_rng(1)
    for at in [*range(0, len(BODY), 37), *range(len(BODY), len(good))]:
        data = bytearray(good)
        data[at] ^= 1 << int(random.integers(8))
        assert not survives(path, bytes(data)), f"a flipped bit of byte {at} went unnoticed"


def test_a_flipped_bit_under_a_right_hash(tmp_path, good):
    """Whoever can make the hash right can change what does not matter, but never raise anything else."""
    path = tmp_path / "flipped.tflite"
    random = np.random.default_rng(2)
    outcomes = {True: 0, False: 0}
    for at in range(len(BODY), len(good) - HASH_LENGTH):
        for bit in random.choice(8, 2, replace=False):
            data = bytearray(good)
            data[at] ^= 1 << int(bit)
            outcomes[survives(path, sealed(bytes(data)))] += 1
    assert outcomes[False] > 1000
    assert outcomes[True] > 0, "such as a date in the archive"
    for at in range(0, len(BODY), 101):
        data = bytearray(good)
        data[at] ^= 1
        assert not survives(path, sealed(bytes(data)))


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_in_the_archive_under_a_right_hash(tmp_path, good, seed):
    path = tmp_path / "noise.tflite"
    random = np.random.default_rng(seed)
    for _ in range(300):
        data = bytearray(good)
        for _ in range(int(random.integers(1, 6))):
            at = int(random.integers(len(BODY), len(good) - HASH_LENGTH))
            data[at : at + 4] = random.integers(0, 256, 4, np.uint8).tobytes()
        survives(path, sealed(bytes(data)))


def test_another_graph_before_the_same_description(tmp_path, good):
    path = tmp_path / "swapped.tflite"
    path.write_bytes(sealed(BODY[::-1] + good[len(BODY) :]))
    assert "graph does not match its hash" in refused(path)


# --- not one of ours ------------------------------------------------------------------------------------------------


def test_what_is_no_file(tmp_path):
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


def test_what_may_not_be_read(tmp_path, monkeypatch, good):
    path = tmp_path / "a.tflite"
    path.write_bytes(good)

    def deny(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", deny)
    assert refused(path).endswith("cannot be read: Permission denied")


@pytest.mark.parametrize(
    "data", [b"", b"x", bytes(1000), BODY, b"PK\x05\x06" + bytes(18)], ids=["empty", "x", "zeros", "graph", "empty zip"]
)
def test_what_carries_no_description(tmp_path, data):
    path = tmp_path / "plain.tflite"
    path.write_bytes(data)
    assert "edgeshift convert" in refused(path)


def test_a_zip_without_our_entry(tmp_path):
    message = refused(packed(tmp_path / "a.tflite", {"other.json": b"{}"}))
    assert message.endswith(f"no {SPEC} inside: not made by `edgeshift convert`")


def test_a_file_over_the_limit_is_not_read(tmp_path):
    path = tmp_path / "huge.tflite"
    with path.open("wb") as file:
        file.truncate(MAX_FILE + 1)
    tracemalloc.start()
    try:
        assert f"the limit for an artifact is {MAX_FILE:,}" in refused(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


# --- hostile archives -----------------------------------------------------------------------------------------------


def test_packed_as_write_artifact_does_is_read(tmp_path):
    """The tool of the tests below makes good files too."""
    assert read_artifact(packed(tmp_path / "a.tflite", {SPEC: described(), LABELS: b""})).body == BODY
    assert read_artifact(packed(tmp_path / "b.tflite", {SPEC: described()}, zipfile.ZIP_STORED)).body == BODY


def test_a_description_that_claims_a_huge_size(tmp_path):
    path = packed(tmp_path / "bomb.tflite", {SPEC: described()})
    for claim in (MAX_BYTES + 1, 0xFFFFFFF0):
        assert f"claims {claim:,} bytes" in refused(patched(path, SIZE, struct.pack("<I", claim)))


def test_a_description_that_unpacks_to_more_than_it_claims(tmp_path):
    path = packed(tmp_path / "bomb.tflite", {SPEC: bytes(64 << 20)})
    tracemalloc.start()
    try:
        refused(path)
        refused(patched(path, SIZE, struct.pack("<I", 100)))
        refused(patched(path, SIZE, struct.pack("<I", MAX_BYTES)))
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()


def test_other_entries_are_not_unpacked(tmp_path):
    path = packed(tmp_path / "bomb.tflite", {SPEC: described(), "bomb": bytes(64 << 20)})
    tracemalloc.start()
    try:
        assert read_artifact(path).body == BODY
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_too_many_entries(tmp_path):
    entries = {SPEC: described(), **{f"{i}": b"" for i in range(1000)}}
    message = refused(packed(tmp_path / "many.tflite", entries))
    assert f"1001 entries follow the graph; the limit is {MAX_ENTRIES}" in message
    few = {SPEC: described(), **{f"{i}": b"" for i in range(MAX_ENTRIES)}}
    assert f"{MAX_ENTRIES + 1} entries" in refused(packed(tmp_path / "few.tflite", few))
    few.popitem()
    assert read_artifact(packed(tmp_path / "few.tflite", few)).body == BODY


def test_a_directory_larger_than_it_may_be_is_not_listed(tmp_path):
    """One entry, by its own count, but with a name that goes on and on."""
    path = packed(tmp_path / "long.tflite", {SPEC: described(), "x" * MAX_DIRECTORY: b""})
    refused(path)


def test_limits_cannot_be_overruled_by_a_zip64(tmp_path):
    """A zip64 has the same numbers once more, in 64 bits, and those count: a gigabyte of entries would be listed."""
    data = packed(tmp_path / "many.tflite", {SPEC: described(), **{f"{i}": b"" for i in range(1000)}}).read_bytes()
    head, end = data[: -22 - HASH_LENGTH], bytearray(data[-22 - HASH_LENGTH :])
    (size, offset) = struct.unpack_from("<LL", end, 12)
    assert end.startswith(b"PK\x05\x06") and head[offset:].startswith(CENTRAL)
    record = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1001, 1001, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(head), 1)
    struct.pack_into("<HHLL", end, 8, 1, 1, 100, offset)
    path = tmp_path / "zip64.tflite"
    path.write_bytes(sealed(head + record + locator + bytes(end)))
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == 1001, "Python believes the larger numbers"
    assert "zip64" in refused(path)


def test_an_encrypted_description(tmp_path):
    path = packed(tmp_path / "secret.tflite", {SPEC: described()})
    assert "damaged" in refused(patched(path, FLAGS, b"\x01"))


@pytest.mark.parametrize("method", [1, 6, 9, 12, 14, 93, 95, 99, 0xFFFF])
def test_a_packing_that_is_never_used(tmp_path, method):
    path = packed(tmp_path / "odd.tflite", {SPEC: described()})
    assert "never uses" in refused(patched(path, METHOD, struct.pack("<H", method)))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
def test_an_honest_packing_that_is_never_used(tmp_path, method):
    """LZMA takes the size of its dictionary from the file: up to 4 GiB before the first byte comes out."""
    assert "never uses" in refused(packed(tmp_path / "odd.tflite", {SPEC: described()}, method))


def test_a_damaged_stream(tmp_path):
    path = packed(tmp_path / "a.tflite", {SPEC: described()})
    data = bytearray(path.read_bytes())
    start = data.index(SPEC.encode()) + len(SPEC)
    for at in range(start, start + 60):
        broken = bytearray(data)
        broken[at] ^= 0xFF
        path.write_bytes(sealed(bytes(broken)))
        refused(path)


def test_offsets_that_point_elsewhere(tmp_path):
    path = packed(tmp_path / "a.tflite", {SPEC: described(), LABELS: b"x"})
    good = path.read_bytes()
    for offset in (0, 1, len(BODY) - 1, len(BODY) + 1, len(good), 0x7FFFFFFF, 0xFFFFFFFF):
        path.write_bytes(good)
        refused(patched(path, OFFSET, struct.pack("<I", offset)))
        # The labels are for people and never read; but they too must lie behind the graph.
        path.write_bytes(good)
        patched(path, OFFSET, struct.pack("<I", offset), record=1)
        assert survives(path, path.read_bytes()) == (offset > len(BODY))


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
def test_a_hostile_description(tmp_path, data, words):
    assert words in refused(packed(tmp_path / "a.tflite", {SPEC: data}))


@pytest.mark.parametrize("body_bytes", [0, 1, len(BODY) - 1, len(BODY) + 1, 1 << 31])
def test_a_description_of_a_graph_of_another_size(tmp_path, body_bytes):
    spec = stream_spec(body_bytes=body_bytes, body_sha256=sha256(BODY))
    message = refused(packed(tmp_path / "a.tflite", {SPEC: encode(spec)}))
    assert f"the graph is {len(BODY):,} bytes, but its description says {body_bytes:,}" in message


def test_a_description_without_a_hash(tmp_path):
    assert "damaged" in refused(packed(tmp_path / "a.tflite", {SPEC: encode(stream_spec(body_bytes=len(BODY)))}))


# --- the graph's own tensors ----------------------------------------------------------------------------------------

FITTING = (
    {"frame": ((1, 64, 64, 3), "float32"), "state_level": ((1, 1, 1, 3), "float32")},
    {"logits": ((1, 4), "float32"), "state_level": ((1, 1, 1, 3), "float32")},
)


def fits(inputs: object, outputs: object) -> None:
    require_tensors(Artifact(Path("a.tflite"), stream_spec(), b""), inputs, outputs)  # type: ignore[arg-type]


def test_a_graph_that_is_as_described():
    fits(*FITTING)


@pytest.mark.parametrize(
    ("side", "change", "words"),
    [
        (
            0,
            {"frame": ((1, 64, 64, 3), "int8")},
            "input 'frame' of the graph is ((1, 64, 64, 3), 'int8'), but the description says",
        ),
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
def test_a_graph_that_is_not_as_described(side, change, words):
    given = [dict(part) for part in FITTING]
    given[side].update(change)
    given[side] = {name: value for name, value in given[side].items() if value is not None}
    with pytest.raises(ArtifactError) as caught:
        fits(*given)
    assert words in str(caught.value) and "\n" not in str(caught.value)


# --- writing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), zlib.error("odd")])
@pytest.mark.parametrize("before", [None, b"an older one"], ids=["new", "replacing"])
def test_writing_leaves_nothing_behind_when_it_fails(tmp_path, monkeypatch, error, before):
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


def test_no_place_to_write(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file" / "a.tflite", tmp_path, tmp_path / ("x" * 300 + ".tflite")):
        with pytest.raises(ArtifactError, match="cannot be written") as caught:
            write_artifact(path, BODY, stream_spec())
        assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_description_that_could_not_be_read_again_is_not_written(tmp_path, number):
    """JSON has no such number: it would come back as null."""
    spec = stream_spec(frame_spacing=number, check=None)
    broken = msgspec.structs.replace(spec, output=msgspec.structs.replace(spec.output, scale=number))
    with pytest.raises(SpecError, match="scale"):
        write_artifact(tmp_path / "a.tflite", BODY, broken)
    assert list(tmp_path.iterdir()) == []
