"""The target ExecuTorch: one delegate call, states inside and outside the program, and conversions it refuses."""

from __future__ import annotations

import warnings
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from edgeshift._system.progress import Stages
from edgeshift._system.threads import one_thread
from edgeshift.artifact.file import read_artifact
from edgeshift.checkpoints.source import untrained_source
from edgeshift.converters import ClipOptions, Options, convert
from edgeshift.converters.executorch import target as executorch_target
from edgeshift.errors import CheckFailedError, EdgeshiftError
from edgeshift.models.untrained import initial_network
from edgeshift.runtimes import load
from edgeshift.runtimes.pytorch import reference
from edgeshift.stream.selfcheck import check_frames, self_check
from edgeshift.targets import TARGETS

pytest.importorskip("executorch")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.slow

CALLS = [(table, precision) for table in ("tsm", "stsm", "tsam") for precision in ("fp32", "int8")]
FRAMES = check_frames(5, 12, 64, 64)


def delegate_of(made, *what, **options):
    """Return XNNPACK's graph and the kinds of the program's calls, read from the file."""
    from edgeshift.converters.executorch.graph import read_delegate, read_program

    plan, delegates = read_program(read_artifact(made(*what, "executorch", **options).path).body)
    assert [kind for kind, _ in delegates] == ["XnnpackBackend"]
    calls = [type(instruction.instr_args).__name__ for instruction in plan.chains[0].instructions]
    return read_delegate(delegates[0][1]), calls


def transposed(graph):
    """Return the shapes of the tensors that the graph transposes."""
    unions = [value["xvalue_union"] for value in graph["xvalues"]]
    dims = {tensor["id_out"]: tensor["dims"] for tensor in (union.get("tensor_value", union) for union in unions)}
    nodes = [node["xnode_union"] for node in graph["xnodes"] if node["xnode_union_type"] == "XNNStaticTranspose"]
    return [dims[node["input_id"]] for node in nodes]


def ends_of(graph, side):
    """Return [(shape, scale, zero point)] of the delegate's int8 inputs or outputs, in their order."""
    ends = []
    for value in graph["xvalues"]:
        union = value["xvalue_union"]
        tensor = union.get("tensor_value", union)
        if tensor["id_out"] in graph[f"{side}_ids"]:
            assert tensor["datatype"] == "xnn_datatype_qint8"
            grid = union["quant_params"]
            ends.append((tensor["external_id"], tuple(tensor["dims"]), grid["scale"], grid["zero_point"]))
    return [rest for _, *rest in sorted(ends)]


@pytest.mark.parametrize(("table", "precision"), CALLS, ids=lambda value: value)
def test_one_delegate_call(made, table, precision):
    """All operators are in the delegate, none converts, and the only transpose is that of the pooled features."""
    spec = made(table, precision, "executorch").result.spec
    graph, calls = delegate_of(made, table, precision)
    assert calls == ["DelegateCall"]
    assert (spec.graph.partitions, spec.graph.delegated, spec.graph.outside) == (1, 1.0, {})
    kinds = [node["xnode_union_type"] for node in graph["xnodes"]]
    assert "XNNConvert" not in kinds
    assert kinds.count("XNNStaticTranspose") == 1 or table == "tsam"  # TSAM reads flags from a state, one value each
    assert all(sum(size > 1 for size in dims) <= 1 for dims in transposed(graph))
    assert kinds.count("XNNConv2d") + kinds.count("XNNDepthwiseConv2d") == (62 if table == "stsm" else 52)
    assert "XNNClamp" not in kinds  # fused into the convolutions
    assert sum(spec.graph.operators.values()) == len(kinds)


@pytest.mark.parametrize(("layout", "more"), [("channels first", 21), ("channels last in shape", 42)])
def test_other_layouts_transpose_more(made, layout, more):
    """With other layouts than the converter's, XNNPACK transposes the frame and each state's input and output."""
    from edgeshift.converters.channels_last import ChannelsLast, example, memory_example
    from edgeshift.converters.executorch.export import export_step

    job = made.job("executorch", "fp32")
    if layout == "channels first":
        module, inputs = job.step, [tensor.contiguous() for tensor in memory_example(job).values()]
    else:
        module, inputs = ChannelsLast(job.step), list(example(job).values())
    _, graph = _lowered(job, export_step(job, module.eval(), tuple(inputs)), inputs)
    assert graph.partitions == 1 and graph.operators["StaticTranspose"] == 1 + more


