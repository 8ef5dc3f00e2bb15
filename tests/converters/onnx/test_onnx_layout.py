"""The rewrites of the exported graph compute what the graph did, to the bit, and leave alone what they must."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from edgeshift.artifact.spec import TensorSpec  # noqa: E402
from edgeshift.converters.onnx.layout import channels_first, moved_whole, states_last  # noqa: E402

STATE, SIDE = (1, 3, 4, 5), (4, 5)


def kernels(*taps: tuple[int, int]) -> Any:
    values = np.zeros((len(taps), 1, 3, 3), np.float32)
    for channel, tap in enumerate(taps):
        values[channel, 0, tap[0], tap[1]] = 1
    return values


def model(nodes: list[Any], outputs: dict[str, int], **constants: Any) -> Any:
    """A graph over frame [1, 4, 5, 8], channels last, and a state [1, 3, 4, 5]."""
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node("Transpose", "frame", "x", perm=[0, 3, 1, 2]), *nodes],
        "step",
        [value("frame", 1, (1, *SIDE, 8)), value("state_a", 1, STATE)],
        [value(name, 1, (1, channels, *SIDE)) for name, channels in outputs.items()],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


def node(kind: str, inputs: str, to: str, **attributes: Any) -> Any:
    return onnx.helper.make_node(kind, inputs.split(), [to], **attributes)


def cut(name: str, start: int, stop: int) -> tuple[Any, dict[str, Any]]:
    """Channels of x, and the constants that the operator needs."""
    constants = {f"{name}_{i}": np.array([n], np.int64) for i, n in enumerate((start, stop, 1))}
    return node("Slice", f"x {name}_0 {name}_1 {name}_2", name), constants


def shifted() -> Any:
    """state, two moved channels, one that stays, two moved and taken along: x[3:8] behind the state."""
    parts = [cut("a", 3, 5), cut("b", 5, 6), cut("c", 6, 8), cut("next_state_a", 0, 3)]
    nodes = [one for one, _ in parts] + [
        node("Conv", "a up", "moved_a", group=2, pads=[1, 1, 1, 1]),
        node("Conv", "c left", "moved_c", group=2, pads=[1, 1, 1, 1]),
        node("Concat", "state_a moved_a b moved_c", "y", axis=1),
    ]
    constants = {name: array for _, some in parts for name, array in some.items()}
    kinds = {"up": kernels((2, 1), (0, 1)), "left": kernels((1, 2), (1, 1))}
    return model(nodes, {"y": 8, "next_state_a": 3}, **constants, **kinds)


def run(made: Any, state: Any, frame: Any) -> dict[str, Any]:
    onnx.checker.check_model(made, full_check=True)
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"frame": frame, "state_a": state}), strict=True))


@pytest.fixture
def given() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    return random.normal(size=STATE).astype(np.float32), random.normal(size=(1, *SIDE, 8)).astype(np.float32)


def kinds_of(made: Any) -> list[str]:
    return [one.op_type for one in made.graph.node]


def test_moves_go_behind_the_concatenation(given: tuple[Any, Any]) -> None:
    """Several of them become one, with kernels in the order of the pieces."""
    before = run(shifted(), *given)
    made = moved_whole(shifted())
    assert kinds_of(made) == ["Transpose", *["Slice"] * 4, "Concat", "Conv"]
    (conv,) = [one for one in made.graph.node if one.op_type == "Conv"]
    assert onnx.helper.get_node_attr_value(conv, "group") == 8
    assert not {"up", "left"} & {tensor.name for tensor in made.graph.initializer}, "nothing that nobody reads"
    after = run(made, *given)
    assert before.keys() == after.keys()
    for name in before:
        np.testing.assert_array_equal(after[name], before[name])
    assert np.ptp(after["y"]) > 0


def test_what_others_read_stays() -> None:
    """A move that is an answer itself, and one whose border is another."""
    made = shifted()
    del made.graph.output[:]
    made.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, 1, (1, channels, *SIDE)) for name, channels in (("y", 8), ("z", 2))
    )
    made.graph.node.append(node("Relu", "moved_a", "z"))
    assert kinds_of(moved_whole(made)).count("Conv") == 2, "the one that is read twice, and the whole"
    smaller = shifted()
    for one in smaller.graph.node:
        if one.op_type == "Conv":
            del one.attribute[:]
            one.attribute.extend([onnx.helper.make_attribute("group", 2)])
    assert "Concat" in kinds_of(smaller) and kinds_of(moved_whole(smaller)) == kinds_of(smaller)


def test_weights_are_no_moves() -> None:
    made = shifted()
    for tensor in made.graph.initializer:
        if tensor.name in ("up", "left"):
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.full((2, 1, 3, 3), 0.5, np.float32), tensor.name))
    before = made.SerializeToString(deterministic=True)
    assert moved_whole(made).SerializeToString(deterministic=True) == before


def test_states_last(given: tuple[Any, Any]) -> None:
    """The same values in the other order, the frame as it was, and the model itself unchanged."""
    state, frame = given
    made = shifted()
    bytes_before = made.SerializeToString(deterministic=True)
    changed = states_last(made)
    assert made.SerializeToString(deterministic=True) == bytes_before
    before, after = run(made, state, frame), run(changed, state.transpose(0, 2, 3, 1), frame)
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
