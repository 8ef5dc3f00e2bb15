"""The ONNX target: the graph's names and operators, its boundary, its state, and what is refused."""

from __future__ import annotations

import collections

import msgspec
import numpy as np
import pytest

from edgeshift.artifact.file import read_artifact
from edgeshift.checkpoints.source import untrained_source
from edgeshift.converters import Options, convert
from edgeshift.converters.onnx import target as onnx_target
from edgeshift.converters.onnx.graph import boundary, read_graph
from edgeshift.converters.onnx.qdq import Form, Grid, measure, quantize
from edgeshift.converters.quantization.ranges import groups
from edgeshift.errors import CheckFailedError, ConversionError
from edgeshift.runtimes import load
from edgeshift.runtimes.pytorch import reference
from edgeshift.stream.selfcheck import check_frames, self_check
from edgeshift.targets import find_target

onnx = pytest.importorskip("onnx")
pytestmark = pytest.mark.slow

PRECISIONS = {"tsm": ("fp32", "fp16", "int8"), "stsm": ("fp32", "int8"), "tsam": ("int8",), "tsn": ("int8",)}
ALL = [(table, precision) for table, precisions in PRECISIONS.items() for precision in precisions]


def model_of(made, *what, **options):
    return onnx.load_from_string(read_artifact(made(*what, "onnx", **options).path).body)


def grid_of(model, name):
    """(scale, zero point, type) of an int8 tensor at the boundary, read by the tests themselves."""
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    (found,) = [
        tuple(node.input[1:3])
        for node in model.graph.node
        if (node.op_type, name) in (("DequantizeLinear", node.input[0]), ("QuantizeLinear", node.output[0]))
    ]
    return float(constants[found[0]]), int(constants[found[1]]), constants[found[1]].dtype


@pytest.mark.parametrize(("table", "precision"), ALL, ids="-".join)
def test_checker_is_content(made, table, precision):
    """The file as it lies on the disk, metadata and all, in the oldest operator set that has what it needs."""
    path = made(table, precision, "onnx").path
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(str(path))
    assert [(d.domain, d.version) for d in model.opset_import] == [("", 17)]
    assert model.ir_version == 8
    assert {node.domain for node in model.graph.node} == {""}


def test_names(made):
    artifact = made("tsm", "int8", "onnx")
    model = model_of(made, "tsm", "int8")
    states = [state.name for state in artifact.result.spec.states]
    assert states[0] == "state_features_3" and len(states) == 10
    assert [value.name for value in model.graph.input] == ["frame", *states]
    assert [value.name for value in model.graph.output] == ["logits", *(f"next_{name}" for name in states)]


def test_nothing_of_this_machine_is_in_the_file(made):
    """The exporter notes the path of every line of Python that it traced."""
    data = made("tsm", "fp32", "onnx").path.read_bytes()
    for words in (b".py", b"/home", b"/work", b"site-packages", b"stack_trace"):
        assert words not in data


@pytest.mark.parametrize("table", ["tsm", "stsm", "tsam"])
def test_state_in_and_out_share_scale(made, table):
    """Read from the graph itself: carrying a state is a copy of bytes."""
    artifact = made(table, "int8", "onnx")
    model = model_of(made, table, "int8")
    kinds = {v.name: v.type.tensor_type.elem_type for v in (*model.graph.input, *model.graph.output)}
    assert len(artifact.result.spec.states) == (11 if table == "tsam" else 10)
    for state in artifact.result.spec.states:
        ends = state.name, f"next_{state.name}"
        assert grid_of(model, ends[0]) == grid_of(model, ends[1]) == (state.scale, state.zero_point, np.int8)
        assert {kinds[end] for end in ends} == {onnx.TensorProto.INT8} and state.dtype == "int8"


@pytest.mark.parametrize("table", ["tsm", "stsm"])
def test_int8_runs_in_integers(made, table):
    """After ONNX Runtime's fusions: no float operator, conversions only at the ends, one transpose (the frame's)."""
    spec = made(table, "int8", "onnx").result.spec
    operators = spec.graph.operators
    ends = len(spec.states) + 1
    assert operators["QuantizeLinear"] == operators["DequantizeLinear"] == 2 * ends
    assert operators["Transpose"] == 1
    assert operators["QLinearConv"] == (62 if table == "stsm" else 52)
    assert set(operators) <= {
        *("QLinearConv", "QLinearConcat", "QLinearAdd", "QLinearGlobalAveragePool", "QGemm", "Split", "Reshape"),
        *("QuantizeLinear", "DequantizeLinear", "Transpose"),
    }


