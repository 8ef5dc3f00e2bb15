"""Two rewrites of the exported float graph: the same values, in an order that ONNX Runtime computes faster.

``moved_whole`` puts the one-hot convolutions of moves in height and width behind the concatenation with the state:

    before   x -- Slice -- Conv -- Concat -- y        after   x -- Slice -- Concat -- Conv -- y
                          state ---'                               state ---'

The channels of a block are a multiple of 8, those less the ones that move in time are not; depthwise kernels are made
for the former: no remainder is computed one by one in int8, and fp32 need not leave its blocks of channels.

``states_last`` puts the states channels last, as ONNX Runtime computes int8. In fp32 it computes channels first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edgeshift.artifact.spec import FRAME, TensorSpec
from edgeshift.converters.onnx.graph import attribute
from edgeshift.stream import Array

if TYPE_CHECKING:
    import onnx

#: Of a convolution that moves by one (``edgeshift.models.shift_layers``).
PADS = [1, 1, 1, 1]
FIRST, LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def moved_whole(model: onnx.ModelProto) -> onnx.ModelProto:
    """A float model as exported, changed in place: what a concatenation reads is moved behind it, not before."""
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    channels = _channels(model)
    read = [name for node in graph.node for name in node.input]
    moves = {node.output[0]: node for node in graph.node if _moves(node, constants) and read.count(node.output[0]) == 1}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        if node.op_type != "Concat" or attribute(node, "axis", 0) != 1 or not moves.keys() & set(node.input):
            continue
        whole, pieces = node.output[0], [moves.pop(name, name) for name in node.input]
        kernels = [_still(channels[p]) if isinstance(p, str) else constants[p.input[1]] for p in pieces]
        kernel = numpy_helper.from_array(np.concatenate(kernels), f"{whole}/kernel")
        graph.initializer.append(kernel)
        nodes = [other for other in nodes if all(other is not piece for piece in pieces)]
        node.input[:] = [p if isinstance(p, str) else p.input[0] for p in pieces]
        node.output[0] = f"{whole}/unmoved"
        inputs, shape, group = [node.output[0], kernel.name], list(kernel.dims[2:]), kernel.dims[0]
        made = helper.make_node("Conv", inputs, [whole], f"{whole}/moves", group=group, kernel_shape=shape, pads=PADS)
        nodes.append(made)
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return model


def states_last(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a float model whose states, channels first in the model, are channels last at its boundary."""
    import onnx
    from onnx import helper

    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    ends = [value for value in (*graph.input, *graph.output) if _is_state(value)]
    inside = {value.name: f"{value.name}/first" for value in ends}
    for node in graph.node:
        node.input[:] = [inside.get(name, name) for name in node.input]
        node.output[:] = [inside.get(name, name) for name in node.output]
    for value in ends:
        sizes = value.type.tensor_type.shape.dim
        shape = [sizes[axis].dim_value for axis in LAST]
        for size, turned in zip(sizes, shape, strict=True):
            size.dim_value = turned
    names = {value.name for value in graph.input}
    before = [[name, first, FIRST] for name, first in inside.items() if name in names]
    after = [[first, name, LAST] for name, first in inside.items() if name not in names]
    turns = [
        [helper.make_node("Transpose", [a], [b], f"Transpose/{b}", perm=perm) for a, b, perm in side]
        for side in (before, after)
    ]
    nodes = [*turns[0], *graph.node, *turns[1]]
    del graph.node[:]
    graph.node.extend(nodes)
    return changed


def channels_first(tensor: TensorSpec) -> TensorSpec:
    """A tensor of the boundary, channels last, as a model has it that was not given to ``states_last``."""
    if tensor.name == FRAME or len(tensor.shape) != 4:
        return tensor
    return msgspec.structs.replace(tensor, shape=tuple(tensor.shape[axis] for axis in FIRST), channels="first")


def _is_state(value: onnx.ValueInfoProto) -> bool:
    return value.name != FRAME and len(value.type.tensor_type.shape.dim) == 4


def _moves(node: onnx.NodeProto, constants: Mapping[str, Array]) -> bool:
    """True for a one-hot depthwise convolution that moves pixels by one."""
    if node.op_type != "Conv" or len(node.input) > 2 or list(attribute(node, "pads", [])) != PADS:
        return False
    kernel = constants[node.input[1]]
    return kernel.shape[1:] == (1, 3, 3) and bool(np.isin(kernel, (0.0, 1.0)).all())


def _still(channels: int) -> Array:
    """The kernels of channels that stay where they are."""
    kernel = np.zeros((channels, 1, 3, 3), np.float32)
    kernel[:, 0, 1, 1] = 1
    return kernel


def _channels(model: onnx.ModelProto) -> dict[str, int]:
    """{tensor: its second dimension}, of those that have one."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.input, *graph.value_info)}
    shapes |= {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    return {name: shape[1] for name, shape in shapes.items() if len(shape) > 1}
