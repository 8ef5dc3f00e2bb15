"""The study of broken graphs: what it breaks is broken, and it counts only what is found."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from edgeshift.artifact.file import Artifact, read_artifact
from edgeshift.benchmarks.studies import broken_graphs, broken_onnx, broken_tflite
from edgeshift.runtimes.lint import lint

#: Breaks whose graphs compute the right values, so that only lint can find them: {kind: rule}.
TFLITE_LINT = {
    "a next state is the old one": "state-passed-through",
    "a next state is a sum with the old one": "state-is-a-sum",
    "a next state is not computed anew": "state-is-read",
    "an input has a side that is not fixed": "dynamic-shape",
    "a tensor is transposed there and back": "transpose",
    "an operator is given one tensor twice": "gpu-same-input-twice",
    "a tensor has five dimensions": "gpu-dimensions",
    "an operator that GPUs refuse is computed beside the network": "gpu-operator",
}
ONNX_LINT = {
    "an input has a side that is not fixed": "dynamic-shape-npu",
    "a tensor of an int8 graph stays in float": "htp-float",
}

pytestmark = pytest.mark.slow


def written_again(target: str, body: bytes) -> bytes:
    """Return an unchanged graph as the study writes it, which may be other bytes than those that it read."""
    if target == "tflite":
        return broken_tflite.Graph(body).body()
    onnx = pytest.importorskip("onnx")
    return onnx.load_model_from_string(body).SerializeToString()


@pytest.mark.parametrize(
    ("target", "device", "breaks", "rules"),
    [
        ("tflite", "mali", broken_tflite.breaks, TFLITE_LINT),
        ("onnx", None, broken_onnx.breaks, ONNX_LINT),
    ],
)
def test_each_kind_breaks_the_rule_that_is_about_it(made, target, device, breaks, rules):
    artifact = read_artifact(made("tsm", "int8", target, **({"device": device} if device else {})).path)
    before = Counter({finding.rule: len(finding.places) for finding in lint(artifact)})
    assert not before.keys() & set(rules.values()), "the artifact keeps these rules before it is broken"
    first: dict[str, bytes] = {}
    unchanged = written_again(target, artifact.body)
    for kind, _, body in breaks(artifact.body, tuple(state.name for state in artifact.spec.states)):
        assert body != unchanged, kind
        first.setdefault(kind, body)
    for kind, rule in rules.items():
        broken = {finding.rule for finding in lint(Artifact(artifact.path, artifact.spec, first[kind]))}
        assert rule in broken - before.keys(), kind


def test_lint_and_verify_are_asked(made, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]):
    """One break that only verify finds, one that only lint finds, and one change that breaks nothing."""
    path = tmp_path / "a.tflite"
    shutil.copy(made("tsm", "int8", device="mali").path, path)

    breaks = broken_tflite.breaks

    def few(body: bytes, states: tuple[str, ...]):
        by_kind = {kind: (kind, name, graph) for kind, name, graph in breaks(body, states)}
        yield by_kind["a concatenation has another order"]
        yield by_kind["a tensor is transposed there and back"]
        yield "nothing is broken", "", broken_tflite.Graph(body).body()

    monkeypatch.setattr(broken_graphs.broken_tflite, "breaks", few)
    command = [str(path), "--json", "--strict", "--out", str(tmp_path / "out")]
    assert broken_graphs.main(command) == 1
    broken = json.loads(capsys.readouterr().out)
    with monkeypatch.context() as again:  # the second run takes all results from the folder
        again.setattr(broken_graphs, "_verify", lambda artifact, body, copy: None)
        assert broken_graphs.main(command) == 1
        assert json.loads(capsys.readouterr().out) == broken
    turned, transposed, same = broken
    assert turned["rules"] == [] and "self-check" in turned["verify"]
    assert transposed["rules"] == ["transpose"] and transposed["verify"] is None
    assert same["rules"] == [] and same["verify"] is None
    broken_graphs.show([msgspec.convert(one, broken_graphs.Broken) for one in broken])
    text = capsys.readouterr().out
    assert "not found: a.tflite: nothing is broken" in text and "2 of 3 broken graphs were found" in text


def test_other_files_are_refused(made, clip_artifact: Path, capsys: pytest.CaptureFixture[str]):
    assert broken_graphs.main([str(made("tsm", "int8", "executorch").path)]) == 2
    assert "give an artifact for the target tflite or onnx" in capsys.readouterr().err
    assert broken_graphs.main([str(clip_artifact)]) == 2
    assert "the artifact takes a clip" in capsys.readouterr().err
