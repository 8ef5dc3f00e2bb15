"""ONNX artifacts: other programs read them as ordinary models, and hostile files are refused."""

from __future__ import annotations

import numpy as np
import pytest
from artifact_checks import allocates_less_than, description_of, is_read, refused
from doubles import stream_spec

from edgeshift._system.files import HASH_LENGTH, sha256
from edgeshift.artifact import onnx_file, protobuf
from edgeshift.artifact.file import LABELS, SPEC, read_artifact, write_artifact
from edgeshift.artifact.metadata_trailer import HASH_KEY, MAX_FIELDS
from edgeshift.artifact.spec import MAX_BYTES, encode


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def field(number: int, content: bytes) -> bytes:
    """Return a protobuf field of bytes, encoded without edgeshift's own code."""
    return varint(number * 8 + 2) + varint(len(content)) + content


def entry(key: str, value: bytes) -> bytes:  # a metadata property of ModelProto
    return field(14, field(1, key.encode()) + field(2, value))


#: A small model: ir_version, a graph with a tensor of noise, opset_import.
NOISE = np.random.default_rng(0).integers(0, 256, 3000, np.uint8).tobytes()
GRAPH = field(5, field(9, NOISE))
BODY = b"\x08\x08" + field(7, GRAPH) + field(8, b"\x10\x11")
#: Another model of the same size.
OTHER = b"\x08\x08" + field(7, field(5, field(9, NOISE[::-1]))) + field(8, b"\x10\x11")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "good.onnx"
    write_artifact(path, BODY, stream_spec())
    return path.read_bytes()


def sealed(data: bytes) -> bytes:
    """Append the correct hash, as an attacker would do."""
    data += entry(HASH_KEY, b"0" * HASH_LENGTH)[:-HASH_LENGTH]
    return data + sha256(data).encode()


def test_the_file_has_the_documented_layout(good):
    assert good == sealed(BODY + entry(SPEC, description_of(BODY)) + entry(LABELS, b"red\ngreen\nblue\nnone\n"))


def test_onnx_and_onnxruntime_read_the_description_as_metadata(tmp_path):
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


def test_onnx_cannot_read_a_model_with_a_zip_archive_after_it(tmp_path, good):
    """For this reason, ONNX artifacts have their description in metadata instead of a zip archive."""
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "a.tflite"
    write_artifact(path, BODY, stream_spec())
    assert path.read_bytes().startswith(BODY)
    model = onnx.ModelProto()
    with pytest.raises(Exception, match=r"pars|Pars"):
        model.ParseFromString(path.read_bytes())


# --- hostile files with a correct hash ------------------------------------------------------------------------------


def test_the_helper_of_these_tests_makes_valid_files(tmp_path):
    assert is_read(tmp_path / "a.onnx", sealed(BODY + entry(SPEC, description_of(BODY))))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (BODY, "it has no edgeshift/spec.json"),
        (BODY + entry("other", b"{}"), "it has no edgeshift/spec.json"),
        (BODY + entry(SPEC, description_of(BODY)) * 2, "two descriptions"),
        (BODY + entry(SPEC, description_of(BODY)) + field(7, GRAPH), "data follows its description"),
        (BODY + entry(SPEC, description_of(BODY)) + b"\x08\x09", "data follows its description"),
        (BODY + entry(SPEC, b""), "is not valid"),
        (BODY + field(14, field(1, SPEC.encode())), "is not valid"),
        (BODY + entry(SPEC, b'{"version":1,"x":' + b"[" * 100_000), "nested too deeply"),
        (BODY + entry(SPEC, b'{"version": 99}'), "update edgeshift"),
        (BODY + entry(SPEC, b" " * (MAX_BYTES + 1)), f"its description is {MAX_BYTES + 1:,} bytes"),
        (OTHER + entry(SPEC, description_of(BODY)), "does not match its hash"),
        (b"\x08\x08" + BODY + entry(SPEC, description_of(BODY)), "does not match its hash or size"),
        (BODY + field(14, b"\x0a\x02\xff\xfe") + entry(SPEC, description_of(BODY)), "can't decode byte 0xff"),
        (
            b"\x0b" + BODY + entry(SPEC, description_of(BODY)),
            "not made by `edgeshift convert`: it has a protobuf field with wire type 3",
        ),
        (b"\x00\x00" + BODY + entry(SPEC, description_of(BODY)), "a protobuf field without a number"),
        (b"\x08" + b"\xff" * 11 + BODY + entry(SPEC, description_of(BODY)), "more than 64 bits"),
        (field(7, GRAPH)[:40] + entry(SPEC, description_of(b""))[:3], "a protobuf field"),
        (b"\x08\x01" * MAX_FIELDS + entry(SPEC, description_of(BODY)), f"more than {MAX_FIELDS} protobuf fields"),
        (BODY + entry(SPEC, encode(stream_spec(body_bytes=len(BODY)))), "does not match its hash"),
    ],
)
def test_hostile_files_are_refused(tmp_path, data, words):
    assert words in refused(tmp_path / "hostile.onnx", sealed(data))