def test_only_writes_to_buffers_are_outside_the_delegate(made):
    _, calls = delegate_of(made, "tsm", "int8", state="buffer")
    assert calls == ["DelegateCall", *["KernelCall"] * 10]
    graph = made("tsm", "int8", "executorch", state="buffer").result.spec.graph
    assert graph.outside == {"copy_": 10} and graph.delegated == 1.0


@pytest.mark.parametrize("table", ["tsm", "stsm", "tsam"])
def test_state_in_and_out_share_scale(made, table):
    """A state's input and output have the same scale and zero point, so a state is fed back by copying its bytes."""
    states = made(table, "int8", "executorch").result.spec.states
    assert len(states) == (11 if table == "tsam" else 10)
    graph, _ = delegate_of(made, table, "int8")
    inputs = [end for end in ends_of(graph, "input") if end[1] != 1.0]  # not the frame, and not its border
    outputs = ends_of(graph, "output")
    logits = [end for end in outputs if len(end[0]) == 2]
    wanted = sorted((round(state.scale, 6), state.zero_point) for state in states)
    # A set, because constants that are concatenated with states have their grids.
    assert {(scale, zero) for _, scale, zero in inputs} == set(wanted)
    assert sorted((scale, zero) for shape, scale, zero in outputs if len(shape) == 4) == wanted
    assert len(logits) == 1


def test_fp16_computes_in_fp16(made):
    """Tensors are float16 in the delegate and at the boundary; the weights of convolutions are float32 in the file."""
    spec = made("tsm", "fp16", "executorch").result.spec
    assert {tensor.dtype for tensor in (spec.input, spec.output, *spec.states)} == {"float16"}
    assert spec.state_bytes == sum(2 * state.values for state in spec.states)
    graph, _ = delegate_of(made, "tsm", "fp16")
    computed = [v["xvalue_union"] for v in graph["xvalues"] if not v["xvalue_union"].get("constant_buffer_idx")]
    assert {tensor["datatype"] for tensor in computed} == {"xnn_datatype_fp16"}


def test_buffers_give_the_same_logits_and_states(made):
    """Logits are bit-identical from the first frame on, because the start values of the states are in the file."""
    plain, kept = (made("tsm", "int8", "executorch", **o) for o in ({}, {"state": "buffer"}))
    assert kept.result.spec.state_form == "buffer" and plain.result.spec.state_form == "io"
    a, b = load(plain.path).stream(), load(kept.path).stream()
    for frame in FRAMES:
        np.testing.assert_array_equal(a.step(frame).logits, b.step(frame).logits)
        for name, state in a.state.items():
            np.testing.assert_array_equal(state, b.state[name])


def test_wrong_start_values_are_refused(tmp_path, monkeypatch):
    """Wrong start values change only the first frames; later logits are right again."""
    target = executorch_target

    class WrongStart(target.Buffered):  # type: ignore[name-defined, misc]
        def __init__(self, step, starts):
            super().__init__(step, {name: start + 3 for name, start in starts.items()})

    monkeypatch.setattr(target, "Buffered", WrongStart)
    with pytest.raises(CheckFailedError, match="does not match the original over 32 frames") as caught:
        convert(untrained_source(size=64), "executorch", tmp_path / "a.pte", Options("fp32", state="buffer"))
    assert "the same frames gave other logits after a reset" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_float_boundary(made):
    """The graph computes in integers; its inputs and outputs are float."""
    artifact = made("tsm", "int8", "executorch", float_boundary=True)
    spec = artifact.result.spec
    assert {t.dtype for t in (spec.input, spec.output, *spec.states)} == {"float32"}
    assert spec.graph.operators["Convert"] == 2 * (1 + len(spec.states))
    assert (spec.graph.partitions, spec.graph.outside) == (1, {})
    assert self_check(load(artifact.path)).ok


def test_executorch_itself_gives_the_same_logits_and_states(made):
    """The caller of ExecuTorch's own interface feeds the states back."""
    from executorch.runtime import Runtime

    artifact = made("tsm", "int8", "executorch")
    spec = artifact.result.spec
    program = Runtime.get().load_program(artifact.path.read_bytes())  # with edgeshift's zip trailer at the end
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


