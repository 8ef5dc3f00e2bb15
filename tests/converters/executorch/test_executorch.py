"""The ExecuTorch target: one delegate call, the state inside and outside it, and what is refused."""

from __future__ import annotations

import copy
import dataclasses
import warnings

import numpy as np
import pytest

from edgeshift._system.threads import one_thread
from edgeshift.artifact.file import read_artifact
from edgeshift.checkpoints.source import untrained_source
from edgeshift.converters import Options, convert
from edgeshift.converters.executorch import target as executorch_target
from edgeshift.converters.quantization.ranges import groups
from edgeshift.errors import CheckFailedError, ConversionError, EdgeshiftError
from edgeshift.runtimes import load
from edgeshift.runtimes.pytorch import reference
from edgeshift.stream.selfcheck import check_frames, self_check
from edgeshift.targets import find_target

pytest.importorskip("executorch")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.slow

CALLS = [(table, precision) for table in ("tsm", "stsm", "tsam") for precision in ("fp32", "int8")]
FRAMES = check_frames(5, 12, 64, 64)


def delegate_of(made, *what, **options):
    """XNNPACK's own graph, and the program's other calls, as they are in the file."""
    from edgeshift.converters.executorch.graph import read_delegate, read_program

    plan, delegates = read_program(read_artifact(made(*what, "executorch", **options).path).body)
    assert [kind for kind, _ in delegates] == ["XnnpackBackend"]
    calls = [type(instruction.instr_args).__name__ for instruction in plan.chains[0].instructions]
    return read_delegate(delegates[0][1]), calls


def transposed(graph):
    """The dimensions of what is transposed."""
    unions = [value["xvalue_union"] for value in graph["xvalues"]]
    dims = {tensor["id_out"]: tensor["dims"] for tensor in (union.get("tensor_value", union) for union in unions)}
    nodes = [node["xnode_union"] for node in graph["xnodes"] if node["xnode_union_type"] == "XNNStaticTranspose"]
    return [dims[node["input_id"]] for node in nodes]


def ends_of(graph, side):
    """(shape, scale, zero point) of the delegate's int8 inputs or outputs, in the order they are given."""
    found = []
    for value in graph["xvalues"]:
        union = value["xvalue_union"]
        tensor = union.get("tensor_value", union)
        if tensor["id_out"] in graph[f"{side}_ids"]:
            assert tensor["datatype"] == "xnn_datatype_qint8"
            grid = union["quant_params"]
            found.append((tensor["external_id"], tuple(tensor["dims"]), grid["scale"], grid["zero_point"]))
    return [rest for _, *rest in sorted(found)]


def answers(stream, frames=FRAMES):
    return np.stack([stream.step(frame).logits for frame in frames])


@pytest.mark.parametrize(("table", "precision"), CALLS, ids=lambda value: value)
def test_one_delegate_call(made, table, precision):
    """Nothing outside it, nothing converted inside, and nothing transposed but the head's one pixel."""
    spec = made(table, precision, "executorch").result.spec
    graph, calls = delegate_of(made, table, precision)
    assert calls == ["DelegateCall"]
    assert (spec.graph.partitions, spec.graph.delegated, spec.graph.outside) == (1, 1.0, {})
    kinds = [node["xnode_union_type"] for node in graph["xnodes"]]
    assert "XNNConvert" not in kinds
    assert kinds.count("XNNStaticTranspose") == 1 or table == "tsam"  # which reads flags, one value each, from a state
    assert all(sum(size > 1 for size in dims) <= 1 for dims in transposed(graph))
    assert kinds.count("XNNConv2d") + kinds.count("XNNDepthwiseConv2d") == (62 if table == "stsm" else 52)
    assert "XNNClamp" not in kinds  # fused into the convolutions
    assert sum(spec.graph.operators.values()) == len(kinds)


