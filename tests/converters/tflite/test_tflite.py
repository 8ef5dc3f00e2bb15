"""The target TFLite: operators of the graph, its inputs and outputs, its states, and conversions it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from edgeshift.artifact.file import read_artifact
from edgeshift.converters import Options, convert
from edgeshift.errors import ConversionError
from edgeshift.gestures.fitted_clips import FittedClips, drawn_clips
from edgeshift.runtimes import load
from edgeshift.stream.parity import MIN_COSINE
from edgeshift.stream.selfcheck import self_check

pytestmark = pytest.mark.slow

PRECISIONS = {"tsm": ("fp32", "fp16", "int8"), "stsm": ("fp32", "int8"), "tsam": ("int8",), "tsn": ("int8",)}
ALL = [(table, precision) for table, precisions in PRECISIONS.items() for precision in precisions]


@pytest.mark.parametrize("table", ["tsm", "stsm", "tsam"])
def test_int8_graph_runs_in_one_partition(made, table):
    """The graph has no conversions, at most one transpose, and one delegate partition, with every shift table."""
    graph = made(table, "int8").result.spec.graph
    assert graph.operators.get("QUANTIZE", 0) == graph.operators.get("DEQUANTIZE", 0) == 0
    assert graph.operators.get("TRANSPOSE", 0) <= 1
    assert graph.partitions == 1
    assert graph.delegated == 1.0


@pytest.mark.parametrize("table", ["tsm", "stsm", "tsam"])
def test_state_in_and_out_share_scale(made, table):
    """A state's input and output have the same scale and zero point, so a state is fed back by copying its bytes."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=read_artifact(made(table, "int8").path).body).get_signature_runner()
    inputs, outputs = runner.get_input_details(), runner.get_output_details()
    states = [name for name in inputs if name.startswith("state_")]
    assert len(states) == (11 if table == "tsam" else 10)
    for name in states:
        assert inputs[name]["quantization"] == outputs[name]["quantization"], name
        assert inputs[name]["dtype"] == outputs[name]["dtype"] == np.int8
        assert list(inputs[name]["shape"]) == list(outputs[name]["shape"]), name


def test_float_boundary(made):
    """The graph computes in integers; its inputs and outputs are float, for browsers."""
    artifact = made("tsm", "int8", float_boundary=True)
    spec = artifact.result.spec
    assert {t.dtype for t in (spec.input, spec.output, *spec.states)} == {"float32"}
    assert spec.graph.operators["QUANTIZE"] == 1 + len(spec.states)
    assert self_check(load(artifact.path)).ok


def test_calibration_clips_are_recorded(made, tmp_path):
    """Other calibration clips give another hash in the description."""
    artifact = made("tsm", "int8")
    clips = FittedClips("twenty others", drawn_clips(artifact.source.description.frame, 20, seed=9).frames)
    other = convert(artifact.source, "tflite", tmp_path / "other.tflite", Options(calibration=clips))
    ours = artifact.result.spec.calibration
    assert ours is not None and other.spec.calibration is not None
    assert other.spec.calibration.clips == 20 and other.spec.calibration.samples == 60
    assert other.spec.calibration.sha256 != ours.sha256
    assert other.spec.parity is not None and other.spec.parity.cosine >= MIN_COSINE


def test_impossible_conversions_are_refused(made, tmp_path):
    source = made("tsm", "fp32").source
    with pytest.raises(ConversionError, match=r"unknown target 'tfilte'; did you mean tflite\?"):
        convert(source, "tfilte", tmp_path / "a.tflite")
    with pytest.raises(ConversionError, match=r"the name of a tflite artifact must end in \.tflite"):
        convert(source, "tflite", tmp_path / "a.bin")
    with pytest.raises(ConversionError, match="--float-boundary is for int8"):
        convert(source, "tflite", tmp_path / "a.tflite", Options(precision="fp32", float_boundary=True))
    assert list(tmp_path.iterdir()) == []


def test_original_is_not_changed(made):
    """Conversion works on a copy: the network keeps its batch normalization and can still be trained."""
    source = made("tsm", "fp32").source
    assert any(isinstance(m, nn.BatchNorm2d) for m in source.network.modules())


def test_resnet50_int8(made):
    """In ResNet-50, the max pool and the sixteen shifts need no conversions either."""
    result = made("tsm_resnet50", "int8").result
    graph = result.spec.graph
    assert graph is not None and graph.partitions == 1 and graph.delegated == 1.0
    assert not {"QUANTIZE", "DEQUANTIZE", "TRANSPOSE"} & graph.operators.keys()
    assert len(result.spec.states) == 16
