"""Tied ranges, for every target: each state has a group, and ranges that are not tied are refused."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshift.converters.channels_last import ChannelsLastMemory, memory_example
from edgeshift.converters.job import Job, converter_of
from edgeshift.converters.quantization import ranges
from edgeshift.errors import ConversionError

pytestmark = pytest.mark.slow
TARGETS = ("tflite", "onnx", "executorch", "coreml")


def graph_of(job: Job) -> ranges.Graph:
    """Read the float graph of a target."""
    if job.target.name == "tflite":
        from edgeshift.converters.tflite.graph import read_graph

        return read_graph(job.shared["tflite"])
    if job.target.name == "onnx":
        import onnx

        from edgeshift.converters.onnx import graph

        return graph.read_graph(onnx.load_from_string(job.shared["onnx"]))
    from edgeshift.converters.coreml.quantize import capture
    from edgeshift.converters.executorch.export import export_step
    from edgeshift.converters.quantization import fx_graph

    if job.target.name == "coreml":
        module = capture(job.step)
    else:
        module = export_step(job, ChannelsLastMemory(job.step).eval(), tuple(memory_example(job).values()))
    return fx_graph.read_graph(module, job.step.state_names)


@pytest.mark.parametrize("target", TARGETS)
def test_both_ends_of_a_state_are_in_one_group(made, target):
    graph = graph_of(made.job(target))
    groups = ranges.groups(graph)
    assert len(graph.inputs) == 11 and graph.inputs.keys() - {"frame"} == graph.outputs.keys() - {"logits"}
    for name, index in graph.inputs.items():
        group = next(group for group in groups if index in group)
        if name != "frame":
            assert graph.outputs[name] in group
            assert len(group) >= 5  # block input, two slices, state, concatenation


@pytest.mark.parametrize("target", TARGETS)
def test_untied_ranges_are_refused(made, target, monkeypatch):
    """Without tied ranges, a state's input and output get different scales, which the converter detects."""
    job, tie = made.job(target), ranges.groups
    monkeypatch.setattr(ranges, "groups", lambda graph: [g for g in tie(graph) if graph.inputs["frame"] in g])
    with pytest.raises(ConversionError, match=r"state_\w+ is .*scale.* where it is read and .* where it is written"):
        converter_of(job.target).lower(job)


@pytest.mark.parametrize("target", ("onnx", "executorch"))
def test_ranges_are_the_union_over_all_samples(made, target):
    """The largest value of one sample is kept, not averaged. Core ML uses the same meter as ExecuTorch."""
    job = made.job(target)
    if target == "onnx":
        import onnx

        from edgeshift.converters.onnx.layout import states_last
        from edgeshift.converters.onnx.quantize import measure

        model = states_last(onnx.load_from_string(job.shared["onnx"]))
        whole, *parts = (measure(model, samples) for samples in (job.samples, *([s] for s in job.samples)))
    else:
        from edgeshift.converters.executorch.export import export_step
        from edgeshift.converters.quantization.meter import tied_ranges

        module = export_step(job, ChannelsLastMemory(job.step).eval(), tuple(memory_example(job).values()))
        names = job.step.state_names
        whole, *parts = (tied_ranges(module, s, names) for s in (job.samples, *([s] for s in job.samples)))
    assert len(whole) > 100
    for name, (low, high) in whole.items():
        np.testing.assert_allclose((low, high), (min(p[name][0] for p in parts), max(p[name][1] for p in parts)))
