"""A target and a runtime that are added to the registry appear wherever edgeshift lists targets and runtimes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from doubles import stream_spec

from edgeshift import targets
from edgeshift.artifact.file import write_artifact
from edgeshift.benchmarks.devices import agent
from edgeshift.cli import doctor, load_command
from edgeshift.errors import ConversionError, RuntimeMissingError
from edgeshift.targets import RUNTIMES, TARGETS, Backend, Runtime, Support, Target, register_runtime, register_target


@pytest.fixture(autouse=True)
def stone() -> Iterator[Target]:
    """Register the invented target ``stone`` with the runtime ``chisel``. Neither can be installed."""
    register_runtime(
        Runtime(
            name="chisel",
            title="Chisel",
            suffix=".stone",
            module="edgeshift.runtimes.pytorch",  # any module that exists
            packages={"chisel": "chisel-runtime"},
            extra=None,
            install="ask a mason",
            by_suffix=False,
        )
    )
    target = Target(
        name="stone",
        title="Stone Tablet",
        suffix=".stone",
        runtime="chisel",
        converter="edgeshift.converters.stone",
        converter_packages={"stonemason": "stonemason"},
        states=("io", "engraved"),  # type: ignore[arg-type]
        backends={"granite": Backend(("fp32",), ("io",))},
        remark="stone runs anywhere, slowly",
        support=(Support("fp32", "mountains", "not verified here"),),
    )
    register_target(target)
    yield target
    del TARGETS["stone"], RUNTIMES["chisel"]


def test_help_lists_its_name_state_and_back_end(run):
    text = " ".join(run("convert", "--help").out.split())
    assert "tflite, onnx, tensorrt, coreml, executorch, qnn, stone" in text
    assert "engraved (stone)" in text and "granite (stone)" in text
    assert "chisel (Chisel)" in " ".join(run("verify", "--help").out.split())


def test_completion_offers_it():
    options = {param.name: param for param in load_command("convert").params}
    for name, text, value in (("target", "sto", "stone"), ("state", "eng", "engraved"), ("backend", "gr", "granite")):
        assert [item.value for item in options[name].shell_complete(None, text)] == [value]


def test_doctor_has_a_row_for_it(run, monkeypatch):
    monkeypatch.setattr(doctor, "_import", lambda module: None)
    status, out, _ = run("doctor")
    assert status == 0 and "stone runs anywhere, slowly" in out and "ask a mason" in out
    rows = {row["target"]: row for row in json.loads(run("doctor", "--json").out)["targets"]}
    assert rows["stone"]["convert"] == "stonemason: not installed"
    assert rows["stone"]["run"] == "chisel-runtime: not installed"
    assert rows["stone"]["fixes"]["run stone"] == "ask a mason"


def test_inspect_prints_its_title_and_remark(run, tmp_path):
    path = tmp_path / "a.tflite"
    write_artifact(path, b"a graph", stream_spec(target="stone"))
    out = run("inspect", path).out
    assert "stone (Stone Tablet), fp32" in out and "stone runs anywhere, slowly" in out


def test_missing_packages_are_named(stone):
    with pytest.raises(RuntimeMissingError, match=r'Stone Tablet needs stonemason.*\[convert\]"'):
        targets.require_converter(stone)
    error = targets.missing_runtime("chisel", "running a.stone")
    assert str(error) == "running a.stone needs chisel-runtime, which is not installed: ask a mason"


def test_it_is_suggested_for_a_misspelled_target(run):
    assert run("convert", "--target", "stoone").err == "edgeshift: unknown target 'stoone'; did you mean stone?\n"


def test_the_agent_contains_its_runtime(tmp_path, monkeypatch):
    modules = []
    monkeypatch.setattr(agent, "modules", lambda *names: modules.extend(names) or {})
    agent.build_agent(tmp_path / "agent.pyz")
    assert modules.count("edgeshift.runtimes.pytorch") == 1


def test_studies_measure_it(monkeypatch, tmp_path):
    converters = pytest.importorskip("edgeshift.converters", reason="the converters are not installed")
    from edgeshift.benchmarks.studies import shift_cost
    from edgeshift.benchmarks.studies import targets as study

    def refuse(source, folder, options, stages, names):
        return [converters.Outcome(name, None, ConversionError("no"), 0.0) for name in names]

    monkeypatch.setattr(converters, "convert_all", refuse)
    source = SimpleNamespace(network=SimpleNamespace(config=SimpleNamespace(name="net")))
    rows = study.measure(source, tmp_path, ["fp32"], [*TARGETS], 1)  # type: ignore[arg-type]
    assert [row.target for row in rows] == [*TARGETS]

    def fail(source, precision, target):
        raise RuntimeMissingError("not here")

    monkeypatch.setattr(shift_cost, "Artifacts", lambda *_: SimpleNamespace(shipped=fail))
    monkeypatch.setattr(shift_cost, "artifact_folder", nullcontext)
    monkeypatch.setattr(shift_cost, "untrained_network", lambda *_: None)
    monkeypatch.setattr(shift_cost, "smooth_clips", lambda *_: [[None]])
    with pytest.raises(Exception, match="stone is left out"):
        shift_cost.measure(SimpleNamespace(cache=Path(), size=64, rounds=1))  # type: ignore[arg-type]


def test_the_support_table_has_its_rows():
    assert "| Stone Tablet | fp32 | mountains | not verified here |\n" in targets.support_table()
