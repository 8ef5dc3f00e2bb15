"""The study of the native runtime's speed runs, and knows which goals are missed."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from edgeshift.benchmarks.studies.native_speed import NativeSpeed, main, measure, show
from edgeshift.errors import EdgeshiftError


@pytest.fixture
def build(native_build):
    pytest.importorskip("ai_edge_litert.compiled_model", reason="LiteRT 2 is not installed")
    return native_build()


def test_the_study_measures_all_figures(build, made, capsys):
    path = made("tsm", "int8").path
    assert main([str(path), "--build", str(build), "--rounds", "5", "--json"]) == 0
    result = msgspec.convert(json.loads(capsys.readouterr().out), NativeSpeed)
    assert [figure.name for figure in result.figures] == [
        "step / LiteRtRunCompiledModel",
        "640x480 to 112x112 / OpenCV's resize",
        "640x480 to 224x224 / OpenCV's resize",
    ]
    assert all(figure.value > 0 for figure in result.figures) and result.start > 0
    assert list(result.parts) == ["read", "library", "compile", "stream", "step"]
    show(result)
    assert "start to first answer" in capsys.readouterr().out
    # A goal that is missed.
    assert not msgspec.structs.replace(result, start=51.0).met


def test_what_is_not_built_is_one_clear_line(made, tmp_path: Path):
    with pytest.raises(EdgeshiftError, match="run make native first"):
        measure(made("tsm", "int8").path, tmp_path, 5)


def test_a_clip_artifact_is_refused(clip_artifact, tmp_path: Path):
    with pytest.raises(EdgeshiftError, match="give a stream's"):
        measure(clip_artifact, tmp_path, 5)
