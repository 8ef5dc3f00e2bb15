"""Core ML packages: written ones can be read, hostile ones are refused, and a failure keeps the existing one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from artifact_checks import description_of, refused, spec_of
from doubles import stream_spec

from edgeshift._system.files import HASH_LENGTH, sha256
from edgeshift.artifact import mlpackage_file, protobuf
from edgeshift.artifact.file import (
    LABELS,
    SPEC,
    Artifact,
    artifact_bytes,
    artifact_size,
    read_artifact,
    require_replaceable,
    write_artifact,
)
from edgeshift.artifact.mlpackage_file import MANIFEST, MODEL, TRAILER, WEIGHTS, join_files, split_files
from edgeshift.artifact.spec import encode
from edgeshift.cli import main
from edgeshift.errors import ArtifactError, install_command

RANDOM = np.random.default_rng(0)
FILES = {
    MANIFEST: b'{"fileFormatVersion": "1.0.0"}\n',
    WEIGHTS: RANDOM.integers(0, 256, 5000, np.uint8).tobytes(),
    # Fields of Model: 1 is the version, 2 the description with one field, and 502 the program.
    MODEL: b"\x08\x08"
    + protobuf.bytes_field(2, protobuf.bytes_field(1, b"an input"))
    + protobuf.bytes_field(502, b"a program"),
}
BODY = join_files(FILES)


@pytest.fixture
def good(tmp_path) -> Path:
    path = tmp_path / "good.mlpackage"
    write_artifact(path, BODY, stream_spec())
    return path


def with_model(path: Path, model: bytes) -> Path:
    """Write a package with this model file and a correct hash, as an attacker would do."""
    files = {**FILES, MODEL: model}
    seal = TRAILER.entry("edgeshift/sha256", b"0" * HASH_LENGTH)[:-HASH_LENGTH]
    files[MODEL] = model + seal + sha256(join_files({**FILES, MODEL: model + seal})).encode()
    path.mkdir()
    mlpackage_file.write(path, join_files(files))
    return path


def description_entry() -> bytes:
    """Return the metadata entry with the description of ``BODY``."""
    return TRAILER.entry(SPEC, description_of(BODY))


def test_a_written_package_reads_back(good):
    assert read_artifact(good) == Artifact(good, spec_of(BODY), BODY)
    assert sorted(str(p.relative_to(good)) for p in good.rglob("*") if p.is_file()) == sorted(FILES)
    assert [p.name for p in good.parent.iterdir()] == ["good.mlpackage"]
    assert artifact_size(good) == sum((good / name).stat().st_size for name in FILES)


def test_the_manifest_the_weights_and_the_model_are_unchanged(good):
    for name in (MANIFEST, WEIGHTS):
        assert (good / name).read_bytes() == FILES[name]
    assert (good / MODEL).read_bytes().startswith(FILES[MODEL])
    assert split_files(BODY) == FILES


def test_a_package_without_a_file_of_weights_reads_back(tmp_path):
    files = {name: data for name, data in FILES.items() if name != WEIGHTS}
    write_artifact(tmp_path / "a.mlpackage", join_files(files), stream_spec())
    assert split_files(read_artifact(tmp_path / "a.mlpackage").body) == files


def test_coremltools_reads_the_description_as_user_metadata(good):
    """The schema of coremltools merges the entries into the ModelDescription that the model already has."""
    pytest.importorskip("coremltools", reason="coremltools is not installed")
    from edgeshift.runtimes.mil.package import coremltools

    coremltools("this test")
    from coremltools import proto

    model = proto.Model_pb2.Model.FromString(_parsable(good))
    metadata = model.description.metadata.userDefined
    assert set(metadata) == {SPEC, LABELS, "edgeshift/sha256"}
    assert metadata[SPEC].encode() == encode(read_artifact(good).spec)
    assert model.specificationVersion == 8


def _parsable(path: Path) -> bytes:
    """Return the model without its program, which is not a valid program for the schema of coremltools."""
    return b"\x08\x08" + (path / MODEL).read_bytes()[len(FILES[MODEL]) :]


@pytest.mark.parametrize("name", FILES)
def test_damage_in_any_file_is_found(good, name):
    whole = (good / name).read_bytes()
    for data in (
        b"",
        whole[: len(whole) // 2],
        whole[:-1],
        whole + b"x",
        whole[:7] + bytes([whole[7] ^ 1]) + whole[8:],
    ):
        (good / name).write_bytes(data)
        refused(good)
    (good / name).write_bytes(whole)
    read_artifact(good)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(good, name):
    (good / name).unlink()
    message = refused(good)
    assert name == WEIGHTS or f"{name} is missing" in message


def test_a_flipped_bit_in_the_description_is_found(good):
    whole = (good / MODEL).read_bytes()
    for at in range(len(FILES[MODEL]), len(whole), 97):
        (good / MODEL).write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        refused(good)


@pytest.mark.parametrize(
    "name", ["evil.bin", "Data/x", "Data/com.apple.CoreML/weights/other.bin", "Data/com.apple.CoreML/model.mlmodel.bak"]
)
def test_unknown_files_are_refused(good, name):
    (good / name).write_bytes(b"x")
    assert f"{name} does not belong there" in refused(good)


def test_control_characters_in_file_names_are_not_printed(good):
    (good / "a\x1b[31m\nb").write_bytes(b"x")
    assert "a?[31m?b does not belong there" in refused(good)


def test_folders_and_pipes_instead_of_files_are_refused(good):
    (good / WEIGHTS).unlink()
    (good / WEIGHTS).mkdir()
    refused(good)
    (good / WEIGHTS).rmdir()
    os.mkfifo(good / WEIGHTS)
    assert "does not belong there" in refused(good)


@pytest.mark.parametrize("name", [WEIGHTS, MODEL, MANIFEST, "Data", "Data/com.apple.CoreML/weights"])
def test_links_are_refused(good, tmp_path, name):
    outside = tmp_path / "outside"
    (good / name).rename(outside)
    (good / name).symlink_to(outside)
    assert f"{name} is a link" in refused(good)


def test_thousands_of_unknown_files_are_refused_at_the_first(good):
    for index in range(2000):
        (good / f"{index}.bin").touch()
    assert "does not belong there" in refused(good)


def test_a_package_over_the_limit_is_refused(good, monkeypatch):
    monkeypatch.setattr("edgeshift.artifact.file.MAX_FILE", 4000)
    assert "the limit for an artifact is 4,000" in refused(good)


def test_a_huge_description_is_refused(tmp_path):
    entry = TRAILER.entry(SPEC, b" " * (5 << 20))
    assert "its description is 5,242,880 bytes" in refused(with_model(tmp_path / "a.mlpackage", FILES[MODEL] + entry))


def test_a_package_without_a_description_is_refused(tmp_path):
    assert "it has no edgeshift/spec.json" in refused(with_model(tmp_path / "a.mlpackage", FILES[MODEL]))
    plain = tmp_path / "plain.mlpackage"
    plain.mkdir()
    mlpackage_file.write(plain, BODY)
    assert "no edgeshift description at its end" in refused(plain)


def test_data_that_parsers_would_merge_into_the_model_is_refused(tmp_path):
    """A protobuf parser merges data after the description into the model, although the hash does not cover it."""
    for index, more in enumerate(
        (
            protobuf.bytes_field(502, b"another program"),
            protobuf.bytes_field(2, protobuf.bytes_field(1, b"another input")),
            protobuf.bytes_field(2, protobuf.bytes_field(100, protobuf.bytes_field(1, b"x"))),
            protobuf.bytes_field(
                2, protobuf.bytes_field(100, protobuf.bytes_field(100, b"")) + protobuf.bytes_field(1, b"x")
            ),
        )
    ):
        path = with_model(tmp_path / f"{index}.mlpackage", FILES[MODEL] + description_entry() + more)
        assert "data follows its description" in refused(path)
    twice = with_model(tmp_path / "twice.mlpackage", FILES[MODEL] + description_entry() * 2)
    assert "two descriptions" in refused(twice)
    assert "it has a protobuf field with wire type 7" in refused(
        with_model(tmp_path / "bad.mlpackage", b"\x0f" + description_entry())
    )


def test_another_model_with_the_same_description_is_refused(tmp_path):
    other = FILES[MODEL].replace(b"a program", b"b program")
    assert "does not match its hash" in refused(with_model(tmp_path / "a.mlpackage", other + description_entry()))


def test_paths_without_a_package_are_refused(tmp_path):
    (tmp_path / "a.mlpackage").write_bytes(b"x")
    assert "not a folder" in refused(tmp_path / "a.mlpackage")
    assert "no such file" in refused(tmp_path / "b.mlpackage")
    (tmp_path / "c.mlpackage").mkdir()
    assert "Manifest.json is missing" in refused(tmp_path / "c.mlpackage")


def test_an_existing_package_is_replaced(good):
    body = join_files({**FILES, WEIGHTS: b"other"})
    write_artifact(good, body, stream_spec())
    assert read_artifact(good).body == body
    assert [p.name for p in good.parent.iterdir()] == ["good.mlpackage"]


@pytest.mark.parametrize("stage", ["write", "rename"])
def test_after_a_failure_the_old_package_is_unchanged(good, monkeypatch, stage):
    before = artifact_bytes(good)
    if stage == "write":

        def fail_to_write(path, data):
            (path / "half").write_bytes(b"x")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(mlpackage_file, "write", fail_to_write)
    else:
        rename = Path.rename

        def fail_to_rename(self, target):
            if Path(target) == good and not self.name.endswith(".old"):
                raise OSError(5, "Input/output error")
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", fail_to_rename)
    with pytest.raises(ArtifactError, match="cannot be written"):
        write_artifact(good, BODY, stream_spec())
    monkeypatch.undo()
    assert artifact_bytes(good) == before
    assert [p.name for p in good.parent.iterdir()] == ["good.mlpackage"]


def test_a_folder_that_is_not_a_package_is_never_replaced(tmp_path):
    folder = tmp_path / "thesis.mlpackage"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(ArtifactError, match="move it away"):
        write_artifact(folder, BODY, stream_spec())
    assert (folder / "thesis.tex").read_text() == "years of work"
    (tmp_path / "file.mlpackage").write_bytes(b"x")
    with pytest.raises(ArtifactError, match="move it away"):
        require_replaceable(tmp_path / "file.mlpackage")
    with pytest.raises(ArtifactError, match="it is a folder"):
        require_replaceable(tmp_path)


def test_inspect_needs_no_coremltools(good, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "coremltools", None)
    with pytest.raises(SystemExit) as ended:
        main(["inspect", str(good)])
    assert not ended.value.code
    assert "state_level" in capsys.readouterr().out


def test_the_demo_without_coremltools_names_the_extra(good, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "coremltools", None)
    # The child process that tries a graph first does not see the change of sys.modules.
    monkeypatch.setattr("edgeshift.runtimes.trial.require_tried", lambda *_arguments: None)
    with pytest.raises(SystemExit) as ended:
        main(["demo", str(good), "--headless"])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert install_command("coreml") in err and len(err.splitlines()) == 1
