"""The TFLite target: the graph's operators, its boundary, its state, and what is refused."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgeshift.artifact.file import read_artifact
from edgeshift.checkpoints.source import untrained_source
from edgeshift.converters import Options, convert
from edgeshift.converters.quantization.ranges import groups
from edgeshift.converters.tflite.graph import read_graph
from edgeshift.errors import CheckFailedError, ConversionError
from edgeshift.gestures.fitted_clips import FittedClips, drawn_clips
from edgeshift.models.network import Step
from edgeshift.runtimes import load
from edgeshift.runtimes.pytorch import reference
from edgeshift.stream.parity import MIN_COSINE
from edgeshift.stream.selfcheck import check_frames, self_check
from edgeshift.targets import find_target

pytestmark = pytest.mark.slow

PRECISIONS = {"tsm": ("fp32", "fp16", "int8"), "stsm": ("fp32", "int8"), "tsam": ("int8",), "tsn": ("int8",)}
ALL = [(table, precision) for table, precisions in PRECISIONS.items() for precision in precisions]


@pytest.mark.parametrize("table", ["tsm", "stsm", "tsam"])
def test_int8_graph_is_whole(made, table):
    """No conversion between input and head, at most one transpose, one delegate partition: for every table."""
    graph = made(table, "int8").result.spec.graph
    assert graph.operators.get("QUANTIZE", 0) == graph.operators.get("DEQUANTIZE", 0) == 0
    assert graph.operators.get("TRANSPOSE", 0) <= 1
    assert graph.partitions == 1
    assert graph.delegated == 1.0


@pytest.mark.parametrize("table", ["tsm", "stsm", "tsam"])
def test_state_in_and_out_share_scale(made, table):
    """Read from the graph itself: carrying a state is a copy of bytes."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=read_artifact(made(table, "int8").path).body).get_signature_runner()
    inputs, outputs = runner.get_input_details(), runner.get_output_details()
    states = [name for name in inputs if name.startswith("state_")]
    assert len(states) == (11 if table == "tsam" else 10)
    for name in states:
        assert inputs[name]["quantization"] == outputs[name]["quantization"], name
        assert inputs[name]["dtype"] == outputs[name]["dtype"] == np.int8
        assert list(inputs[name]["shape"]) == list(outputs[name]["shape"]), name


def test_untied_ranges_would_be_caught(made):
    """The groups that are tied are not empty: each shift has one, and the frame its own."""
    graph = read_graph(read_artifact(made("tsm", "fp32").path).body)
    found = groups(graph)
    for name, index in graph.inputs.items():
        group = next(group for group in found if index in group)
        if name != "frame":
            assert graph.outputs[name] in group
            assert len(group) >= 5  # block input, two slices, state in, concatenation


def test_float_boundary(made):
    """int8 inside, float outside, for browsers."""
    artifact = made("tsm", "int8", float_boundary=True)
    spec = artifact.result.spec
    assert {t.dtype for t in (spec.input, spec.output, *spec.states)} == {"float32"}
    assert spec.graph.operators["QUANTIZE"] == 1 + len(spec.states)
    assert self_check(load(artifact.path)).ok


def test_fresh_states(made):
    """Each next state comes from an operator whose result nothing else reads, and is no input passed through."""
    plain, fresh = (read_graph(read_artifact(made("tsm", "fp32", **o).path).body) for o in ({}, {"fresh_states": True}))
    kinds = {output: operator.kind for operator in fresh.operators for output in operator.outputs}
    for name, index in fresh.outputs.items():
        if name != "logits":
            assert kinds[index] == "DEPTHWISE_CONV_2D", name
            assert not any(index in operator.inputs for operator in fresh.operators), name
    assert sum(o.kind == "DEPTHWISE_CONV_2D" for o in plain.operators) + 10 == sum(
        o.kind == "DEPTHWISE_CONV_2D" for o in fresh.operators
    )


