"""The kinds of a profile's operators, and the profiler on a real graph."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeshift.benchmarks.studies import operators
from edgeshift.benchmarks.studies.operators import Operator, by_kind, kind_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Convolution (NHWC, QC8) IGEMM", "first convolution"),
        ("Convolution (NHWC, QC8) DWConv", "depthwise convolution"),
        ("Fully Connected (NC, QS8, QC8W) GEMM", "pointwise convolution"),
        ("Slice (ND, X8)", "copies"),
        ("Copy (NC, X8)", "copies"),
        ("Add (ND)", "elementwise"),
        ("Mean (ND) Reduce", "mean"),
        ("Softmax", "other"),
    ],
)
def test_the_kind_of_an_operator_follows_from_its_name(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_shares_add_up_and_operators_on_the_frame_are_a_kind() -> None:
    names = ["Copy (NC, X8)", "Convolution (NHWC, QC8) IGEMM", "Copy (NC, X8)", "Convolution (NHWC, QC8) DWConv"]
    kinds = by_kind([Operator(name, kind_of(name), time) for name, time in zip(names, (1, 4, 2, 3), strict=True)])
    assert kinds == {
        "first convolution": (1, 0.4),
        "depthwise convolution": (1, 0.3),
        "copies": (1, 0.2),
        "before the first convolution": (1, 0.1),
    }


def test_a_missing_file_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert operators.main([str(tmp_path / "none.tflite")]) == 2
    assert "no such file" in capsys.readouterr().err


@pytest.mark.slow
def test_the_operators_of_a_real_graph(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("litert_torch")
    from edgeshift._system.progress import ProgressBars
    from edgeshift.benchmarks.studies.artifacts import Artifacts
    from edgeshift.benchmarks.studies.timing_networks import untrained_network

    artifact = Artifacts(tmp_path, ProgressBars(live=False)).shipped(untrained_network("tsm", 64), "fp32")
    assert operators.main([str(artifact.path), "--runs", "3", "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert set(document["kinds"]) >= {"pointwise convolution", "depthwise convolution", "copies"}
    assert sum(share for _, share in document["kinds"].values()) == pytest.approx(1.0)
    assert operators.main([str(artifact.path), "--runs", "3"]) == 0
    assert "depthwise convolution" in capfd.readouterr().out
