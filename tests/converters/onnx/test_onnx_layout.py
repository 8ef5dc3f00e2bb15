"""The rewrites of the exported graph give the same values to the bit, and change nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from edgeshift.artifact.spec import TensorSpec  # noqa: E402
from edgeshift.converters.onnx.layout import channels_first, move_spatial_shifts, states_last  # noqa: E402

STATE, SIDE = (1, 3, 4, 5), (4, 5)


def kernels(*taps: tuple[int, int]) -> Any:
    values = np.zeros((len(taps), 1, 3, 3), np.float32)
    for channel, tap in enumerate(taps):
        values[channel, 0, tap[0], tap[1]] = 1
    return values


def model(nodes: list[Any], outputs: dict[str, int], **constants: Any) -> Any:
    """Return a graph over a frame [1, 4, 5, 8], channels last, and a state [1, 3, 4, 5]."""
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node("Transpose", "frame", "x", perm=[0, 3, 1, 2]), *nodes],
        "step",
        [value("frame", 1, (1, *SIDE, 8)), value("state_a", 1, STATE)],
        [value(name, 1, (1, channels, *SIDE)) for name, channels in outputs.items()],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    built = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(built, full_check=True)
    return built


def node(kind: str, inputs: str, to: str, **attributes: Any) -> Any:
    return onnx.helper.make_node(kind, inputs.split(), [to], **attributes)


def cut(name: str, start: int, stop: int) -> tuple[Any, dict[str, Any]]:
    """Return an operator that slices channels of x, and the constants that it reads."""
    constants = {f"{name}_{i}": np.array([n], np.int64) for i, n in enumerate((start, stop, 1))}
    return node("Slice", f"x {name}_0 {name}_1 {name}_2", name), constants


def shifted() -> Any:
    """Return a graph that computes y = concat(state, x[3:5] moved up, x[5:6], x[6:8] moved left)."""
    parts = [cut("a", 3, 5), cut("b", 5, 6), cut("c", 6, 8), cut("next_state_a", 0, 3)]
    nodes = [operator for operator, _ in parts] + [
        node("Conv", "a up", "moved_a", group=2, pads=[1, 1, 1, 1]),
        node("Conv", "c left", "moved_c", group=2, pads=[1, 1, 1, 1]),
        node("Concat", "state_a moved_a b moved_c", "y", axis=1),
    ]
    constants = {name: array for _, some in parts for name, array in some.items()}
    kinds = {"up": kernels((2, 1), (0, 1)), "left": kernels((1, 2), (1, 1))}
    return model(nodes, {"y": 8, "next_state_a": 3}, **constants, **kinds)


def run(built: Any, state: Any, frame: Any) -> dict[str, Any]:
    onnx.checker.check_model(built, full_check=True)
    session = onnxruntime.InferenceSession(built.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"frame": frame, "state_a": state}), strict=True))


@pytest.fixture
def inputs() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    return random.normal(size=STATE).astype(np.float32), random.normal(size=(1, *SIDE, 8)).astype(np.float32)


def kinds_of(built: Any) -> list[str]:
    return [node.op_type for node in built.graph.node]


def test_shifts_go_behind_the_concatenation(inputs: tuple[Any, Any]) -> None:
    """Several convolutions become one, with kernels in the order of the concatenated pieces."""
    before = run(shifted(), *inputs)
    built = move_spatial_shifts(shifted())
    assert kinds_of(built) == ["Transpose", *["Slice"] * 4, "Concat", "Conv"]
    (conv,) = [operator for operator in built.graph.node if operator.op_type == "Conv"]
    assert onnx.helper.get_node_attr_value(conv, "group") == 8
    assert not {"up", "left"} & {tensor.name for tensor in built.graph.initializer}, "unused constants are removed"
    after = run(built, *inputs)
    assert before.keys() == after.keys()
    for name in before:
        np.testing.assert_array_equal(after[name], before[name])
    assert np.ptp(after["y"]) > 0


def test_a_shift_with_another_reader_or_other_padding_stays() -> None:
    built = shifted()
    del built.graph.output[:]
    built.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, 1, (1, channels, *SIDE)) for name, channels in (("y", 8), ("z", 2))
    )
    built.graph.node.append(node("Relu", "moved_a", "z"))
    assert kinds_of(move_spatial_shifts(built)).count("Conv") == 2, (
        "one convolution is read twice, and one follows the concatenation"
    )
    smaller = shifted()
    for operator in smaller.graph.node:
        if operator.op_type == "Conv":
            del operator.attribute[:]
            operator.attribute.extend([onnx.helper.make_attribute("group", 2)])
    assert "Concat" in kinds_of(smaller) and kinds_of(move_spatial_shifts(smaller)) == kinds_of(smaller)


def test_ordinary_weights_are_not_shifts() -> None:
    built = shifted()
    for tensor in built.graph.initializer:
        if tensor.name in ("up", "left"):
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.full((2, 1, 3, 3), 0.5, np.float32), tensor.name))
    before = built.SerializeToString(deterministic=True)
    assert move_spatial_shifts(built).SerializeToString(deterministic=True) == before


def test_states_last(inputs: tuple[Any, Any]) -> None:
    """States have the same values in the other order. The frame and the given model do not change."""
    state, frame = inputs
    built = shifted()
    bytes_before = built.SerializeToString(deterministic=True)
    changed = states_last(built)
    assert built.SerializeToString(deterministic=True) == bytes_before
    before, after = run(built, state, frame), run(changed, state.transpose(0, 2, 3, 1), frame)
    for name in before:
        np.testing.assert_array_equal(after[name].transpose(0, 3, 1, 2), before[name])


def test_channels_first() -> None:
    tensors = [
        TensorSpec(name="frame", shape=(1, 4, 5, 3), dtype="float32"),
        TensorSpec(name="logits", shape=(1, 10), dtype="float32"),
        TensorSpec(name="state_a", shape=(1, 4, 5, 3), dtype="float32"),
    ]
    found = [channels_first(tensor) for tensor in tensors]
    assert found[:2] == tensors[:2]
    assert (found[2].shape, found[2].channels) == (STATE, "first")


def test_a_state_of_one_pixel_is_reshaped():
    """Nothing moves in it, and QNN does not compile a transpose of it at the end of a graph."""
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node("Neg", "state_seen", "next_state_seen")],
        "step",
        [value("state_seen", 1, (1, 3, 1, 1))],
        [value("next_state_seen", 1, (1, 3, 1, 1))],
    )
    changed = states_last(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8))
    onnx.checker.check_model(changed, full_check=True)
    assert [one.op_type for one in changed.graph.node] == ["Reshape", "Neg", "Reshape"]
    session = onnxruntime.InferenceSession(changed.SerializeToString(), providers=["CPUExecutionProvider"])
    seen = np.arange(3, dtype=np.float32).reshape(1, 1, 1, 3)
    np.testing.assert_array_equal(session.run(None, {"state_seen": seen})[0], -seen)