class BufferedStep(nn.Module):
    """What must never be exported: a step that keeps its states in buffers and writes into them."""

    state_names = ()

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step
        for name, state in zip(step.state_names, step.start(), strict=True):
            self.register_buffer(name, state)

    def start(self) -> tuple[Tensor, ...]:
        return ()

    def forward(self, frame: Tensor) -> tuple[Tensor, ...]:
        logits, *states = self.step(frame, *(self.get_buffer(name) for name in self.step.state_names))
        for name, state in zip(self.step.state_names, states, strict=True):
            self.get_buffer(name).copy_(state)
        return (logits,)


def test_mutated_buffer_is_refused(tmp_path):
    """The converter takes it without an error and its first frame is right: only parity over frames refuses it."""
    from edgeshift._system.progress import Stages
    from edgeshift.artifact.file import Artifact
    from edgeshift.converters.job import Job
    from edgeshift.converters.tflite import target as tflite
    from edgeshift.models.deploy import deploy
    from edgeshift.runtimes.tflite import open_artifact

    source = untrained_source(size=64)
    step = BufferedStep(deploy(source.network))
    lowered = tflite.lower(Job(find_target("tflite"), source, step, "fp32", [], False, Stages()))  # type: ignore[arg-type]
    spec = msgspec.structs.replace(source.describe("tflite", step=step), states=lowered.states)  # type: ignore[arg-type]
    broken = open_artifact(Artifact(tmp_path / "broken.tflite", spec, lowered.body))
    frames = check_frames(1, 32, 64, 64)
    one, original = broken.stream(), reference(source).stream()
    first, second = [(one.step(f).logits, original.step(f).logits) for f in frames[:2]]
    assert np.abs(first[0] - first[1]).max() < 1e-4  # frame 0 passes
    assert np.abs(second[0] - second[1]).max() > 1e-2  # the state is gone

    out = tmp_path / "refused.tflite"
    for buffer in step.buffers():
        buffer.zero_()
    with pytest.raises(CheckFailedError, match="not equal to the original over 32 frames, and was not written"):
        convert(source, "tflite", out, Options(precision="fp32"), step=BufferedStep(deploy(source.network)))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_calibration_clips_are_recorded(made, tmp_path):
    """Other clips, other hash; the ranges follow."""
    artifact = made("tsm", "int8")
    clips = FittedClips("twenty others", drawn_clips(artifact.source.description.frame, 20, seed=9).frames)
    other = convert(artifact.source, "tflite", tmp_path / "other.tflite", Options(calibration=clips))
    ours = artifact.result.spec.calibration
    assert ours is not None and other.spec.calibration is not None
    assert other.spec.calibration.clips == 20 and other.spec.calibration.samples == 60
    assert other.spec.calibration.sha256 != ours.sha256
    assert other.spec.parity is not None and other.spec.parity.cosine >= MIN_COSINE


def test_what_cannot_be_done_is_refused(made, tmp_path):
    source = made("tsm", "fp32").source
    with pytest.raises(ConversionError, match=r"unknown target 'tfilte'; did you mean tflite\?"):
        convert(source, "tfilte", tmp_path / "a.tflite")
    with pytest.raises(ConversionError, match=r"named \*\.tflite"):
        convert(source, "tflite", tmp_path / "a.bin")
    with pytest.raises(ConversionError, match="--float-boundary is for int8"):
        convert(source, "tflite", tmp_path / "a.tflite", Options(precision="fp32", float_boundary=True))
    assert list(tmp_path.iterdir()) == []


def test_original_is_not_changed(made):
    """Conversion works on a copy: the network can be trained on."""
    source = made("tsm", "fp32").source
    assert any(isinstance(m, nn.BatchNorm2d) for m in source.network.modules())
    assert torch.get_num_threads() >= 1


def test_resnet50_int8(made):
    """The other backbone: its max pool and sixteen shifts leave no conversion inside either."""
    result = made("tsm_resnet50", "int8").result
    graph = result.spec.graph
    assert graph is not None and graph.partitions == 1 and graph.delegated == 1.0
    assert not {"QUANTIZE", "DEQUANTIZE", "TRANSPOSE"} & graph.operators.keys()
    assert len(result.spec.states) == 16
