"""Artifacts that older versions made, stored in this repository, still load, verify and run.

The files in ``stored`` were converted from an untrained TSM on MobileNetV2 of width 0.1 at 64x64. A new file is added
when a new version of the format is released.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgeshift
from edgeshift.artifact.file import read_artifact
from edgeshift.artifact.spec import VERSION
from edgeshift.cli import main
from edgeshift.stream.selfcheck import self_check

STORED = sorted((Path(__file__).parent / "stored").glob("version*"))
SUFFIXES = {".tflite": "ai_edge_litert", ".onnx": "onnxruntime"}


def version_of(path: Path) -> int:
    return int(path.name.removeprefix("version").partition("_")[0])


def test_every_older_version_has_a_stored_file() -> None:
    assert {version_of(path) for path in STORED} == set(range(1, VERSION))


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.name)
def test_a_stored_file_loads_runs_and_passes_its_check(path: Path) -> None:
    pytest.importorskip(SUFFIXES[path.suffix])
    assert read_artifact(path).spec.version == version_of(path)
    model = edgeshift.load(path)
    check = self_check(model)
    assert check.ok and check.version == version_of(path)
    stream = model.stream()
    labels = {stream.step(np.full((48, 64, 3), value, np.uint8)).label for value in (0, 128, 255)}
    assert labels <= set(model.spec.labels)


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.name)
def test_verify_says_that_the_check_is_the_older_one(path: Path, capsys) -> None:
    pytest.importorskip(SUFFIXES[path.suffix])
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(path)])
    out = " ".join(capsys.readouterr().out.split())
    assert not ended.value.code and ": ok" in out and "format version 1: this check accepts larger errors" in out
