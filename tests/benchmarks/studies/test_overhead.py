"""The report of the overhead study, from made-up samples. One slow test runs the study, but checks no times."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from edgeshift.benchmarks.statistics import Interval
from edgeshift.benchmarks.studies import interleave, overhead
from edgeshift.benchmarks.studies.command import json_bytes
from edgeshift.benchmarks.studies.figures import Figure, StudyReport, figure, markdown, merge, milliseconds, show
from edgeshift.benchmarks.studies.interleave import Samples
from edgeshift.benchmarks.studies.machine import Machine
from edgeshift.benchmarks.studies.pointwise import SHAPES
from edgeshift.stream import Timings

ROUNDS = 9
#: {name of a candidate: milliseconds}, chosen so that every ratio is a simple number.
TIMES = {
    "tsn fp32 step": 10.0,
    "tsm fp32 step": 10.2,
    "stsm fp32 step": 10.5,
    "tsn fp32 graph": 10.0,
    "tsm fp32 graph": 10.1,
    "stsm fp32 graph": 10.2,
    "tsn int8 step": 4.0,
    "tsm int8 step": 5.0,
    "stsm int8 step": 4.1,
    "tsn int8 graph": 4.0,
    "tsm int8 graph": 4.0,
    "stsm int8 graph": 4.0,
    "naive int8 graph": 5.0,
    "tsm eager as trained": 25.0,
    "tsm eager batch norms folded": 15.0,
    "tsm fp32 compiled": 10.0,
    "tsm fp32 whole": 10.1,
    "tsm int8 compiled": 4.0,
    "tsm int8 whole": 5.0,
    "pre squash": 0.25,
    "pre crop": 0.75,
}
MACHINE = Machine("a processor", ("avx2",), 2, "an os", (0.1, 0.2))


def samples() -> Samples:
    """Return samples that differ between rounds by a common factor, so that all ratios are the same."""
    factor = np.linspace(0.5, 3.0, ROUNDS)
    times = dict(TIMES)
    for at, shape in enumerate(SHAPES):
        for precision, speed in (("fp32", 1.0), ("int8", 2.0)):
            times[f"{shape.name} {precision}"] = (10.0 + at) / speed  # the first shape is the fastest
    return {name: time * 1e-3 * factor for name, time in times.items()}


MACS = {"tsm": 300, **{shape.name: 600 for shape in SHAPES}}


def figures() -> dict[str, Figure]:
    return {figure.name: figure for figure in overhead.assemble(samples(), MACS)}


def test_there_are_figures_for_every_group() -> None:
    groups = {figure.group for figure in overhead.assemble(samples(), MACS)}
    assert groups == {"shift", "PyTorch", "naive route", "pointwise", "stream", "preprocessing"}


@pytest.mark.parametrize(
    ("name", "value", "goal", "met"),
    [
        ("TSM / TSN, fp32 step", 1.02, 1.02, True),
        ("STSM / TSN, fp32 step", 1.05, 1.03, False),
        ("STSM / TSN, fp32 graph", 1.02, None, None),
        ("TSM / TSN, int8 step", 1.25, 1.02, False),
        ("STSM / TSN, int8 step", 1.025, 1.03, True),
        ("eager, as trained / int8 step", 5.0, 4.0, True),
        ("eager, batch norms folded / int8 step", 3.0, None, None),
        ("edgeshift's graph / naive route, TSM int8", 0.8, 0.95, True),
        (f"TSM fp32 graph / {SHAPES[0].name}", 10 / 10.1 / 2, None, None),
        (f"TSM int8 graph / {SHAPES[0].name}", 5 / 4 / 2, None, None),
        ("Stream.step / run_by_index, TSM fp32", 1.01, 1.02, True),
        ("Stream.step / run_by_index, TSM int8", 1.25, 1.02, False),
        ("640x480 by squash / TSM int8 Stream.step", 0.05, 0.1, True),
        ("640x480 by crop / TSM int8 Stream.step", 0.15, 0.1, False),
    ],
)
def test_the_value_of_a_figure_and_whether_it_meets_its_goal(
    name: str, value: float, goal: float | None, met: bool | None
) -> None:
    result = figures()[name]
    assert (result.value, result.low, result.high) == pytest.approx((value, value, value), abs=1e-5)
    assert (result.goal, result.met) == (goal, met)


def test_the_graph_is_compared_with_the_fastest_shape() -> None:
    slow = samples()
    slow[f"{SHAPES[0].name} int8"] *= 10
    assert overhead.fastest_stack(slow, MACS, "fp32") == SHAPES[0].name
    assert overhead.fastest_stack(slow, MACS, "int8") == SHAPES[1].name


def test_a_value_equal_to_its_goal_meets_it() -> None:
    assert figure("g", "n", Interval(1.02, 1.0, 1.1), 1.02).met is True
    assert figure("g", "n", Interval(4.0, 3.9, 4.1), 4.0, "higher").met is True
    assert figure("g", "n", Interval(3.9, 3.8, 4.1), 4.0, "higher").met is False
    assert figure("g", "n", Interval(3.9, 3.8, 4.1)).met is None


def test_a_step_is_timed_without_its_preprocessing() -> None:
    """The time of fitting the frame is subtracted from the time of the whole call."""
    now = iter([0.0, 10.0, 20.0, 31.0, 40.0, 53.0, 60.0, 79.0])
    stream: Any = SimpleNamespace(step=lambda frame: SimpleNamespace(timings=Timings(pre=4.0, infer=5.0, post=0.5)))
    turn = interleave.stepping(stream, np.zeros((1, 1, 3), np.uint8), overhead._less_pre, 3, lambda: next(now))
    assert turn() == 9.0  # the median of 11, 13 and 19, less 4; the first call was not counted


def report(*figures: Figure) -> StudyReport:
    figures = figures or tuple(overhead.assemble(samples(), MACS))
    return StudyReport(
        "overhead", 64, ROUNDS, 1, MACHINE, ("a runtime",), figures, milliseconds=milliseconds(samples())
    )


def test_the_document_is_read_back_as_it_was_written() -> None:
    original = report()
    text = json_bytes(original).decode()
    assert msgspec.json.decode(text, type=StudyReport) == original
    document = json.loads(text)
    assert document["version"] == 1
    assert {row["name"]: row["met"] for row in document["figures"]} == {f.name: f.met for f in original.figures}
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text.replace('"low"', '"lowest"', 1), type=StudyReport)


def test_repeats_are_merged_to_their_median() -> None:
    def repeat(value: float, load: float) -> StudyReport:
        result = report(figure("g", "n", Interval(value, value - 0.01, value + 0.01), 1.02))
        return msgspec.structs.replace(result, machine=msgspec.structs.replace(MACHINE, load=(load, load)))

    merged = merge([repeat(1.01, 0.1), repeat(1.05, 0.9), repeat(1.03, 0.2)])
    (result,) = merged.figures
    assert (result.value, result.met, result.runs) == (1.03, False, (1.01, 1.05, 1.03))
    assert (result.low, result.high) == pytest.approx((1.0, 1.06))
    assert (merged.repeats, merged.machine.load) == (3, (0.9, 0.9))
    assert merged.milliseconds == repeat(1.0, 0.0).milliseconds


def test_missed_goals_are_listed() -> None:
    assert {figure.name for figure in report().missed} == {
        "STSM / TSN, fp32 step",
        "TSM / TSN, int8 step",
        "Stream.step / run_by_index, TSM int8",
        "640x480 by crop / TSM int8 Stream.step",
    }


def test_the_tables_show_every_figure_and_a_busy_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "160")

    def printed(machine: Machine) -> str:
        show(msgspec.structs.replace(report(), machine=machine))
        return capsys.readouterr().out

    text = printed(MACHINE)
    for result in report().figures:
        cells = next(line for line in text.splitlines() if result.name in line).split("│")
        assert f"{result.value:.3f}" in cells[2]
        assert cells[4].strip() == {True: "yes", False: "no", None: ""}[result.met]
    assert "busy" not in text
    assert "busy" in printed(msgspec.structs.replace(MACHINE, load=(2.5, 2.0)))


def test_the_figures_as_markdown() -> None:
    lines = markdown(report()).splitlines()
    assert len(lines) == 2 + len(report().figures)
    assert "| TSM / TSN, fp32 step | 1.020 (1.020 to 1.020) | at most 1.02 |" in lines[2]


@pytest.mark.parametrize(("strict", "missed", "status"), [(False, True, 0), (True, True, 1), (True, False, 0)])
def test_a_missed_goal_is_exit_status_1_with_strict(
    strict: bool, missed: bool, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = report(figure("g", "n", Interval(2.0, 2.0, 2.0), 1.0 if missed else 3.0))
    monkeypatch.setattr(overhead, "measure", lambda settings: result)
    assert overhead.main(["--json", "--quick", *(["--strict"] if strict else [])]) == status
    out, err = capsys.readouterr()
    assert json.loads(out)["figures"][0]["met"] is not missed
    assert err == ""


def test_a_size_the_network_cannot_take_is_exit_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert overhead.main(["--size", "10", "--quick"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"edgeshift: .*10x10.*\n", err)


def test_no_study_needs_torch_to_import() -> None:
    folder = Path(overhead.__file__).parent
    modules = [
        f"edgeshift.benchmarks.studies.{path.stem}" for path in sorted(folder.glob("*.py")) if path.stem != "__init__"
    ]
    code = (
        "import importlib, sys\n"
        f"for name in {modules}: importlib.import_module(name)\n"
        "heavy = {'torch', 'litert_torch', 'ai_edge_quantizer', 'ai_edge_litert', 'cv2', 'edgeshift.converters'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.slow
def test_the_study_runs_and_keeps_its_artifacts(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgeshift.benchmarks.studies.overhead", "--quick", "--size", "64", "--json"]
    result = subprocess.run([*command, "--cache", str(tmp_path)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert all(re.search(r": .*\d+ s$", line) for line in result.stderr.splitlines())  # lines of progress
    single = msgspec.json.decode(result.stdout, type=StudyReport)
    assert (single.benchmark, single.size, single.rounds, single.repeats, single.threads) == ("overhead", 64, 5, 1, 1)
    shapes = "|".join(re.escape(shape.name) for shape in SHAPES)
    names = [re.sub(shapes, SHAPES[0].name, figure.name) for figure in single.figures]
    assert names == [figure.name for figure in overhead.assemble(samples(), MACS)]
    assert all(0 < figure.low <= figure.value <= figure.high for figure in single.figures)
    assert set(single.milliseconds) == set(samples())
    files = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    command += ["--rounds", "2", "--repeats", "2", "--cache", str(tmp_path)]
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    merged = msgspec.json.decode(again.stdout, type=StudyReport)
    assert (merged.rounds, merged.repeats) == (2, 2)
    assert all(len(figure.runs) == 2 for figure in merged.figures)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files
