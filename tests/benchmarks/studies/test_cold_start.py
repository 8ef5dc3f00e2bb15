"""The study of cold start: what it measures, and what it reports about bad files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from edgeshift.benchmarks.studies import cold_start
from edgeshift.errors import EdgeshiftError


@pytest.mark.slow
def test_three_programs_are_measured(made, capsys) -> None:
    assert not cold_start.main([str(made("tsm", "int8").path), "--repeats", "3", "--json"])
    times = json.loads(capsys.readouterr().out)
    assert times["repeats"] == 3 and times["goal"] == cold_start.GOAL
    assert all(times[name] > 0 for name in ("numpy", "edgeshift", "litert"))


def test_the_programs_import_a_compiled_copy(tmp_path: Path) -> None:
    cold_start.copy_as_installed(tmp_path)
    for module in ("edgeshift/errors", "edgeshift/runtimes/tflite"):
        folder, name = (tmp_path / module).parent, Path(module).name
        assert (folder / f"{name}.py").is_file() and list((folder / "__pycache__").glob(f"{name}.*.pyc"))
    code = f"import edgeshift.runtimes as r; assert r.__file__.startswith({str(tmp_path)!r}), r.__file__"
    assert cold_start.cpu_seconds([sys.executable, "-c", code], tmp_path) > 0


def test_a_program_that_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EdgeshiftError, match=r"a program that is timed failed: ValueError: no frames$"):
        cold_start.cpu_seconds([sys.executable, "-c", "raise ValueError('no frames')"], tmp_path)


def test_a_file_that_is_not_an_artifact_is_one_line(tmp_path: Path, capsys) -> None:
    (tmp_path / "a.tflite").write_bytes(b"no artifact")
    assert cold_start.main([str(tmp_path / "a.tflite")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