@pytest.mark.parametrize(("layout", "more"), [("channels first", 21), ("channels last in shape", 42)])
def test_other_layouts_transpose_more(made, layout, more):
    """Why tensors are channels last in memory: the frame and both ends of every state would be transposed, or twice."""
    from edgeshift.converters.channels_last import ChannelsLast, example, memory_example
    from edgeshift.converters.executorch.export import export_step

    job, _ = _exported(made("tsm", "fp32", "executorch").source)
    job = dataclasses.replace(job, precision="fp32")
    if layout == "channels first":
        module, inputs = job.step, [tensor.contiguous() for tensor in memory_example(job).values()]
    else:
        module, inputs = ChannelsLast(job.step), list(example(job).values())
    _, graph = _lowered(job, export_step(job, module.eval(), tuple(inputs)), inputs)
    assert graph.partitions == 1 and graph.operators["StaticTranspose"] == 1 + more


def test_the_stock_quantizer_converts_inside(made, monkeypatch):
    """Why there is a quantizer of our own: this one leaves slices in float and measures before a ReLU6."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )

    from edgeshift.converters.channels_last import memory_example
    from edgeshift.converters.executorch import pt2e as executorch_pt2e

    job, step = _exported(made("tsm", "int8", "executorch").source)
    stock = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    monkeypatch.setattr(executorch_pt2e, "_quantizer", lambda: stock)
    monkeypatch.setattr(executorch_pt2e, "_tie", lambda prepared, graph: None)
    monkeypatch.setattr(executorch_pt2e, "_boundary", lambda module, names, strip: [])
    module, _ = executorch_pt2e.quantize(job, step)
    _, graph = _lowered(job, module, memory_example(job).values())
    assert graph.operators["Convert"] > 20 and graph.operators["Clamp"] == 35
    with pytest.raises(ConversionError, match="conversions between float and int8 inside; it was not written"):
        executorch_target._require_int8(graph, False, 10)


def test_a_buffer_is_written_and_no_more(made):
    _, calls = delegate_of(made, "tsm", "int8", state="buffer")
    assert calls == ["DelegateCall", *["KernelCall"] * 10]
    graph = made("tsm", "int8", "executorch", state="buffer").result.spec.graph
    assert graph.outside == {"copy_": 10} and graph.delegated == 1.0


@pytest.mark.parametrize("table", ["tsm", "stsm", "tsam"])
def test_state_in_and_out_share_scale(made, table):
    """Read from the delegate itself: carrying a state is a copy of bytes."""
    states = made(table, "int8", "executorch").result.spec.states
    assert len(states) == (11 if table == "tsam" else 10)
    graph, _ = delegate_of(made, table, "int8")
    inputs = [end for end in ends_of(graph, "input") if end[1] != 1.0]  # the frame and its border
    outputs = ends_of(graph, "output")
    logits = [end for end in outputs if len(end[0]) == 2]
    wanted = sorted((round(state.scale, 6), state.zero_point) for state in states)
    assert {(scale, zero) for _, scale, zero in inputs} == set(wanted)  # among them a constant that is put into one
    assert sorted((scale, zero) for shape, scale, zero in outputs if len(shape) == 4) == wanted
    assert len(logits) == 1


def test_untied_ranges_are_refused(made, monkeypatch):
    """Each shift has a group, with both ends of its state in it; quantized without, they differ, and that is seen."""
    from edgeshift.converters.executorch import pt2e as executorch_pt2e

    source = made("tsm", "int8", "executorch").source
    job, step = _exported(source)
    graph = executorch_pt2e.read_graph(step, ("frame", *job.step.state_names))
    found = groups(graph)
    for name, index in graph.inputs.items():
        group = next(group for group in found if index in group)
        if name != "frame":
            assert graph.outputs[name] in group
            assert len(group) >= 5  # block input, two slices, state in, concatenation
    _, grids = executorch_pt2e.quantize(job, _copied(step))
    assert len(grids) == 12
    monkeypatch.setattr(executorch_pt2e, "tied", lambda graph, measured: {"frame": (0.0, 255.0)})
    with pytest.raises(ConversionError, match="where it is read and"):
        executorch_pt2e.quantize(job, _copied(step))


def test_ranges_are_of_all_samples(made):
    """The largest value of one sample does not vanish in an average."""
    from edgeshift.converters.executorch import pt2e as executorch_pt2e

    job, step = _exported(made("tsm", "int8", "executorch").source)
    whole = executorch_pt2e.quantize(job, _copied(step))[1]
    parts = []
    for sample in job.samples:
        parts.append(executorch_pt2e.quantize(dataclasses.replace(job, samples=[sample]), _copied(step))[1])
    for index, grid in enumerate(whole):
        assert grid.scale >= max(part[index].scale for part in parts) * (1 - 1e-6)


def test_fp16_computes_in_fp16(made):
    """Tensors are float16 in the delegate and at the boundary; the weights of convolutions are float32 in the file."""
    spec = made("tsm", "fp16", "executorch").result.spec
    assert {tensor.dtype for tensor in (spec.input, spec.output, *spec.states)} == {"float16"}
    assert spec.state_bytes == sum(2 * state.values for state in spec.states)
    graph, _ = delegate_of(made, "tsm", "fp16")
    made_here = [v["xvalue_union"] for v in graph["xvalues"] if not v["xvalue_union"].get("constant_buffer_idx")]
    assert {tensor["datatype"] for tensor in made_here} == {"xnn_datatype_fp16"}


def test_buffers_give_the_same_answers(made):
    """From the first frame on, to the bit, with the values that are in the file."""
    plain, kept = (made("tsm", "int8", "executorch", **o) for o in ({}, {"state": "buffer"}))
    assert kept.result.spec.state_form == "buffer" and plain.result.spec.state_form == "io"
    a, b = load(plain.path).stream(), load(kept.path).stream()
    for frame in FRAMES:
        np.testing.assert_array_equal(a.step(frame).logits, b.step(frame).logits)
        for name, state in a.state.items():
            np.testing.assert_array_equal(state, b.state[name])


def test_a_wrong_beginning_is_refused(tmp_path, monkeypatch):
    """A buffer holds what was last written into it; from the second frame on the logits are right again."""
    target = executorch_target

    class Used(target.Buffered):  # type: ignore[name-defined, misc]
        def __init__(self, step, starts):
            super().__init__(step, {name: start + 3 for name, start in starts.items()})

    monkeypatch.setattr(target, "Buffered", Used)
    with pytest.raises(CheckFailedError, match="not equal to the original over 32 frames") as caught:
        convert(untrained_source(size=64), "executorch", tmp_path / "a.pte", Options("fp32", state="buffer"))
    assert "after a reset the same frames gave other logits" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_float_boundary(made):
    """Integers inside, float outside."""
    artifact = made("tsm", "int8", "executorch", float_boundary=True)
    spec = artifact.result.spec
    assert {t.dtype for t in (spec.input, spec.output, *spec.states)} == {"float32"}
    assert spec.graph.operators["Convert"] == 2 * (1 + len(spec.states))
    assert (spec.graph.partitions, spec.graph.outside) == (1, {})
    assert self_check(load(artifact.path)).ok


def test_states_are_those_of_a_plain_run(made):
    """The same frames through ExecuTorch's own face with tensors carried by hand: what a stranger would write."""
    from executorch.runtime import Runtime

    artifact = made("tsm", "int8", "executorch")
    spec = artifact.result.spec
    program = Runtime.get().load_program(artifact.path.read_bytes())  # with our zip behind it
    method = program.load_method("forward")
    channels_last = torch.channels_last
    states = [
        torch.full((1, s.shape[3], *s.shape[1:3]), s.zero_point, dtype=torch.int8).to(memory_format=channels_last)
        for s in spec.states
    ]
    stream = load(artifact.path).stream()
    for frame in FRAMES:
        pixels = (torch.from_numpy(frame.copy()).short() - 128).to(torch.int8)[None].permute(0, 3, 1, 2)
        logits, *states = method.execute([pixels, *states])
        real = (logits.numpy()[0].astype(np.float32) - spec.output.zero_point) * np.float32(spec.output.scale)
        np.testing.assert_array_equal(stream.step(frame).logits, real)
    for state, ours in zip(states, stream.state.values(), strict=True):
        np.testing.assert_array_equal(state.permute(0, 2, 3, 1).numpy(), ours)