def test_all_programs_share_one_number_of_threads(made):
    """The number of threads cannot change once a program is loaded: the program would crash."""
    path = made("tsm", "int8", "executorch").path
    assert "1 thread)" in load(path).runtime
    with pytest.raises(
        EdgeshiftError, match=r"runs with 1 thread in this process, which cannot be changed to 2"
    ) as caught:
        load(path, threads=2)
    assert "\n" not in str(caught.value)


def test_coreml_is_lowered_and_not_verified(tmp_path, capsys):
    """The file is written on Linux without parity figures. Its self-check has the logits of the original."""
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
    assert ended.value.code in (None, 0) and "the machine of the conversion could not run it" in capsys.readouterr().out
    assert spec.check is not None
    stream = reference(source).stream()
    with one_thread():
        own = np.stack([stream.step(frame).logits for frame in check_frames(spec.check.seed, 8, 64, 64)])
    np.testing.assert_allclose(spec.check.logits, own, atol=1e-4)
    with pytest.raises(EdgeshiftError, match=r"made for coreml, which this ExecuTorch \S+ does not have") as caught:
        load(result.path)
    assert "\n" not in str(caught.value)


def test_resnet50_int8(made):
    """In ResNet-50, the max pool and the sixteen shifts run in the delegate, too."""
    result = made("tsm_resnet50", "int8", "executorch").result
    graph = result.spec.graph
    assert graph is not None and (graph.partitions, graph.outside) == (1, {})
    assert "Convert" not in graph.operators and graph.operators["StaticTranspose"] == 1
    assert len(result.spec.states) == 16


@pytest.mark.parametrize("state", ["io", "buffer"])
def test_tsam_of_depth_1_int8(tmp_path, state):
    """Its frame counter is one value, which becomes 1 after the first frame."""
    source = untrained_source("tsam_mobilenet_v2", size=64, depth=1)
    options = Options(precision="int8", state=state, calibration="drawn")
    result = convert(source, "executorch", tmp_path / "k1.pte", options)
    assert result.spec.parity is not None and not result.spec.problems
    assert result.spec.graph.partitions == 1 and "Convert" not in result.spec.graph.operators
    assert len(result.spec.states) == 11  # ten places and the counter


@pytest.mark.parametrize("frames", [4, 6])
def test_temporal_pooling_int8(tmp_path, frames):
    """ExecuTorch has no int8 maximum of tensors, so the frames are pooled as rows of a picture."""
    plain = untrained_source("tsm_resnet18", size=64)
    config = msgspec.structs.replace(plain.config, bidirectional=True, temporal_pool=True)
    clips = torch.from_numpy(np.stack([FRAMES[:frames], FRAMES[frames : 2 * frames]]))
    network = initial_network(config, clips.permute(0, 1, 4, 2, 3).float())
    options = Options(precision="int8", clip=ClipOptions(frames))
    spec = convert(replace(plain, network=network), "executorch", tmp_path / "a.pte", options).spec
    assert spec.graph.partitions == 1 and spec.graph.delegated == 1.0 and "Convert" not in spec.graph.operators
    assert spec.parity.cosine > 0.99 and spec.problems == ()
    assert spec.graph.operators["MaxPooling2d"] == 2  # the network's own, and that of the frames


def test_numbers_become_tensors():
    """Numbers that look alike with a few digits stay apart, also negative ones."""
    from edgeshift.converters.executorch.export import export_step
    from edgeshift.converters.job import Job

    class Numbers(torch.nn.Module):
        def forward(self, x):
            return (x * (1 / 6)).add_(-3) * 0.16666712 + torch.add(x, 3, alpha=2)

    source = untrained_source("tsm_mobilenet_v2", size=64)
    job = Job(TARGETS["executorch"], source, source.network.step(), "fp32", (), float_boundary=False, stages=Stages())
    x = torch.linspace(-2, 2, 8).reshape(1, 2, 2, 2)
    module = export_step(job, Numbers(), (x,))
    constants = [module.get_buffer(node.target) for node in module.graph.nodes if node.op == "get_attr"]
    assert sorted(float(value) for value in constants) == pytest.approx([-3, 1 / 6, 0.16666712], rel=1e-7)
    assert torch.equal(module(x.clone()), Numbers()(x.clone()))


def _lowered(job, module, inputs):
    """Lower a module as the converter does, and return (program, graph)."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    from edgeshift.converters.executorch.export import export

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return executorch_target._lower(job, export(job, module, tuple(inputs)), XnnpackPartitioner())