def test_activations_are_unsigned_inside(made):
    """int8 is a tenth of the speed on x86-64; a graph that is int8 inside would pass every other test."""
    model = model_of(made, "tsm", "int8")
    kinds = {t.name: t.data_type for t in model.graph.initializer}
    ends = {v.name for v in (*model.graph.input, *model.graph.output)}
    made_of = collections.Counter(
        (node.op_type, kinds[node.input[2]])
        for node in model.graph.node
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and not ends & {*node.input, *node.output}
    )
    proto = onnx.TensorProto
    assert made_of.pop(("QuantizeLinear", proto.UINT8)) > 80
    assert made_of.pop(("DequantizeLinear", proto.UINT8)) > 80
    assert made_of == {("DequantizeLinear", proto.INT8): 53, ("DequantizeLinear", proto.INT32): 53}  # weights, biases


@pytest.mark.parametrize("table", ["tsm", "stsm"])
def test_fp32_fuses(made, table):
    """What lies between convolutions: no Clip, one transpose (the frame's), blocks of channels left once a shift."""
    operators = made(table, "fp32", "onnx").result.spec.graph.operators
    assert operators["Conv"] == (62 if table == "stsm" else 52) and "Clip" not in operators and "Add" not in operators
    assert operators["Transpose"] == 1
    assert operators.get("ReorderOutput", 0) <= 11 and operators.get("ReorderInput", 0) <= 10


@pytest.mark.parametrize(
    ("target", "precision", "order"),
    [
        ("onnx", "fp32", "first"),
        ("onnx", "fp16", "first"),
        ("onnx", "int8", "last"),
        ("tensorrt", "fp32", "first"),
        ("tensorrt", "int8", "first"),
    ],
)
def test_order_of_the_states(made, target, precision, order):
    """As the runtime computes, so that no transpose is left; the description says which, in the file's own shapes."""
    artifact = made("tsm", precision, target)
    first, last = (1, 3, 16, 16), (1, 16, 16, 3)
    state = artifact.result.spec.states[0]
    assert (state.shape, state.channels) == ((first if order == "first" else last), order)
    model = onnx.load_from_string(read_artifact(artifact.path).body)
    shapes = {
        v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim)
        for v in (*model.graph.input, *model.graph.output)
    }
    assert shapes["state_features_3"] == shapes["next_state_features_3"] == state.shape
    assert shapes["frame"] == (1, 64, 64, 3)
    turned = [node for node in model.graph.node if node.op_type == "Transpose"]
    assert len(turned) == (1 if order == "first" else 21)


def test_the_same_bytes_twice(made, tmp_path):
    artifact = made("stsm", "int8", "onnx")
    again = convert(artifact.source, "onnx", tmp_path / "again.onnx")
    assert read_artifact(again.path).body == read_artifact(artifact.path).body


def test_fp16_halves_the_weights(made):
    model = model_of(made, "tsm", "fp16")
    halves = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
    assert len(halves) == 53
    full, half = (made("tsm", p, "onnx").result.size for p in ("fp32", "fp16"))
    assert half < 0.55 * full
    assert "Cast" not in made("tsm", "fp16", "onnx").result.spec.graph.operators  # folded when it is loaded
    assert {t.dtype for t in made("tsm", "fp16", "onnx").result.spec.states} == {"float32"}


def test_float_boundary(made):
    """Integers inside, float outside."""
    artifact = made("tsm", "int8", "onnx", float_boundary=True)
    spec = artifact.result.spec
    assert {t.dtype for t in (spec.input, spec.output, *spec.states)} == {"float32"}
    operators = spec.graph.operators
    assert operators["QuantizeLinear"] == operators["DequantizeLinear"] == 1 + len(spec.states)
    assert operators["QLinearConv"] == 52
    assert self_check(load(artifact.path)).ok


def test_untied_ranges_are_refused(made, monkeypatch):
    """Each shift has a group, with both ends of its state in it; quantized without, they differ, and that is seen."""
    from edgeshift.converters.onnx import qdq as onnx_qdq

    model = model_of(made, "tsm", "fp32")
    graph = read_graph(model)
    found = groups(graph)
    for name, index in graph.inputs.items():
        group = next(group for group in found if index in group)
        if name != "frame":
            assert graph.outputs[name] in group
            assert len(group) >= 5  # block input, two slices, state in, concatenation
    spec = made("tsm", "fp32", "onnx").result.spec
    names = {t.name: t for t in (spec.input, spec.output, *spec.states)}
    measured = {name: (0.0, 1.0 + index % 7) for index, name in enumerate(graph.names)}
    boundary(quantize(model, measured, Form()), names)
    monkeypatch.setattr(onnx_qdq, "tied", lambda graph, measured: {"frame": (0.0, 255.0)})
    with pytest.raises(ConversionError, match="where it is read and"):
        boundary(quantize(model, measured, Form()), names)


def test_a_state_whose_ends_differ_is_refused(made):
    """The last guard: scales read back from the finished graph."""
    model = model_of(made, "tsm", "int8")
    spec = made("tsm", "int8", "onnx").result.spec
    names = {t.name: t for t in (spec.input, spec.output, *spec.states)}
    assert boundary(model, names)["state_features_3"] == spec.states[0]
    (node,) = [node for node in model.graph.node if node.output[0] == "next_state_features_3"]
    other = onnx.numpy_helper.from_array(np.float32(0.5), "other")
    model.graph.initializer.append(other)
    node.input[1] = "other"
    with pytest.raises(ConversionError, match=r"state_features_3 is .* where it is read and"):
        boundary(model, names)


