"""Artifacts in ONNX: an ordinary model to everybody else, and nothing is believed before it is checked."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import msgspec
import numpy as np
import pytest
from doubles import stream_spec

from edgeshift._system.files import sha256
from edgeshift.artifact import onnx_file, protobuf
from edgeshift.artifact.file import LABELS, MAX_FILE, SPEC, Artifact, read_artifact, write_artifact
from edgeshift.artifact.metadata_trailer import HASH_KEY, HASH_LENGTH, MAX_FIELDS
from edgeshift.artifact.spec import MAX_BYTES, encode
from edgeshift.errors import ArtifactError, EdgeshiftError, SpecError


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def field(number: int, content: bytes) -> bytes:
    """A protobuf field of bytes, written out once more."""
    return varint(number * 8 + 2) + varint(len(content)) + content


def entry(key: str, value: bytes) -> bytes:
    return field(14, field(1, key.encode()) + field(2, value))


#: A model as far as it matters here: ir_version, a graph with a tensor of noise in it, opset_import.
NOISE = np.random.default_rng(0).integers(0, 256, 3000, np.uint8).tobytes()
GRAPH = field(5, field(9, NOISE))
BODY = b"\x08\x08" + field(7, GRAPH) + field(8, b"\x10\x11")
#: Another one of the same size.
OTHER = b"\x08\x08" + field(7, field(5, field(9, NOISE[::-1]))) + field(8, b"\x10\x11")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "good.onnx"
    write_artifact(path, BODY, stream_spec())
    return path.read_bytes()


def sealed(data: bytes) -> bytes:
    """The bytes with a right hash behind them, as whoever means harm would."""
    data += entry(HASH_KEY, b"0" * HASH_LENGTH)[:-HASH_LENGTH]
    return data + sha256(data).encode()


def described(body: bytes = BODY) -> bytes:
    return encode(msgspec.structs.replace(stream_spec(), body_bytes=len(body), body_sha256=sha256(body)))


def refused(path: Path, data: bytes) -> str:
    """The message, after checking that it is one line that names the file, with status 2."""
    path.write_bytes(data)
    with pytest.raises((ArtifactError, SpecError)) as caught:
        read_artifact(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and len(message) < 600
    assert caught.value.status == 2
    return message


def survives(path: Path, data: bytes) -> bool:
    path.write_bytes(data)
    try:
        read_artifact(path)
    except EdgeshiftError as error:
        assert "\n" not in str(error)
        return False
    return True


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "deep" / "a.onnx"
    spec = write_artifact(path, BODY, stream_spec())
    assert spec == msgspec.structs.replace(stream_spec(), body_bytes=len(BODY), body_sha256=sha256(BODY))
    assert read_artifact(path) == Artifact(path, spec, BODY)
    assert [p.name for p in path.parent.iterdir()] == ["a.onnx"]


def test_the_layout_is_the_documented_one(good):
    assert good == sealed(BODY + entry(SPEC, described()) + entry(LABELS, b"red\ngreen\nblue\nnone\n"))


def test_everybody_else_reads_a_model_with_metadata(tmp_path):
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [out])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    path = tmp_path / "a.onnx"
    write_artifact(path, model.SerializeToString(), stream_spec())
    read = onnx.load(str(path))
    onnx.checker.check_model(read, full_check=True)
    metadata = {prop.key: prop.value for prop in read.metadata_props}
    assert list(metadata) == [SPEC, LABELS, HASH_KEY]
    assert metadata[SPEC].encode() == encode(read_artifact(path).spec)
    assert metadata[HASH_KEY] == sha256(path.read_bytes()[:-HASH_LENGTH])
    assert read.graph == model.graph

    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == metadata


def test_a_zip_behind_it_would_not_be_read_by_others(tmp_path, good):
    """Why this kind of file has an envelope of its own."""
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "a.tflite"
    write_artifact(path, BODY, stream_spec())
    assert path.read_bytes().startswith(BODY)
    model = onnx.ModelProto()
    with pytest.raises(Exception, match=r"pars|Pars"):
        model.ParseFromString(path.read_bytes())


def test_the_same_content_gives_the_same_bytes(tmp_path, good):
    write_artifact(tmp_path / "other.onnx", BODY, stream_spec())
    assert (tmp_path / "other.onnx").read_bytes() == good


def test_suffixes_in_capitals_are_the_same(tmp_path, good):
    assert survives(tmp_path / "A.ONNX", good)


# --- damage ---------------------------------------------------------------------------------------------------------


def test_cut_short_anywhere(tmp_path, good):
    lengths = {*range(0, len(good), max(1, len(good) // 60)), *range(len(BODY) - 3, len(BODY) + 3)}
    for length in sorted(lengths | set(range(len(good) - 80, len(good)))):
        refused(tmp_path / "cut.onnx", good[:length])


def test_a_single_flipped_bit_anywhere(tmp_path, good):
    random = np.random.default_rng(1)
    for at in [*range(0, len(BODY), 37), *range(len(BODY), len(good))]:
        data = bytearray(good)
        data[at] ^= 1 << int(random.integers(8))
        assert not survives(tmp_path / "flipped.onnx", bytes(data)), f"byte {at}"


def test_longer_than_it_was(tmp_path, good):
    for data in (good + b"\0", good + b"\n", good + good, b"\0" + good):
        refused(tmp_path / "long.onnx", data)


def test_another_artifact_renamed(tmp_path, good):
    write_artifact(tmp_path / "a.tflite", BODY, stream_spec())
    assert "no edgeshift description" in refused(tmp_path / "a.onnx", (tmp_path / "a.tflite").read_bytes())
    assert "no edgeshift description" in refused(tmp_path / "b.tflite", good)


@pytest.mark.parametrize("data", [b"", b"x", bytes(1000), BODY], ids=["empty", "x", "zeros", "model"])
def test_what_carries_no_description(tmp_path, data):
    assert "edgeshift convert" in refused(tmp_path / "plain.onnx", data)


def test_a_file_over_the_limit_is_not_read(tmp_path):
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(MAX_FILE + 1)
    tracemalloc.start()
    try:
        with pytest.raises(ArtifactError, match="limit for an artifact"):
            read_artifact(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


# --- under a right hash ---------------------------------------------------------------------------------------------


def test_the_tool_of_these_tests_makes_good_files(tmp_path):
    assert survives(tmp_path / "a.onnx", sealed(BODY + entry(SPEC, described())))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (BODY, "no edgeshift/spec.json inside"),
        (BODY + entry("other", b"{}"), "no edgeshift/spec.json inside"),
        (BODY + entry(SPEC, described()) * 2, "two descriptions"),
        (BODY + entry(SPEC, described()) + field(7, GRAPH), "data follows its description"),
        (BODY + entry(SPEC, described()) + b"\x08\x09", "data follows its description"),
        (BODY + entry(SPEC, b""), "is not valid"),
        (BODY + field(14, field(1, SPEC.encode())), "is not valid"),
        (BODY + entry(SPEC, b'{"version":1,"x":' + b"[" * 100_000), "nested too deeply"),
        (BODY + entry(SPEC, b'{"version": 99}'), "update edgeshift"),
        (BODY + entry(SPEC, b" " * (MAX_BYTES + 1)), f"claims {MAX_BYTES + 1:,} bytes"),
        (OTHER + entry(SPEC, described()), "does not match its hash"),
        (b"\x08\x08" + BODY + entry(SPEC, described()), "its description says"),
        (BODY + field(14, b"\x0a\x02\xff\xfe") + entry(SPEC, described()), "not an ONNX model"),
        (b"\x0b" + BODY + entry(SPEC, described()), "not an ONNX model: a field with wire type 3"),
        (b"\x00\x00" + BODY + entry(SPEC, described()), "a field without a number"),
        (b"\x08" + b"\xff" * 11 + BODY + entry(SPEC, described()), "more than 64 bits"),
        (field(7, GRAPH)[:40] + entry(SPEC, described(b""))[:3], "not an ONNX model"),
        (b"\x08\x01" * MAX_FIELDS + entry(SPEC, described()), f"more than {MAX_FIELDS} fields"),
        (BODY + entry(SPEC, encode(stream_spec(body_bytes=len(BODY)))), "damaged"),
    ],
)
def test_hostile_files(tmp_path, data, words):
    assert words in refused(tmp_path / "hostile.onnx", sealed(data))


#: A tensor in another file, as onnx.proto has it: external_data, or data_location 1.
OUTSIDE = {"external_data": field(13, field(1, b"location") + field(2, b"/etc/passwd")), "data_location": b"\x70\x01"}
#: Each place of a model where a tensor can be.
PLACES = {
    "initializer": lambda tensor: field(7, field(5, tensor)),
    "sparse": lambda tensor: field(7, field(15, field(1, tensor))),
    "constant": lambda tensor: field(7, field(1, field(5, field(5, tensor)))),
    "list": lambda tensor: field(7, field(1, field(5, field(10, tensor)))),
    "branch": lambda tensor: field(7, field(1, field(5, field(6, field(5, tensor))))),
    "function": lambda tensor: field(25, field(7, field(5, field(5, tensor)))),
    "training": lambda tensor: field(20, field(1, field(5, tensor))),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("outside", OUTSIDE.values(), ids=OUTSIDE)
def test_weights_in_another_file_are_refused(tmp_path, place, outside):
    """A runtime would open whatever file the model names."""
    for tensor, fine in ((field(9, b"four"), True), (b"\x70\x00" + field(9, b"four"), True), (outside, False)):
        body = BODY + place(tensor)
        data = sealed(body + entry(SPEC, described(body)))
        if fine:
            assert survives(tmp_path / "a.onnx", data)
        else:
            assert "its weights are in another file" in refused(tmp_path / "a.onnx", data)


def test_nesting_without_end(tmp_path):
    deep = b""
    for _ in range(40):
        deep = field(1, field(5, field(6, deep)))
    body = BODY + field(7, deep)
    assert "nested more than" in refused(tmp_path / "a.onnx", sealed(body + entry(SPEC, described(body))))


def test_too_many_fields_inside(tmp_path):
    body = BODY + field(7, b"\x08\x01" * (onnx_file.MAX_ALL_FIELDS + 1))
    assert "more than" in refused(tmp_path / "a.onnx", sealed(body + entry(SPEC, described(body))))


def test_a_field_that_claims_gigabytes_allocates_nothing(tmp_path):
    claim = bytes([7 * 8 + 2]) + b"\xff\xff\xff\xff\x7f"
    tracemalloc.start()
    try:
        assert "ends after its message" in refused(tmp_path / "a.onnx", sealed(claim + BODY))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_random_bytes_in_the_metadata(tmp_path, good):
    """Whoever can make the hash right can change what does not matter, but never raise anything else."""
    random = np.random.default_rng(3)
    end = len(good) - len(entry(HASH_KEY, b"0" * HASH_LENGTH))
    outcomes = {True: 0, False: 0}
    for _ in range(600):
        data = bytearray(good[:end])
        at = int(random.integers(len(BODY), end))
        data[at : at + 2] = random.integers(0, 256, 2, np.uint8).tobytes()
        outcomes[survives(tmp_path / "noise.onnx", sealed(bytes(data[:end])))] += 1
    assert outcomes[False] > 300


def test_number_zero_to_huge_is_written_as_protobuf_does():
    for value, wanted in (
        (0, b"\0"),
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (300, b"\xac\x02"),
        (1 << 21, b"\x80\x80\x80\x01"),
    ):
        assert protobuf.write_varint(value) == wanted
        assert protobuf.read_varint(wanted, 0, len(wanted)) == (value, len(wanted))