def test_threads_are_the_process_s(made):
    """They cannot be changed under a loaded program, which would crash."""
    path = made("tsm", "int8", "executorch").path
    assert "1 thread)" in load(path).runtime
    with pytest.raises(
        EdgeshiftError, match=r"runs with 1 thread in this process, which cannot be changed to 2"
    ) as caught:
        load(path, threads=2)
    assert "\n" not in str(caught.value)


def test_coreml_is_lowered_and_not_verified(tmp_path, capsys):
    """Written on Linux, run on Apple's systems: no parity is claimed, and the device gets the original's answers."""
    pytest.importorskip("coremltools")
    source = untrained_source(size=64)
    result = convert(source, "executorch", tmp_path / "a.pte", Options("fp16", backend="coreml"))
    spec = result.spec
    assert spec.parity is None and result.unproven is not None and "not verified on this platform" in result.unproven
    assert spec.graph is not None and spec.graph.backend == "coreml"
    assert (spec.graph.partitions, spec.graph.outside) == (1, {})
    assert spec.input.shape == (1, 64, 64, 3) and spec.input.dtype == "float32"
    from edgeshift.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["inspect", str(result.path)])
    assert ended.value.code in (None, 0) and "not verified when it was made" in capsys.readouterr().out
    assert spec.check is not None
    stream = reference(source).stream()
    with one_thread():
        own = np.stack([stream.step(frame).logits for frame in check_frames(spec.check.seed, 8, 64, 64)])
    np.testing.assert_allclose(spec.check.logits, own, atol=1e-4)
    with pytest.raises(EdgeshiftError, match=r"made for coreml, which this ExecuTorch \S+ has not") as caught:
        load(result.path)
    assert "\n" not in str(caught.value)