def test_grids():
    """Zero is always on the grid, a ReLU6 fills it, pixels are themselves, and TensorRT's are symmetric."""
    form = Form()
    assert form.grid(0, 255) == Grid(1.0, -128)
    assert form.grid(0.0, 6.0) == Grid(float(np.float32(6 / 255)), -128)
    assert form.inside(form.grid(0, 255)) == Grid(1.0, 0, np.uint8)
    assert form.grid(0, 0).scale > 0
    for low, high in ((-3.0, 1.0), (0.5, 2.0), (-4.0, -1.0)):
        grid = form.grid(low, high)
        values = np.linspace(min(low, 0), max(high, 0), 1000)
        back = (grid.stored(values).astype(float) - grid.zero_point) * grid.scale
        assert np.abs(back - values).max() <= grid.scale * 0.51 + 1e-9
        assert grid.stored(np.zeros(1))[0] == grid.zero_point
        both = grid.unsigned.stored(values).astype(int) - 128 == grid.stored(values)
        assert both.all()
        assert Form(symmetric=True).grid(low, high).zero_point == 0


def test_ranges_are_of_all_samples(made):
    """The union of what every sample met: the largest of one sample does not vanish in an average."""
    artifact = made("tsn", "int8", "onnx")
    model = onnx_target._export(_job(artifact.source))
    frames = [{"frame": np.full((1, 64, 64, 3), value, np.float32)} for value in (0, 255, 100)]
    whole, parts = measure(model, frames), [measure(model, [frame]) for frame in frames]
    assert whole["frame"] == (0, 255)
    for name, (low, high) in whole.items():
        assert low == min(p[name][0] for p in parts) and high == max(p[name][1] for p in parts)


def test_mutated_buffer_is_refused(tmp_path):
    """The exporter takes it without an error and its first frame is right: only parity over frames refuses it."""
    from test_tflite import BufferedStep

    from edgeshift.artifact.file import Artifact
    from edgeshift.models.deploy import deploy
    from edgeshift.runtimes.onnxruntime import open_artifact

    source = untrained_source(size=64)
    step = BufferedStep(deploy(source.network))
    lowered = onnx_target.lower(_job(source, step))
    spec = msgspec.structs.replace(source.describe("onnx", step=step), states=lowered.states)
    broken = open_artifact(Artifact(tmp_path / "broken.onnx", spec, lowered.body))
    one, original = broken.stream(), reference(source).stream()
    first, second = [(one.step(f).logits, original.step(f).logits) for f in check_frames(1, 2, 64, 64)]
    assert np.abs(first[0] - first[1]).max() < 1e-4  # frame 0 passes
    assert np.abs(second[0] - second[1]).max() > 1e-2  # the state is gone

    out = tmp_path / "refused.onnx"
    with pytest.raises(CheckFailedError, match="not equal to the original over 32 frames, and was not written"):
        convert(source, "onnx", out, Options(precision="fp32"), step=BufferedStep(deploy(source.network)))
    assert list(tmp_path.iterdir()) == []


def test_int8_that_stays_float_is_refused(monkeypatch, tmp_path):
    """Asked for int8 and not able to: an error, never a float file."""
    from edgeshift.converters.onnx import target

    monkeypatch.setattr(target, "quantize", lambda model, measured, form: model)
    with pytest.raises(ConversionError, match=r"still computes .*Conv.* in float; it was not written"):
        convert(untrained_source(size=64), "onnx", tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_one_frame_of_the_past_that_is_counted(tmp_path):
    """TSAM of depth one: the next count of frames is a constant, which no operator makes."""
    source = untrained_source("tsam_mobilenet_v2", size=64, depth=1)
    result = convert(source, "onnx", tmp_path / "a.onnx")
    assert "state_seen" in {state.name for state in result.spec.states}
    onnx.checker.check_model(str(result.path), full_check=True)


def test_resnet50_int8(made):
    """The other backbone: its max pool and sixteen shifts run in integers too."""
    result = made("tsm_resnet50", "int8", "onnx").result
    graph = result.spec.graph
    assert graph is not None and not {"Conv", "MaxPool", "Gemm", "Add", "Concat"} & graph.operators.keys()
    assert graph.operators["Transpose"] == 1
    assert graph.operators["QuantizeLinear"] == 2 * 17 + 1  # the one too many is the pad before the pool
    assert len(result.spec.states) == 16


def _job(source, step=None):
    from edgeshift._system.progress import Stages
    from edgeshift.converters.job import Job
    from edgeshift.models.deploy import deploy

    return Job(find_target("onnx"), source, step or deploy(source.network), "fp32", [], False, Stages())
