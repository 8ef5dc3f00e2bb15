"""Fresh states: every next state is computed anew, and has the same values."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

import edgeshift
from edgeshift.artifact.file import read_artifact
from edgeshift.converters import Options, convert
from edgeshift.converters.fresh import fresh_states
from edgeshift.errors import CheckFailedError, ConversionError
from edgeshift.runtimes.lint import lint, read_graph
from edgeshift.stream.parity import parity_frames

PRECISIONS = ("fp32", "fp16", "int8")


@pytest.mark.parametrize("shape", [(1, 8, 8, 3), (1, 3, 8, 8), (2, 8, 8, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_fresh_states_are_new_tensors_with_the_same_values(shape, dtype):
    generator = torch.Generator().manual_seed(0)
    frame = torch.randint(0, 256, shape, generator=generator).to(dtype)
    states = [torch.randn(shape[0], *sides, generator=generator).to(dtype) for sides in ((4, 2, 2), (6,), (3, 5))]
    for before, after in zip(states, fresh_states(frame, states), strict=True):
        assert torch.equal(before, after) and before.dtype == after.dtype
        assert before.untyped_storage().data_ptr() != after.untyped_storage().data_ptr()


@pytest.mark.parametrize("pixel", [0, 1, 254, 255])
def test_the_factor_is_1_for_every_pixel(pixel):
    (state,) = fresh_states(torch.full((1, 2, 2, 3), float(pixel)), [torch.full((1, 1, 1, 1), 0.1)])
    assert float(state) == float(torch.tensor(0.1))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("table", ["tsm", "stsm", "tsam"])
def test_graphs_for_mali_keep_its_rules(made, table, precision):
    """The conversion has compared each graph with the original over 32 frames."""
    plain, fresh = (made(table, precision, **options) for options in ({}, {"device": "mali"}))
    # A TSAM of depth 2 takes half of its next states from the states that come in.
    expected = ["state-passed-through"] if table == "tsam" else []
    assert [finding.rule for finding in lint(read_artifact(plain.path), ["mali"])] == expected
    assert lint(read_artifact(fresh.path), ["mali"]) == []
    assert fresh.result.spec.parity is not None and not fresh.result.spec.problems
    graph = read_graph(read_artifact(fresh.path))
    writers, readers = graph.writers(), graph.readers()
    states = [tensor for name, tensor in graph.outputs.items() if name != "logits"]
    assert len(states) == len(fresh.result.spec.states)
    assert all(writers[tensor].kind == "MUL" and tensor not in readers for tensor in states)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("table", ["tsm", "tsam"])
def test_fresh_states_change_no_value(made, table, precision):
    """Also in int8, because a product with 1 is not rounded if both sides of it share one range."""
    plain, fresh = (made(table, precision, **options) for options in ({}, {"device": "mali"}))
    first, second = (edgeshift.load(artifact.path).stream() for artifact in (plain, fresh))
    for frame in parity_frames(plain.source.description.frame, 8):
        expected, actual = first.step(frame), second.step(frame)
        assert np.array_equal(expected.logits, actual.logits)


def test_one_factor_is_computed_for_all_states(made):
    """Next states cost one multiplication each, and no tensor is reordered for them."""
    plain, fresh = (
        Counter(made("tsm", "fp32", **options).result.spec.graph.operators) for options in ({}, {"device": "mali"})
    )
    assert fresh - plain == {"MUL": 10, "SLICE": 3, "MAXIMUM": 1, "SUB": 1} and not plain - fresh


@pytest.mark.parametrize(
    ("target", "precision"), [("onnx", "fp32"), ("onnx", "int8"), ("coreml", "fp16"), ("executorch", "fp16")]
)
def test_other_targets_have_fresh_states_too(made, target, precision):
    artifact = made("tsam", precision, target, fresh_states=True)
    assert not artifact.result.spec.problems
    if target != "executorch":  # its operators are inside the delegate
        graph = read_graph(read_artifact(artifact.path))
        states = [tensor for name, tensor in graph.outputs.items() if "state" in name]
        writers, readers = graph.writers(), graph.readers()
        kinds = set()
        for tensor in states:
            node = writers[tensor]
            # int8 states are channels last, and those of one pixel are reshaped.
            while node.kind in ("QuantizeLinear", "DequantizeLinear", "Transpose", "Reshape"):
                node = writers[graph.computed_inputs(node)[0]]
            kinds.add(node.kind.lower())
        assert kinds == {"mul"} and len(states) == len(artifact.result.spec.states)
        assert not set(states) & set(readers)


def test_int8_of_executorch_says_why_it_has_no_fresh_states(made, tmp_path: Path):
    prepared = made.prepared("tsm", fresh_states=True)
    with pytest.raises(ConversionError, match="--fresh-states is not possible for int8 of executorch"):
        convert(made.source("tsm"), "executorch", tmp_path / "a.pte", Options(fresh_states=True), prepared=prepared)


def test_a_graph_that_breaks_a_rule_is_written_only_with_force(made, tmp_path: Path):
    """The step is lowered without fresh states, as if a converter had removed the multiplications."""
    source, prepared = made.source("tsam"), made.prepared("tsam", "fp32")
    path = tmp_path / "a.tflite"
    with pytest.raises(CheckFailedError, match="breaks rules for mali, and was not written: state-passed-through"):
        convert(source, "tflite", path, Options(precision="fp32", device="mali"), prepared=prepared)
    assert not path.exists()
    convert(source, "tflite", path, Options(precision="fp32", device="mali", force=True), prepared=prepared)
    assert [finding.rule for finding in lint(read_artifact(path), ["mali"])] == ["state-passed-through"]


def test_a_device_must_read_the_format(made, tmp_path: Path):
    with pytest.raises(ConversionError, match=r"mali does not read \.onnx files"):
        convert(made.source("tsm"), "onnx", tmp_path / "a.onnx", Options(device="mali"))
    with pytest.raises(ConversionError, match="unknown device 'mail'; did you mean mali"):
        convert(made.source("tsm"), "tflite", tmp_path / "a.tflite", Options(device="mail"))
