"""The native runtime accepts an artifact or a description exactly if Python does, and gives the same reason if not."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import clip_doubles
import msgspec
import numpy as np
import pytest
from test_artifact_file import sealed
from test_spec import NESTED, NOT_JSON, WRONG, changed, document, full

from edgeshift._system.files import HASH_LENGTH, sha256
from edgeshift.artifact import onnx_file, protobuf, zip_trailer
from edgeshift.artifact.file import LABELS, SPEC, read_artifact
from edgeshift.artifact.spec import decode, encode
from edgeshift.errors import EdgeshiftError
from edgeshift.sound import SoundSettings

STORED = Path(__file__).parents[1] / "artifact" / "stored" / "version1_int8.tflite"
BODY = np.random.default_rng(0).integers(0, 256, 2000, np.uint8).tobytes()
#: Seconds after which the native program has hung.
TIMEOUT = 120

Reader = Callable[[list[Path]], list[str]]


@pytest.fixture(scope="module")
def native(native_build) -> Reader:
    """Return a function that reads files in one process with sanitizers, and returns "ok" or the error of each."""
    program = native_build("native-asan") / "tests" / "read_artifacts"

    def read(paths: list[Path]) -> list[str]:
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
        listed = "".join(f"{path}\n" for path in paths).encode()
        done = subprocess.run([program], input=listed, capture_output=True, timeout=TIMEOUT, env=environment)
        assert done.returncode == 0 and not done.stderr, done.stderr.decode()[-4000:]
        answers = done.stdout.decode().splitlines()
        assert len(answers) == len(paths)
        return answers

    return read


def verdicts_of_descriptions(native: Reader, folder: Path, documents: list[bytes]) -> Iterator[tuple[bytes, str, str]]:
    """Yield each document with the answers of Python and of the native runtime."""
    paths = [folder / f"{index}.json" for index in range(len(documents))]
    for path, data in zip(paths, documents, strict=True):
        path.write_bytes(data)
    for data, answer in zip(documents, native(paths), strict=True):
        try:
            decode(data, "F")
            yield data, "ok", answer
        except EdgeshiftError as error:
            yield data, str(error).removeprefix("F: "), answer


def verdicts_of_artifacts(
    native: Reader, folder: Path, suffix: str, artifacts: list[bytes]
) -> Iterator[tuple[str, str]]:
    """Yield the answers of Python and of the native runtime to each artifact, which must agree."""
    paths = [folder / f"{index}{suffix}" for index in range(len(artifacts))]
    for path, data in zip(paths, artifacts, strict=True):
        path.write_bytes(data)
    for path, answer in zip(paths, native(paths), strict=True):
        try:
            read_artifact(path)
            python = "ok"
        except EdgeshiftError as error:
            python = str(error)
        assert (answer == "ok") == (python == "ok"), f"{python} | {answer}"
        yield python, answer


def field_values() -> Iterator[bytes]:
    """Yield descriptions in which one field, at any depth, is missing, unknown, or has a value of another kind."""
    others = (None, True, -1, 0, 1, 1.0, 0.5, 300, 1e300, 10**18, "", "none", "x" * 300, [], [1], [[]], {}, {"a": 1})

    def places(part: object, path: str) -> Iterator[str]:
        items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, value in items:
            yield f"{path}{key}"
            yield from places(value, f"{path}{key}.")

    whole = document()
    for path in places(whole, ""):
        for value in others:
            yield changed(path, value)
        *parents, last = path.split(".")
        part = copy = json.loads(json.dumps(whole))
        for key in parents:
            part = part[int(key)] if isinstance(part, list) else part[key]
        if isinstance(part, dict):
            part["unknown"] = part.pop(last)
            yield json.dumps(copy).encode()
            del part["unknown"]
            yield json.dumps(copy).encode()


def same_words(python: str, answer: str) -> bool:
    """Return whether two messages are equal, apart from what the native runtime words in its own way."""
    own = ("JSON is malformed", "codec can't decode", "unknown shift table", "unknown backbone", ": std (")
    return python == answer or any(words in python for words in own)


def test_each_field_with_each_kind_of_value(native, tmp_path):
    outcomes = {True: 0, False: 0}
    for data, python, answer in verdicts_of_descriptions(native, tmp_path, list(field_values())):
        assert (answer == "ok") == (python == "ok"), f"{python} | {answer} | {data!r}"
        assert same_words(python, answer)
        outcomes[python == "ok"] += 1
    assert outcomes[True] > 100 and outcomes[False] > 1000


def test_invalid_descriptions_of_the_python_tests(native, tmp_path):
    documents = [*NOT_JSON.values(), *NESTED.values(), *(changed(path, value) for path, value in WRONG), encode(full())]
    for data, python, answer in verdicts_of_descriptions(native, tmp_path, documents):
        assert (answer == "ok") == (python == "ok"), f"{python} | {answer} | {data[:200]!r}"
        # The sizes of the largest tensors are not computed exactly.
        assert same_words(python, answer) or "values; the limit is 134,217,728" in answer


def test_damaged_descriptions(native, tmp_path):
    """Bytes are overwritten, and characters with a meaning in JSON are inserted."""
    random = np.random.default_rng(0)
    documents = []
    for index in range(1500):
        data = bytearray(encode(full()))
        for _ in range(int(random.integers(1, 3))):
            at = int(random.integers(len(data)))
            signs = b'{}[]",:\\0123456789.-+eE u\xc3\xa9\xff\x00\x1f'
            value = int(random.choice(list(signs))) if index % 2 else int(random.integers(256))
            data[at : at + int(random.integers(2))] = bytes([value])
        documents.append(bytes(data))
    accepted = 0
    for data, python, answer in verdicts_of_descriptions(native, tmp_path, documents):
        assert (answer == "ok") == (python == "ok"), f"{python} | {answer} | {data!r}"
        accepted += python == "ok"
    assert 20 < accepted < 1400


def mutated_artifacts() -> Iterator[bytes]:
    """Yield damaged artifacts, most of them with a correct hash at the end, and some that are only unusual."""
    random = np.random.default_rng(1)
    spec = msgspec.structs.replace(full(), problems=(), body_bytes=len(BODY), body_sha256=sha256(BODY))

    def artifact(description: bytes, entries: dict[str, bytes] | None = None) -> bytes:
        return sealed(
            zip_trailer.pack(BODY, {SPEC: description, **(entries or {LABELS: b"red\n"})}) + bytes(HASH_LENGTH)
        )

    good = artifact(encode(spec))
    yield good
    yield artifact(encode(spec), {f"{index}.txt": b"" for index in range(31)})
    yield artifact(encode(spec), {f"{index}.txt": b"" for index in range(32)})
    for _ in range(30):  # cut
        yield good[: int(random.integers(len(good)))]
    for _ in range(30):  # one bit, without a new hash
        data = bytearray(good)
        data[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))
        yield bytes(data)
    for at in range(len(good) - HASH_LENGTH - 200, len(good) - HASH_LENGTH):  # one bit of the archive's list of entries
        data = bytearray(good)
        data[at] ^= 1 << int(random.integers(8))
        yield sealed(bytes(data))
    for _ in range(60):  # one bit anywhere after the graph
        data = bytearray(good)
        data[int(random.integers(len(BODY), len(data) - HASH_LENGTH))] ^= 1 << int(random.integers(8))
        yield sealed(bytes(data))
    described = json.loads(encode(spec))
    for field in described:  # one field of the description
        yield artifact(json.dumps({**described, field: None}).encode())
        yield artifact(json.dumps({**described, field: "?"}).encode())
    yield artifact(b"{}")
    yield artifact(b" " * (5 << 20))
    yield zip_trailer.pack(BODY, {LABELS: b"red\n"})


def mutated_models() -> Iterator[bytes]:
    """Yield the same for artifacts whose description is in the metadata of an ONNX model."""
    random = np.random.default_rng(2)
    body = protobuf.bytes_field(2, b"edgeshift") + protobuf.bytes_field(7, protobuf.bytes_field(2, b"graph"))
    spec = msgspec.structs.replace(full(), problems=(), body_bytes=len(body), body_sha256=sha256(body))

    def artifact(entries: dict[str, bytes], after: bytes = b"") -> bytes:
        packed = onnx_file.pack(body, entries)
        hash_entry = packed[packed.rindex(b"\x72\x54") :]
        return sealed(packed.removesuffix(hash_entry) + after + hash_entry + bytes(HASH_LENGTH))

    entries = {SPEC: encode(spec), LABELS: b"red\n"}
    good = artifact(entries)
    yield good
    yield artifact({LABELS: b"red\n"})
    yield artifact({SPEC: b"{}", LABELS: b""})
    yield artifact({SPEC: b" " * (5 << 20)})
    yield artifact(entries, after=protobuf.bytes_field(7, b""))  # another graph, which parsers would merge
    yield artifact(entries, after=onnx_file.TRAILER.entry(SPEC, encode(spec)))
    yield artifact(entries, after=protobuf.bytes_field(14, protobuf.bytes_field(1, b"\xff")))
    yield artifact(entries, after=b"\x70" + b"\xff" * 9 + b"\x02")  # a number of more than 64 bits
    yield artifact(entries, after=b"\xf2\x80\x80\x80\x10\x00")  # a tag of 33 bits, which parsers read as field 14
    yield artifact(entries, after=b"\xf2\x80\x80\x80\x80\x00\x00")  # a tag of six bytes
    for _ in range(30):
        yield good[: int(random.integers(len(good)))]
    for index in range(300):  # one bit after the graph; half of them without a new hash
        data = bytearray(good)
        data[int(random.integers(len(body), len(data) - HASH_LENGTH))] ^= 1 << int(random.integers(8))
        yield sealed(bytes(data)) if index % 2 else bytes(data)
    for at in (len(body), len(body) + 1, len(body) + 2, len(good) - HASH_LENGTH - 20):  # lengths of entries
        for value in (0, 1, 0x7F, 0x80, 0xFF):
            data = bytearray(good)
            data[at] = value
            yield sealed(bytes(data))


def test_mutated_models(native, tmp_path):
    verdicts = list(verdicts_of_artifacts(native, tmp_path, ".qnn.onnx", list(mutated_models())))
    assert all(same_words(python, answer) for python, answer in verdicts)
    assert 10 < sum(python == "ok" for python, _ in verdicts) < 150


def test_mutated_artifacts(native, tmp_path):
    """No crash, no leak, no hang, and the verdict of Python."""
    artifacts = [
        *mutated_artifacts(),
        STORED.read_bytes(),
        STORED.read_bytes()[:-1],
        b"",
        b"hello",
        b"{}",
        b"\x89PNG" * 9,
    ]
    assert len(artifacts) > 300
    verdicts = list(verdicts_of_artifacts(native, tmp_path, ".tflite", artifacts))
    assert 10 < sum(python == "ok" for python, _ in verdicts) < 150


def test_paths_without_an_artifact(native, tmp_path):
    paths = [tmp_path, tmp_path / "missing.tflite"]
    assert native(paths) == [f"{paths[0]}: not a file", f"{paths[1]}: no such file"]


def test_clips_that_hear_are_accepted_and_refused_as_in_python(native, tmp_path):
    """Their input has one picture more than a clip has frames, and their output has two rows."""
    base = json.loads(encode(clip_doubles.clip_model("int8")[0].spec))
    frames, classes = base["input"]["shape"][0], base["output"]["shape"][1]
    sound = msgspec.to_builtins(SoundSettings(seconds=1.0, frames=4))

    def description(pictures: int, rows: int, hop: int) -> bytes:
        clip = json.loads(json.dumps(base))
        clip["model"] |= {"table": "tsam", "sound": sound}
        clip["input"]["shape"][0], clip["output"]["shape"], clip["hop"] = pictures, [rows, classes], hop
        return json.dumps(clip).encode()

    cases = [(frames + 1, 2, 1), (frames, 2, 1), (frames + 1, 1, 1), (frames + 1, 2, frames + 1), (2, 2, 1)]
    answers = list(verdicts_of_descriptions(native, tmp_path, [description(*case) for case in cases]))
    assert [python for _, python, _ in answers] == [native for _, _, native in answers]
    assert [python == "ok" for _, python, _ in answers] == [True, True, False, False, False]