#: The two fields by which a tensor in onnx.proto refers to another file.
OUTSIDE = {"external_data": field(13, field(1, b"location") + field(2, b"/etc/passwd")), "data_location": b"\x70\x01"}
#: {part of a model that can contain a tensor: function that makes it}.
TENSOR_POSITIONS = {
    "initializer": lambda tensor: field(7, field(5, tensor)),
    "sparse": lambda tensor: field(7, field(15, field(1, tensor))),
    "constant": lambda tensor: field(7, field(1, field(5, field(5, tensor)))),
    "list": lambda tensor: field(7, field(1, field(5, field(10, tensor)))),
    "branch": lambda tensor: field(7, field(1, field(5, field(6, field(5, tensor))))),
    "function": lambda tensor: field(25, field(7, field(5, field(5, tensor)))),
    "training": lambda tensor: field(20, field(1, field(5, tensor))),
}


@pytest.mark.parametrize("place", TENSOR_POSITIONS.values(), ids=TENSOR_POSITIONS)
@pytest.mark.parametrize("outside", OUTSIDE.values(), ids=OUTSIDE)
def test_weights_in_another_file_are_refused(tmp_path, place, outside):
    """A runtime opens every file that a model names, so a hostile model could read other files of the device."""
    for tensor, inside in ((field(9, b"four"), True), (b"\x70\x00" + field(9, b"four"), True), (outside, False)):
        body = BODY + place(tensor)
        data = sealed(body + entry(SPEC, description_of(body)))
        if inside:
            assert is_read(tmp_path / "a.onnx", data)
        else:
            assert "its weights are in another file" in refused(tmp_path / "a.onnx", data)


def test_messages_nested_too_deeply_are_refused(tmp_path):
    deep = b""
    for _ in range(40):
        deep = field(1, field(5, field(6, deep)))
    body = BODY + field(7, deep)
    assert "nested more than" in refused(tmp_path / "a.onnx", sealed(body + entry(SPEC, description_of(body))))


def test_a_model_with_too_many_fields_is_refused(tmp_path):
    body = BODY + field(7, b"\x08\x01" * (onnx_file.MAX_ALL_FIELDS + 1))
    assert "more than" in refused(tmp_path / "a.onnx", sealed(body + entry(SPEC, description_of(body))))


def test_a_field_with_a_huge_stated_size_allocates_nothing(tmp_path):
    claim = bytes([7 * 8 + 2]) + b"\xff\xff\xff\xff\x7f"
    with allocates_less_than(1):
        assert "ends after its message" in refused(tmp_path / "a.onnx", sealed(claim + BODY))


def test_random_bytes_in_the_metadata_with_a_correct_hash_are_read_or_refused(tmp_path, good):
    """If an attacker corrects the hash, the change has no effect or the file is refused, but there is no crash."""
    random = np.random.default_rng(3)
    end = len(good) - len(entry(HASH_KEY, b"0" * HASH_LENGTH))
    outcomes = {True: 0, False: 0}
    for _ in range(600):
        data = bytearray(good[:end])
        at = int(random.integers(len(BODY), end))
        data[at : at + 2] = random.integers(0, 256, 2, np.uint8).tobytes()
        outcomes[is_read(tmp_path / "noise.onnx", sealed(bytes(data[:end])))] += 1
    assert outcomes[False] > 300


def test_varints_are_written_and_read_as_in_the_specification():
    for value, wanted in (
        (0, b"\0"),
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (300, b"\xac\x02"),
        (1 << 21, b"\x80\x80\x80\x01"),
    ):
        assert protobuf.write_varint(value) == wanted
        assert protobuf.read_varint(wanted, 0, len(wanted)) == (value, len(wanted))