def test_resnet50_int8(made):
    """The other backbone: its max pool and sixteen shifts run in the one delegate too."""
    result = made("tsm_resnet50", "int8", "executorch").result
    graph = result.spec.graph
    assert graph is not None and (graph.partitions, graph.outside) == (1, {})
    assert "Convert" not in graph.operators and graph.operators["StaticTranspose"] == 1
    assert len(result.spec.states) == 16


def _exported(source):
    """A job with a few samples, and the float step as it is exported for it."""
    from edgeshift._system.progress import Stages
    from edgeshift.converters.calibration import roll
    from edgeshift.converters.channels_last import ChannelsLastMemory, memory_example
    from edgeshift.converters.executorch.export import export_step
    from edgeshift.converters.job import Job
    from edgeshift.gestures.fitted_clips import drawn_clips
    from edgeshift.models.deploy import deploy

    step = deploy(source.network)
    samples = list(roll(step, drawn_clips(source.description.frame, 1).frames))
    job = Job(find_target("executorch"), source, step, "int8", samples, False, Stages(), "io", "xnnpack")
    return job, export_step(job, ChannelsLastMemory(step).eval(), tuple(memory_example(job).values()))


def _copied(module):
    """A copy of a graph, which quantizing uses up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        return copy.deepcopy(module)


def _lowered(job, module, inputs):
    """A module lowered as the converter would: (program, graph)."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    from edgeshift.converters.executorch.export import export

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return executorch_target._lower(job, export(job, module, tuple(inputs)), XnnpackPartitioner())
