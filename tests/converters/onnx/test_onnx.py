"""The target ONNX: names and operators of the graph, its inputs and outputs, its states, and conversions it refuses."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from edgeshift.artifact.file import read_artifact
from edgeshift.checkpoints.source import untrained_source
from edgeshift.converters import convert
from edgeshift.converters.onnx import target as onnx_target
from edgeshift.converters.onnx.graph import boundary
from edgeshift.errors import ConversionError
from edgeshift.runtimes import load
from edgeshift.stream.selfcheck import self_check

onnx = pytest.importorskip("onnx")
pytestmark = pytest.mark.slow

PRECISIONS = {"tsm": ("fp32", "fp16", "int8"), "stsm": ("fp32", "int8"), "tsam": ("int8",), "tsn": ("int8",)}
ALL = [(table, precision) for table, precisions in PRECISIONS.items() for precision in precisions]


def model_of(made, *what, **options):
    return onnx.load_from_string(read_artifact(made(*what, "onnx", **options).path).body)


def grid_of(model, name):
    """Return (scale, zero point, type) of an int8 input or output, read without edgeshift's own reader."""
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    (grid,) = [
        tuple(node.input[1:3])
        for node in model.graph.node
        if (node.op_type, name) in (("DequantizeLinear", node.input[0]), ("QuantizeLinear", node.output[0]))
    ]
    return float(constants[grid[0]]), int(constants[grid[1]]), constants[grid[1]].dtype


@pytest.mark.parametrize(("table", "precision"), ALL, ids="-".join)
def test_the_file_passes_the_checker_of_onnx(made, table, precision):
    """The written file, with edgeshift's metadata in it, is valid and uses an old operator set."""
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


def test_the_file_holds_no_paths_of_this_machine(made):
    """The exporter adds paths of the Python files that it traced. The converter removes them."""
    data = made("tsm", "fp32", "onnx").path.read_bytes()
    for words in (b".py", b"/home", b"/work", b"site-packages", b"stack_trace"):
        assert words not in data


@pytest.mark.parametrize("table", ["tsm", "stsm", "tsam"])
def test_state_in_and_out_share_scale(made, table):
    """A state's input and output have the same scale and zero point, so a state is fed back by copying its bytes."""
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
    """After ONNX Runtime's fusions, there are no float operators, no conversions inside, and one transpose (frame)."""
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
    """Signed activations would pass every other test, but run at a tenth of the speed on x86-64."""
    model = model_of(made, "tsm", "int8")
    kinds = {t.name: t.data_type for t in model.graph.initializer}
    ends = {v.name for v in (*model.graph.input, *model.graph.output)}
    kinds_of_pairs = collections.Counter(
        (node.op_type, kinds[node.input[2]])
        for node in model.graph.node
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and not ends & {*node.input, *node.output}
    )
    proto = onnx.TensorProto
    assert kinds_of_pairs.pop(("QuantizeLinear", proto.UINT8)) > 80
    assert kinds_of_pairs.pop(("DequantizeLinear", proto.UINT8)) > 80
    weights, biases = ("DequantizeLinear", proto.INT8), ("DequantizeLinear", proto.INT32)
    assert kinds_of_pairs == {weights: 53, biases: 53}


@pytest.mark.parametrize("table", ["tsm", "stsm"])
def test_fp32_operators_are_fused(made, table):
    """Clip and Add are fused, one transpose (frame) remains, and layouts are reordered at most once per shift."""
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
    """States have the order in which the runtime computes. The description has the order and shapes of the file."""
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
    transposes = [node for node in model.graph.node if node.op_type == "Transpose"]
    assert len(transposes) == (1 if order == "first" else 21)


def test_the_same_conversion_gives_the_same_bytes(made, tmp_path):
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
    """The graph computes in integers; its inputs and outputs are float."""
    artifact = made("tsm", "int8", "onnx", float_boundary=True)
    spec = artifact.result.spec
    assert {t.dtype for t in (spec.input, spec.output, *spec.states)} == {"float32"}
    operators = spec.graph.operators
    assert operators["QuantizeLinear"] == operators["DequantizeLinear"] == 1 + len(spec.states)
    assert operators["QLinearConv"] == 52
    assert self_check(load(artifact.path)).ok


def test_a_state_whose_ends_differ_is_refused(made):
    """The scales are read back from the finished graph."""
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


def test_int8_that_stays_float_is_refused(made, monkeypatch):
    """A conversion to int8 that fails is an error. It never writes a float file."""
    monkeypatch.setattr(onnx_target, "quantize", lambda model, *_: model)
    with pytest.raises(ConversionError, match=r"still computes .*Conv.* in float; it was not written"):
        onnx_target.lower(made.job("onnx"))


def test_tsam_of_depth_one(tmp_path):
    """With one past frame, the next "seen" flag is a constant, which no operator of the exported graph makes."""
    source = untrained_source("tsam_mobilenet_v2", size=64, depth=1)
    result = convert(source, "onnx", tmp_path / "a.onnx")
    assert "state_seen" in {state.name for state in result.spec.states}
    onnx.checker.check_model(str(result.path), full_check=True)


def test_resnet50_int8(made):
    """In ResNet-50, the max pool and the sixteen shifts run in integers, too."""
    result = made("tsm_resnet50", "int8", "onnx").result
    graph = result.spec.graph
    assert graph is not None and not {"Conv", "MaxPool", "Gemm", "Add", "Concat"} & graph.operators.keys()
    assert graph.operators["Transpose"] == 1
    assert graph.operators["QuantizeLinear"] == 2 * 17 + 1  # one more for the pad in front of the pool
    assert len(result.spec.states) == 16
