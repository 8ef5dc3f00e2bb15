"""Write the seeds of the native runtime's fuzz targets: artifacts with a small graph, descriptions, and other files.

usage: python tests/native/fuzz_seeds.py OUT

The seeds are in the folders OUT/fuzz_artifact and OUT/fuzz_description. Each is named for its hash.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgeshift._system.files import HASH_LENGTH, sha256
from edgeshift.artifact import onnx_file, protobuf, zip_trailer
from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.file import LABELS, SPEC, read_artifact
from edgeshift.artifact.spec import StreamSpec, encode
from edgeshift.sound import SoundSettings

STORED = Path(__file__).parents[1] / "artifact" / "stored" / "version1_int8.tflite"
BODY = b"a graph"
#: An ONNX model whose graph is one node with a compiled binary inside, as QNN's, in protobuf.
NUMBERS = [
    protobuf.bytes_field(5, protobuf.bytes_field(1, name) + b"\x18\x01") for name in (b"embed_mode", b"main_context")
]
NODE = protobuf.bytes_field(4, b"EPContext") + b"".join(NUMBERS)
MODEL = protobuf.bytes_field(7, protobuf.bytes_field(1, NODE))


def descriptions() -> Iterator[StreamSpec]:
    """Yield a description of each version, one with an event rule and a self-check of states, and one with a sound."""
    old = read_artifact(STORED).spec
    yield old
    check = msgspec.structs.replace(old.check, tolerance=None)
    new = msgspec.structs.replace(old, version=2, check=check, labels=tuple("abcdefghijklmnop"[: len(old.labels)]))
    yield new
    states = {state.name: (0.5,) for state in old.states}
    rule = RuleSpec(window=5, threshold=0.5, none=new.labels[0], silent=new.labels[1:2], memory=12)
    yield msgspec.structs.replace(new, check=msgspec.structs.replace(check, states=states), rule=rule)
    model = msgspec.structs.replace(new.model, table="tsn", sound=SoundSettings(seconds=0.2, frames=4, bands=16))
    yield msgspec.structs.replace(new, model=model, quiet=(0.0,) * len(new.labels))


def json_seeds() -> Iterator[bytes]:
    """Yield descriptions as JSON, indented and not, and small texts with every part of JSON's grammar."""
    for spec in descriptions():
        yield encode(spec)
        yield json.dumps(msgspec.to_builtins(spec), separators=(",", ":")).encode()
    yield rb'{"version": 3, "a": [null, true, false, -1.5e+10, "\ud83d\ude00\u00e9\n\"", {}, [[]]]}'


def artifact_seeds() -> Iterator[bytes]:
    """Yield artifacts with compressed and stored entries, and files that are no artifacts."""
    for spec in descriptions():
        described = encode(msgspec.structs.replace(spec, body_bytes=len(BODY), body_sha256=sha256(BODY)))
        packed = zip_trailer.pack(BODY, {SPEC: described, LABELS: b"a\nb\n"})
        yield packed + bytes(HASH_LENGTH)
        yield packed.replace(BODY, BODY + b" of another size") + bytes(HASH_LENGTH)
        yield _stored(described)
        of_model = encode(msgspec.structs.replace(spec, body_bytes=len(MODEL), body_sha256=sha256(MODEL)))
        model = onnx_file.pack(MODEL, {SPEC: of_model})
        yield model + bytes(HASH_LENGTH)
    yield MODEL
    yield from (b"", b"\x89PNG", b"<html>", b"{}", bytes(200))


def _stored(description: bytes) -> bytes:
    """Return an artifact whose description is not compressed, so that a change of one byte changes its text."""
    file = io.BytesIO()
    file.write(BODY)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(SPEC, description)
        archive.comment = b"0" * HASH_LENGTH
    return file.getvalue()


def main(out: Path) -> None:
    """Write all seeds."""
    for target, seeds in (("fuzz_artifact", artifact_seeds()), ("fuzz_description", json_seeds())):
        (out / target).mkdir(parents=True, exist_ok=True)
        for seed in seeds:
            (out / target / sha256(seed)[:16]).write_bytes(seed)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
