"""The study that compares both agents runs, and knows whether its goal is reached."""

from __future__ import annotations

import msgspec
import pytest

from edgeshift.benchmarks.studies.agents import PHASES, SIZES, measure, show


def test_the_study_compares_both_agents(native_agents, made, capsys):
    pytest.importorskip("ai_edge_litert.compiled_model", reason="LiteRT 2 is not installed")
    result = measure(made("tsm", "int8").path, 2, 0.1, native_agents)
    names = [f"{size} {phase}: native / Python" for size in SIZES for phase in PHASES]
    assert [figure.name for figure in result.figures] == names and all(figure.value > 0 for figure in result.figures)
    assert len(result.milliseconds) == 8 and min(result.milliseconds.values()) > 0
    assert result.difference == pytest.approx(abs(result.figures[0].value - 1), abs=2e-5)
    show(result)
    assert "infer on fitted frames differs by" in capsys.readouterr().out
    assert msgspec.structs.replace(result, difference=0.02).met
    assert not msgspec.structs.replace(result, difference=0.021).met
