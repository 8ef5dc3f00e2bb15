"""The comparison of forms: put together from made-up samples, and a small one for real."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console

from edgeshift.artifact.spec import GraphSpec, Precision
from edgeshift.benchmarks.studies import moves
from edgeshift.benchmarks.studies.comparison import Comparison, Row, difference, merge, show
from edgeshift.benchmarks.studies.forms import MOVES
from edgeshift.benchmarks.studies.interleave import Samples
from edgeshift.benchmarks.studies.machine import Machine
from edgeshift.benchmarks.studies.moves import assemble
from edgeshift.benchmarks.studies.normalisations import NORMALISATIONS

FOLDED, SUBTRACTED, _ = NORMALISATIONS
ONE_HOT = next(iter(MOVES))
OPERATORS = {FOLDED: {"CONV_2D": 35}, SUBTRACTED: {"CONV_2D": 35, "SUB": 1}, ONE_HOT: {"CONV_2D": 35, "SLICE": 20}}


def rows() -> list[Row]:
    found: dict[tuple[str, str, Precision], Any] = {}
    samples: Samples = {}
    errors: dict[tuple[str, Precision], float] = {}
    for precision, speed in (("fp32", 1.0), ("int8", 2.0)):
        for group, form, time in (
            ("moves", ONE_HOT, 1.5),
            ("normalisation", FOLDED, 1.0),
            ("normalisation", SUBTRACTED, 1.25),
        ):
            graph = GraphSpec(operators=OPERATORS[form], partitions=1)
            key: tuple[str, str, Precision] = (group, form, "int8" if precision == "int8" else "fp32")
            found[key] = SimpleNamespace(spec=SimpleNamespace(graph=graph))
            samples[moves._key(*key)] = np.linspace(1.0, 2.0, 5) * time / speed
            errors[form, key[2]] = 0.5
    return assemble(samples, found, errors)


def comparison() -> Comparison:
    return Comparison(64, 5, 1, Machine("a processor", (), 2, "an os"), tuple(rows()))


def test_every_form_is_compared_with_the_network_without_shift() -> None:
    assert [(row.form, row.precision, row.value) for row in rows()] == [
        (ONE_HOT, "fp32", 1.5),
        (FOLDED, "fp32", 1.0),
        (SUBTRACTED, "fp32", 1.25),
        (ONE_HOT, "int8", 1.5),
        (FOLDED, "int8", 1.0),
        (SUBTRACTED, "int8", 1.25),
    ]


def test_errors_belong_to_normalisations() -> None:
    assert [row.error for row in rows()] == [None, 0.5, 0.5] * 2


def test_the_document_is_read_back() -> None:
    assert msgspec.json.decode(msgspec.json.encode(comparison()), type=Comparison) == comparison()


def test_repeats_are_merged() -> None:
    slower = msgspec.structs.replace(
        comparison(), rows=tuple(msgspec.structs.replace(row, value=row.value + 0.2) for row in rows())
    )
    merged = merge([comparison(), slower])
    assert merged.repeats == 2
    assert merged.rows[0].value == pytest.approx(1.6)
    assert merged.rows[0].runs == pytest.approx((1.5, 1.7))


def test_a_form_is_one_line_with_both_precisions() -> None:
    console = Console(width=220, file=io.StringIO())
    show(comparison(), console)
    assert isinstance(console.file, io.StringIO)
    line = next(line for line in console.file.getvalue().splitlines() if ONE_HOT in line)
    assert line.count("1.500 (1.500 to 1.500)") == 2
    assert "+20 SLICE" in line


def test_operators_are_told_as_a_difference() -> None:
    assert difference({"SLICE": 20, "ADD": 10, "PAD": 4}, {"ADD": 10, "PAD": 6}) == "+20 SLICE, -2 PAD"
    assert difference({"ADD": 10}, {"ADD": 10}) == ""


def test_every_group_begins_with_what_is_shipped() -> None:
    assert {next(iter(forms.values())).__name__ for _, forms in moves.GROUPS.values()} == {"shipped"}


@pytest.mark.slow
def test_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("litert_torch")
    two = {name: NORMALISATIONS[name] for name in (FOLDED, SUBTRACTED)}
    monkeypatch.setattr(moves, "GROUPS", {"normalisation": ("tsn", two)})
    assert moves.main(["--quick", "--size", "64", "--json", "--cache", str(tmp_path)]) == 0
    out = capfd.readouterr().out
    assert len(json.loads(out)["rows"]) == 4
    found = {(row.form, row.precision): row for row in msgspec.json.decode(out, type=Comparison).rows}
    assert found[FOLDED, "fp32"].value == 1.0
    assert "SUB" in found[SUBTRACTED, "int8"].operators
    for row in found.values():
        assert row.error is not None
        assert row.error < (1e-4 if row.precision == "fp32" else 1.0)
