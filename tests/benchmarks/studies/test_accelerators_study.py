"""The matrix of networks and accelerators: rows are stored, measured again when stale, and never made up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgeshift.benchmarks.studies import accelerators
from edgeshift.runtimes.accelerated import Checked, Compared, References

CASE = accelerators.CASES[0]


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the conversion and the check by counters; the artifact is a file that is only hashed."""
    made: list[str] = []

    def convert(path: Path, *_: Any) -> str:
        path.write_bytes(b"artifact")
        made.append("convert")
        return ""

    def check(path: Path, name: str, references: References) -> Checked:
        against = references.against
        made.append("check" if against is None else f"check against {Path(against).name}")
        original = Compared("PyTorch", 32, None, 0.02)
        return Checked(name, "computes", "fine", "LiteRT", None, (), 32, 0.0, 0.0, share=0.5, original=original)

    monkeypatch.setattr(accelerators, "convert", convert)
    monkeypatch.setattr(accelerators, "read_artifact", lambda path: None)
    monkeypatch.setattr(accelerators.emulated, "check", check)
    return made


def test_a_row_is_measured_once_and_again_after_a_change_of_the_artifact(checks, tmp_path):
    first = accelerators.measure(tmp_path, "tsm_mobilenet_v2", CASE, stored=False)
    assert accelerators.measure(tmp_path, "tsm_mobilenet_v2", CASE, stored=False) == first
    assert checks == ["convert", "check"]
    next(tmp_path.glob("*.tflite")).write_bytes(b"another artifact")
    assert accelerators.measure(tmp_path, "tsm_mobilenet_v2", CASE, stored=False).digest != first.digest
    assert checks == ["convert", "check", "check"]


def test_stored_rows_are_printed_and_missing_ones_are_marked(checks, tmp_path, capsys):
    accelerators.measure(tmp_path, "tsm_mobilenet_v2", CASE, stored=False)
    arguments = ["--out", str(tmp_path), "--models", "tsm_mobilenet_v2", "--stored", "--json"]
    assert accelerators.main(arguments) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["checked"]["verdict"] for row in rows] == ["computes"] + ["not run"] * (len(accelerators.CASES) - 1)
    assert checks == ["convert", "check"]


def test_a_failed_conversion_is_a_row_that_was_not_run(checks, monkeypatch, tmp_path):
    monkeypatch.setattr(accelerators, "convert", lambda *_: "no memory")
    row = accelerators.measure(tmp_path, "tsm_mobilenet_v2", CASE, stored=False)
    assert (row.checked.verdict, row.checked.detail) == ("not run", "conversion failed: no memory")
    assert "check" not in checks


def test_an_unknown_network_is_an_error(tmp_path, capsys):
    assert accelerators.main(["--out", str(tmp_path), "--models", "tsm"]) != 0
    assert "unknown network of the matrix 'tsm'" in capsys.readouterr().err


def test_a_compiled_file_is_compared_with_the_graph_from_before_its_compilation(checks, tmp_path):
    case = next(case for case in accelerators.CASES if case[2] == "qnn")
    row = accelerators.measure(tmp_path, "tsm_mobilenet_v2", case, stored=False)
    assert checks == ["convert", "convert", "check against tsm_mobilenet_v2_qnn_int8_cpu.onnx"]
    cells = dict(zip(accelerators.COLUMNS, accelerators.cells(row), strict=True))
    assert (cells["share"], cells["result"], cells["states"]) == ("50%", "computes all operators", "0")
    assert cells["against PyTorch"] == "no number, 0.02"


def test_a_row_without_a_comparison_with_the_original_is_measured_again(checks, tmp_path):
    row = accelerators.measure(tmp_path, "tsm_mobilenet_v2", CASE, stored=False)
    (stored,) = tmp_path.glob("*.json")
    older = msgspec.structs.replace(row, checked=replace(row.checked, original=None))
    stored.write_bytes(msgspec.json.encode(older))
    assert accelerators.measure(tmp_path, "tsm_mobilenet_v2", CASE, stored=False) == row
    assert checks == ["convert", "check", "check"]
